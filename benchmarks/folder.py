"""Many photographs: images a minute and use of the processors, beside a plain loop over single photographs.

    python -m benchmarks.folder ../shared/photos/aligned -o runs/folder

Every way finds, aligns and inverts the same photographs with the same recipe, networks loaded before; the start of its
worker processes counts. All ways are run in turn, `--repeats` times, and medians are told.
"""

import itertools
import json
import os
import resource
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from statistics import median

import click
import torch
from matplotlib.figure import Figure

from wplus.core.files import replacing, write_text
from wplus.core.images import find_pictures
from wplus.optimisation import Settings
from wplus.pipelines.folder import (
    Group,
    Here,
    Inverted,
    Prepared,
    Processes,
    Reading,
    Recipe,
    batch_size,
    invert_groups,
)

Way = Callable[[], Iterator[Inverted]]


def ways(recipe: Recipe, prepared: Prepared, photos: Sequence[Path]) -> dict[str, Way]:
    """What is compared, by name; the first is the plain loop."""
    reading, workers = Reading(prepared.generator.resolution), max(2, torch.cuda.device_count())
    batch = batch_size(prepared, reading, photos)
    single, groups = Group.chunks(photos, 1), Group.chunks(photos, batch)
    devices = [f"cuda:{index}" for index in range(torch.cuda.device_count())] or ["cpu"] * workers
    found: dict[str, Way] = {
        "plain loop": lambda: invert_groups(single, reading, Here(prepared), workers=0),
        f"batches of {batch}": lambda: invert_groups(groups, reading, Here(prepared), workers=0),
        f"batches of {batch}, read ahead": lambda: invert_groups(groups, reading, Here(prepared), workers=1),
    }
    if len(devices) > 1:
        name = f"batches of {batch}, {len(devices)} processes"
        found[name] = lambda: invert_groups(groups, reading, Processes(recipe, devices), workers=0)
    return found


def measure(way: Way) -> dict[str, float]:
    """Photographs, seconds of wall time and of processors, of this process and those it started."""
    began, spent = time.perf_counter(), processor_seconds()
    done = sum(item.latent is not None for item in way())
    return {"done": done, "seconds": time.perf_counter() - began, "processors": processor_seconds() - spent}


def processor_seconds() -> float:
    """Of this process, and of its children that have ended."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(item.ru_utime + item.ru_stime for item in used)


def plot(rows: Sequence[dict[str, object]], path: Path) -> None:
    """Images a minute as bars."""
    figure = Figure(figsize=(7, 0.6 * len(rows) + 1), layout="constrained")
    axes = figure.subplots()
    names = [str(row["way"]) for row in rows][::-1]
    axes.barh(names, [row["images a minute"] for row in rows][::-1], color="0.4")
    axes.set_xlabel("images a minute")
    with replacing(path) as temporary:
        figure.savefig(temporary, dpi=120)


@click.command(help=__doc__)
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("-o", "--output", type=click.Path(path_type=Path), required=True)
@click.option("--count", default=64, show_default=True, help="Photographs; those of the folder over and over.")
@click.option("--steps", default=100, show_default=True)
@click.option("--generator", default="faces-64", show_default=True)
@click.option("--repeats", default=3, show_default=True)
@click.option("--device", default="cuda" if torch.cuda.is_available() else "cpu", show_default=True)
def main(folder: Path, output: Path, count: int, steps: int, generator: str, repeats: int, device: str) -> None:
    """Run all ways."""
    photos = list(itertools.islice(itertools.cycle(find_pictures(folder)), count))
    recipe = Recipe(generator, settings=Settings(steps=steps))
    prepared = recipe.on(device)
    cores = len(os.sched_getaffinity(0))
    chosen = ways(recipe, prepared, photos)
    runs: dict[str, list[dict[str, float]]] = {name: [] for name in chosen}
    next(chosen["plain loop"]())  # what is loaded or built once
    for _, (name, way) in itertools.product(range(repeats), chosen.items()):
        runs[name].append(measure(way))
        click.echo(f"{name}: {runs[name][-1]['seconds']:.1f} s", err=True)
    rows: list[dict[str, object]] = []
    for name, found in runs.items():
        seconds = median(run["seconds"] for run in found)
        ratio = median(plain["seconds"] / run["seconds"] for plain, run in zip(runs["plain loop"], found, strict=True))
        use = median(run["processors"] / run["seconds"] for run in found) / cores
        rate = 60 * found[0]["done"] / seconds
        rows.append({"way": name, "images a minute": rate, "faster": ratio, "processors in use": use, "runs": found})
    click.echo(f"{count} photographs, {steps} steps, {prepared.title}, {cores} processors, {repeats} runs each")
    click.echo(f"{'':32} {'images/min':>10} {'ratio':>6} {'processors':>10}")
    for row in rows:
        click.echo(
            f"{row['way']:32} {row['images a minute']:10.2f} {row['faster']:6.2f} {row['processors in use']:10.0%}"
        )
    about = {"photographs": count, "steps": steps, "generator": generator, "device": device, "processors": cores}
    write_text(output / "folder.json", json.dumps(about | {"torch": torch.__version__, "ways": rows}, indent=1) + "\n")
    plot(rows, output / "folder.png")


if __name__ == "__main__":
    main()
