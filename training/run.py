"""A training run as an iterator of reports: it resumes, saves, and draws its sheets as it goes."""

import copy
import csv
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from pickle import UnpicklingError

import torch
from torchvision.utils import make_grid

from wplus.core.errors import TrainingError
from wplus.core.files import replacing
from wplus.core.images import write_picture
from wplus.core.shapes import Images
from wplus.models import Card, Generator
from wplus.training.faces import Faces
from wplus.training.recipe import Run

HELD_OUT = 512


@dataclass(frozen=True)
class Report:
    """Where a run stands.

    Args:
        seen: pictures seen so far.
        rate: pictures a second since the last report.
        losses: means since the last report, by name.
        held_out: mean squared error on [-1, 1] of reconstructed pictures that were not trained on.
        spread: variance of frozen features of samples over that of real pictures; 1 is as varied as life.
    """

    seen: int
    rate: float
    losses: dict[str, float]
    held_out: float
    spread: float


def train(run: Run, held_out: Faces, folder: Path, *, every: int = 5_000) -> Iterator[Report]:
    """Go on with `run` until its recipe is fulfilled; yield a report and save every `every` pictures.

    Writes `checkpoint.pt`, `log.csv` and `sheet-NNNNNNN.png` (reals, their reconstructions, samples) to `folder`.

    Raises:
        OutputError: the folder cannot be written.
    """
    began, sums, steps, since = time.monotonic(), dict[str, float](), 0, run.seen
    while run.seen < run.recipe.images:
        for name, value in run.step().items():
            sums[name] = sums.get(name, 0.0) + value
        steps += 1
        if run.seen - since >= every or run.seen >= run.recipe.images:
            held, spread, sheet = _look(run, held_out)
            rate = (run.seen - since) / (time.monotonic() - began)
            report = Report(run.seen, rate, {name: total / steps for name, total in sums.items()}, held, spread)
            save_checkpoint(run, folder / "checkpoint.pt")
            write_picture(folder / f"sheet-{run.seen:07}.png", sheet)
            _log(report, folder / "log.csv")
            yield report
            began, sums, steps, since = time.monotonic(), {}, 0, run.seen


@torch.no_grad()
def _look(run: Run, held_out: Faces) -> tuple[float, float, torch.Tensor]:
    """Held-out error, spread of samples, and a sheet of 8 columns: reals, reconstructions, samples."""
    real = held_out.batch(torch.arange(min(256, len(held_out)))).to(run.device)
    mean, _ = run.encoder_ema(real)
    generator = run.generator_ema

    def render(w: torch.Tensor) -> Images:
        ws = w[:, None].expand(-1, generator.config.layers, -1)
        return torch.cat([generator.synthesis(part) for part in ws.split(64)])

    rebuilt = render(mean + run.offset)
    z = torch.randn(len(real), run.recipe.w_dim, generator=torch.Generator().manual_seed(0)).to(run.device)
    sampled = render(generator.mapping(z) if not run.warm else z)
    variances = [run.levels(images)[-1].float().mean(dim=(2, 3)).var(dim=0).sum() for images in (sampled, real)]
    rows = torch.cat([real[:8], rebuilt[:8], real[8:16], rebuilt[8:16], sampled[:32]]).clamp(-1, 1)
    held = float((rebuilt - real).square().mean())
    return held, float(variances[0] / variances[1]), make_grid(rows, nrow=8, padding=0).cpu()


def _log(report: Report, path: Path) -> None:
    """Append a line to the run's table."""
    row = {"seen": report.seen, "rate": report.rate, "held_out": report.held_out, "spread": report.spread}
    names = ["seen", "rate", "held_out", "spread", "pixel", "feature", "divergence", "hinge", "fooled"]
    new = not path.exists()
    with path.open("a", newline="") as file:
        writer = csv.DictWriter(file, names, restval="")
        if new:
            writer.writeheader()
        writer.writerow({name: f"{value:.5g}" for name, value in (row | report.losses).items()})


def save_checkpoint(run: Run, path: Path) -> None:
    """Write everything a run needs to go on, atomically."""
    state = {
        "recipe": asdict(run.recipe),
        "seen": run.seen,
        "weights": run.state_dict(),
        "optimisers": {name: optimiser.state_dict() for name, optimiser in run.optimisers.items()},
    }
    with replacing(path) as temporary:
        torch.save(state, temporary)


def load_checkpoint(run: Run, path: Path) -> None:
    """Bring `run` to where `save_checkpoint` left it.

    Raises:
        TrainingError: damaged, or of another recipe (the number of images may differ).
    """
    try:
        state = torch.load(path, weights_only=True, map_location=run.device)
        theirs, ours = ({**recipe, "images": 0} for recipe in (state["recipe"], asdict(run.recipe)))
    except (OSError, RuntimeError, EOFError, KeyError, UnpicklingError) as error:
        raise TrainingError(f"{path}: no checkpoint of wplus, or damaged") from error
    if theirs != ours:
        changed = sorted(name for name in ours if theirs.get(name) != ours[name])
        raise TrainingError(f"{path}: made with another recipe ({', '.join(changed)}); give another folder")
    run.load_state_dict(state["weights"])
    run.resume(state["seen"])
    for name, optimiser in run.optimisers.items():
        optimiser.load_state_dict(state["optimisers"][name])


@torch.no_grad()
def export(run: Run, path: Path, card: Card) -> None:
    """Write the averaged generator in fp16, with its recipe and its last figures in the header.

    Raises:
        OutputError: the file cannot be written.
    """
    network = copy.deepcopy(run.generator_ema).cpu()
    z = torch.randn(10_000, run.recipe.w_dim, generator=torch.Generator().manual_seed(0))
    network.mapping.w_avg.copy_(network.mapping(z).mean(dim=0))
    training = {"recipe": asdict(run.recipe), "images_seen": run.seen, "training_faces": len(run.faces)}
    Generator(network, replace(card, training=training)).save(path, dtype=torch.float16)
