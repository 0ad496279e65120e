"""How good a picture each method has after how many seconds, and how long each takes to what the usual ways reach.

    python -m benchmarks.quality_over_time ../shared/photos -o runs/quality
    python -m benchmarks.quality_over_time --targets random-256 -o runs/quality-256

Targets are the CelebA-HQ crops at the size of the shipped generator, or two pictures of a 256 px generator of random
weights: one that its codes can render, and one of other noise, which they cannot. All ways move the same codes (W+)
and are compared by Image2StyleGAN's objective; "as shipped" has the penalty on unlikely codes beside it. Trajectories
are followed in batches. Seconds are evaluations times the seconds that one takes a picture, measured at the end, the
ways taking turns: with a single picture, and in batches of --together. The usual ways run on the usual step
(`benchmarks/plain.py`), as it is and with frozen weights.
"""

import itertools
import json
import statistics
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import click
import matplotlib as mpl
import torch
from tqdm import tqdm

from benchmarks.shipped.inversion import celebahq
from benchmarks.variants import networks, step_of
from wplus.core.shapes import Images, Losses, Ws
from wplus.inversion import Encoder, Mean, Start, WPlus, objective_for
from wplus.inversion import steps as descend
from wplus.inversion.presets import EDITABILITY
from wplus.metrics import identity_distance, mse
from wplus.metrics.latents import distance_to_mean, pn_norm
from wplus.metrics.perceptual import load_lpips
from wplus.models import VGG, Generator, fast, load_generator, load_perceptual
from wplus.models.pn import pn_of
from wplus.optimisation import Adam, Projector, QuasiNewton, Settings

Networks = tuple[Generator, VGG]

STEPS = ("usual, frozen", "usual")
"""On which the usual ways are timed; most repositories run the second."""

MARKS = (5, 10, 20, 30, 50, 70, 100, 150, 200, 300, 500, 700, 1000, 1500, 3000, 5000)
"""Evaluations after which pictures are looked at."""


@dataclass(frozen=True)
class Way:
    """One way to invert."""

    name: str
    settings: Settings
    start: Start = Mean()  # noqa: RUF009  (a frozen value)
    usual: bool = False
    """Whether it is timed on the usual step."""
    editability: float = 0.0
    """Weight of the penalty on unlikely codes."""


ADAM = Way("Adam 0.01", Settings(steps=1000, method=Adam(learning_rate=0.01, final_rate=1.0)), usual=True)
PAPER = Way("Adam 0.01, 5000", Settings.image2stylegan(), usual=True)
PROJECTOR = Way("projector", Settings(steps=1000, method=Projector()), usual=True)
OURS = (
    Way("Adam 0.1, cosine, 300", Settings(steps=300, method=Adam())),
    Way("L-BFGS alone", Settings(steps=300, method=QuasiNewton(directions=0))),
    Way("L-BFGS", Settings(steps=300, method=QuasiNewton())),
    Way("L-BFGS as shipped", Settings(steps=300), editability=EDITABILITY),
)
WITH_ENCODER = Way("L-BFGS, encoder start", Settings(steps=300, method=QuasiNewton()), Encoder())
MORE_DIRECTIONS = Way("L-BFGS, 512 directions", Settings(steps=300, method=QuasiNewton(directions=512)))
NAMES = [way.name for way in (*OURS, WITH_ENCODER, MORE_DIRECTIONS)]


@dataclass(frozen=True, eq=False)
class Run:
    """What a way did: the best loss after every evaluation (steps, pictures), and figures at the marks."""

    best: torch.Tensor
    figures: list[dict[str, float]]
    setup: float
    """Seconds before the first step, once for all pictures."""


def follow(way: Way, generator: Generator, vgg: VGG, target: Images, *, squeeze: Path | None) -> Run:
    """Descend from every target, in batches of eight or alone."""
    objective = objective_for(generator, vgg, editability=way.editability)
    together = 8 if generator.resolution <= 128 else 1
    parts: list[torch.Tensor] = []
    kept: dict[int, list[Ws]] = {}
    began = time.perf_counter()
    problem_ready = 0.0
    for group in target.split(together):
        best: list[Losses] = []
        records = descend(generator, group, objective, space=WPlus(), start=way.start, settings=way.settings)
        for record in tqdm(records, total=way.settings.steps + 1, desc=way.name, leave=False, disable=None):
            problem_ready = problem_ready or time.perf_counter() - began
            found = record.progress.best_losses
            best.append(torch.stack([found[term.name] for term in objective.terms]).sum(dim=0))
            if record.step in MARKS:
                kept.setdefault(record.step, []).append(record.progress.best_code)
        parts.append(torch.stack(best))
    best_losses = torch.cat(parts, dim=1)
    looked = [
        {"evaluations": mark, "loss": float(best_losses[mark].median())}
        | judge(generator, torch.cat(ws), target, squeeze)
        for mark, ws in kept.items()
    ]
    return Run(best_losses, looked, problem_ready)


def judge(generator: Generator, ws: Ws, target: Images, squeeze: Path | None) -> dict[str, float]:
    """Medians over pictures: squared error, LPIPS-squeeze, identity distance, distance from the mean, norm in P_N."""
    with torch.no_grad():
        pictures = torch.cat([generator(part) for part in ws.split(8)]).clamp(-1, 1)
        found = {"mse": float(mse(pictures, target).median())}
        if squeeze is not None:
            found["lpips-squeeze"] = float(load_lpips("squeeze", squeeze)(pictures, target).median())
    if generator.resolution == 64:
        pairs = [identity_distance(a, b) for a, b in zip(pictures, target, strict=True)]
        found["identity"] = statistics.median([pair for pair in pairs if pair is not None] or [float("nan")])
    found["|w - mean|"] = float(distance_to_mean(ws, generator).median())
    found["P_N norm"] = float(pn_norm(ws, pn_of(generator)).median())
    return found


def seconds_an_evaluation(
    ways: list[Way], plain: Networks, quick: Networks, target: Images, *, together: int, rounds: int
) -> dict[str, float]:
    """Medians a picture by way, and of the usual steps, all taking turns; a way's own work is part of it."""
    count = 10 if target.shape[-1] <= 128 else 3
    found: dict[str, list[float]] = {name: [] for name in (*STEPS, *(way.name for way in ways))}
    usual = {name: step_of(name, *plain, together) for name in STEPS}
    pictures = target[torch.arange(together) % len(target)]
    for _ in range(rounds):
        for name, step in usual.items():
            began = time.perf_counter()
            for _ in range(count):
                step()
            found[name].append((time.perf_counter() - began) / count)
        for way in ways:
            generator, vgg = quick
            objective = objective_for(generator, vgg, editability=way.editability)
            records = descend(generator, pictures, objective, space=WPlus(), start=way.start, settings=way.settings)
            next(records)
            began = time.perf_counter()
            done = sum(1 for _ in itertools.islice(records, count))  # a way that diverges ends before
            found[way.name].append((time.perf_counter() - began) / max(done, 1))
    return {name: statistics.median(values) / together for name, values in found.items()}


def reached(run: Run, loss: torch.Tensor) -> list[int | None]:
    """For each picture the evaluations until its best loss is at most `loss`; None where it never was."""
    below = run.best <= loss
    return [int(below[:, index].float().argmax()) if below[-1, index] else None for index in range(below.shape[1])]


@click.command(help=__doc__)
@click.argument("photos", type=click.Path(path_type=Path), required=False)
@click.option("--targets", type=click.Choice(["photos", "random-256"]), default="photos", show_default=True)
@click.option("--count", default=26, show_default=True, help="Targets at most.")
@click.option("--paper", is_flag=True, help="Run Adam for the paper's 5000 steps too.")
@click.option("--only", multiple=True, type=click.Choice(NAMES), help="Beside the usual ways.")
@click.option("--squeeze", type=click.Path(path_type=Path), help="File of SqueezeNet's weights, for LPIPS.")
@click.option("--steps", default=300, show_default=True, help="Of every way that is not usual.")
@click.option("--together", default=4, show_default=True, help="Pictures in the larger of the batches that are timed.")
@click.option("--rounds", default=5, show_default=True, help="Turns of the timing.")
@click.option("-o", "--output", type=click.Path(path_type=Path), required=True)
def main(
    photos: Path | None,
    targets: str,
    count: int,
    paper: bool,
    only: tuple[str, ...],
    squeeze: Path | None,
    steps: int,
    together: int,
    rounds: int,
    output: Path,
) -> None:
    """Run all ways."""
    if targets == "photos":
        if photos is None:
            raise click.UsageError("give the folder of photographs")
        generator = load_generator("faces-64")
        vgg = load_perceptual(generator.card.perceptual)
        names, crops = zip(*celebahq(photos, generator)[:count], strict=True)
        target, labels = torch.stack([crop.picture for crop in crops]), [path.stem for path in names]
        ways = [ADAM, *([PAPER] if paper else []), PROJECTOR, *OURS, WITH_ENCODER]
    else:
        generator, vgg = networks(256)
        target, labels = random_targets(generator)[:count], ["reachable", "other noise"][:count]
        ways = [ADAM, PROJECTOR, *OURS, MORE_DIRECTIONS]
    ways = [way for way in ways if way.usual or not only or way.name in only]
    ways = [way if way.usual else replace(way, settings=replace(way.settings, steps=steps)) for way in ways]
    plain, (quick, quick_vgg) = (generator, vgg), (fast(generator), fast(vgg))
    runs = {way.name: follow(way, quick, quick_vgg, target, squeeze=squeeze) for way in ways}
    ours = [way for way in ways if not way.usual]
    seconds = {
        size: seconds_an_evaluation(ours, plain, (quick, quick_vgg), target, together=size, rounds=rounds)
        for size in dict.fromkeys((1, together))
    }
    rows = compared(ways, runs, seconds)
    output.mkdir(parents=True, exist_ok=True)
    told = {
        "targets": labels, "generator": generator.fingerprint, "threads": torch.get_num_threads(),
        "torch": torch.__version__, "seconds an evaluation": seconds, "ratios": rows,
        "figures": {name: run.figures for name, run in runs.items()},
        "set-up seconds": {name: run.setup for name, run in runs.items()},
    }  # fmt: skip
    (output / "quality_over_time.json").write_text(json.dumps(told, indent=1) + "\n")
    plot(ways, runs, seconds[1], output / "quality_over_time.png")
    report(ways, rows, runs, seconds)


def random_targets(generator: Generator) -> Images:
    """A picture that codes of W+ can render, and one of other noise maps."""
    draw = torch.Generator().manual_seed(5)
    with torch.no_grad():
        ws = generator.map(torch.randn(2 * generator.layers, generator.z_dim, generator=draw))[:, 0]
        ws = ws.view(2, generator.layers, -1)
        maps = [torch.randn(1, 1, *shape, generator=draw) for shape in generator.network.synthesis.noise_shapes]
        return torch.cat([generator(ws[:1]), generator(ws[1:], noise=tuple(maps))])


def compared(ways: list[Way], runs: dict[str, Run], seconds: dict[int, dict[str, float]]) -> list[dict[str, Any]]:
    """By how much each of ours is sooner where each usual way ends: a ratio a picture, and the median."""
    rows = []
    for usual, way in itertools.product([way for way in ways if way.usual], [way for way in ways if not way.usual]):
        # counted from the first evaluation; one that never gets there counts as no gain
        counts = reached(runs[way.name], runs[usual.name].best[-1])
        for step, (size, taken) in itertools.product(STEPS, seconds.items()):
            whole = usual.settings.steps * taken[step]
            ratios = [whole / ((count + 1) * taken[way.name]) if count is not None else 0.0 for count in counts]
            rows.append(
                {
                    "to the loss of": usual.name, "way": way.name, "step": step, "together": size,
                    "median": statistics.median(ratios), "least": min(ratios), "evaluations": counts,
                    "ratios": [round(ratio, 1) for ratio in ratios],
                }
            )  # fmt: skip
    return rows


def report(
    ways: list[Way], rows: list[dict[str, Any]], runs: dict[str, Run], seconds: dict[int, dict[str, float]]
) -> None:
    """The tables."""
    for size, taken in seconds.items():
        told = ", ".join(f"{name} {1000 * value:.1f}" for name, value in taken.items())
        click.echo(f"ms an evaluation and picture, batches of {size}: {told}")
    for way in ways:
        click.echo(f"{way.name}: set-up {runs[way.name].setup:.1f} s")
        for figures in runs[way.name].figures:
            click.echo("   " + "  ".join(f"{key} {value:.4g}" for key, value in figures.items()))
    for row in rows:
        click.echo(
            f"{row['way']} to the loss of {row['to the loss of']}, {row['step']}, batches of {row['together']}:"
            f" {row['median']:.1f}x (least {row['least']:.1f})"
        )
    for (way, usual), same in itertools.groupby(rows, lambda row: (row["way"], row["to the loss of"])):
        click.echo(f"{way} to the loss of {usual}: evaluations {next(same)['evaluations']}")


def plot(ways: list[Way], runs: dict[str, Run], seconds: dict[str, float], path: Path) -> None:
    """Median loss against seconds; the usual ways on frozen weights."""
    mpl.use("Agg")
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(figsize=(8, 5))
    for way in ways:
        median = runs[way.name].best.median(dim=1).values
        taken = seconds[STEPS[0] if way.usual else way.name]
        axes.plot([(step + 1) * taken for step in range(len(median))], median, label=way.name)
    axes.set(xscale="log", yscale="log", xlabel="seconds a picture", ylabel="loss, median over pictures")
    axes.legend()
    axes.grid(alpha=0.3)
    figure.savefig(path, dpi=120, bbox_inches="tight")


if __name__ == "__main__":
    main()
