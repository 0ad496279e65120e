"""Cost against resolution, batch and number of photographs: where it bends, and why.

    python -m benchmarks.scaling ../shared/photos/aligned -o runs/scaling

Steps are those of `benchmarks/variants.py`: at 64 px of the networks that ship, above of random weights. Photographs go
through `invert_groups` with faces-64, eight together, in a process of their own that is timed from its start. The
points of a curve take turns, and figures are medians; with --threads 1 seconds are those of the processor.

\b
exponent   log of the ratio of seconds to the point before, over that of sizes: pixels, pictures, photographs
share      of the peak, a plain convolution's in the same minutes; Winograd's fewer products can exceed it
rest       seconds beyond operations at the peak: those not in convolutions, less what Winograd saves in them
fit        seconds once and for each, by least squares of relative errors

A curve bends where its exponent changes by more than 0.25. Then the parts stand beside it: the exponent of a step is
that of its operations less that of the share, and photographs are the sum of start-up, reading, set-up of groups
(until their first record) and descent.
"""

import functools
import itertools
import json
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any

import click
import numpy as np
import torch
from matplotlib.figure import Figure

from benchmarks.step import take_turns
from benchmarks.variants import clock, most_memory, networks, operations_of
from wplus.core.files import replacing, write_text
from wplus.core.images import find_pictures
from wplus.inversion.steps import Record
from wplus.models import Machine
from wplus.optimisation import Settings
from wplus.pipelines.folder import Group, Here, Prepared, Reading, Recipe, Task, invert_groups
from wplus.pipelines.folder.memory import PAYS

BATCHES = {64: (1, 2, 4, 8, 16), 256: (1, 2, 4)}
"""Pictures together, by their side in pixels."""

BEND = 0.25
"""Change of an exponent that is told."""


@dataclass(frozen=True)
class Curve:
    """Seconds by size.

    Args:
        name: what it is called.
        unit: px, pictures or photographs.
        parts: figures of the rows that tell where seconds go.
        rows: figures of every point by name: the size in the unit, seconds, the parts and others.
    """

    name: str
    unit: str
    parts: tuple[str, ...]
    rows: list[dict[str, Any]]

    def of(self, field: str) -> list[float]:
        """A figure of all points."""
        return [row[field] for row in self.rows]

    def exponents(self) -> list[float]:
        """Between neighbours."""
        sizes = [size**2 if self.unit == "px" else size for size in self.of(self.unit)]
        return list(np.diff(np.log(self.of("seconds"))) / np.diff(np.log(sizes)))

    def bends(self) -> dict[int, str]:
        """By how much the exponent changes at a point, and what the parts do around it."""
        found = {}
        for index, change in enumerate(np.diff(self.exponents()), start=1):
            if abs(change) > BEND:
                around = self.rows[index - 1 : index + 2]
                told = (f"{part} {', '.join(f'{row[part]:.3g}' for row in around)}" for part in self.parts)
                found[index] = f"{change:+.2f} from here on: {'; '.join(told)}"
        return found

    def fit(self) -> tuple[float, float]:
        """Seconds once, and for each."""
        seconds = np.array(self.of("seconds"))
        rows = np.stack([np.ones(len(seconds)), self.of(self.unit)], axis=1) / seconds[:, None]
        once, each = np.linalg.lstsq(rows, np.ones(len(rows)), rcond=None)[0]
        return float(once), float(each)

    def to_json(self) -> dict[str, Any]:
        """All of it."""
        return asdict(self) | {"exponents": self.exponents(), "bends": self.bends()}


@functools.cache
def operations(size: int) -> float:
    """GFLOP of one picture's step."""
    return operations_of(*networks(size))


def step_curve(name: str, unit: str, shapes: Sequence[tuple[int, int]], repeats: int) -> Curve:
    """A step of the fast path at `shapes`: sides in pixels, and how many pictures."""
    rows = []
    for (_, size, batch), rounds in take_turns([("fast", *shape) for shape in shapes], repeats, untimed=1).items():
        seconds, done = median(item["seconds"] for item in rounds), operations(size) * batch
        share = median(done / item["seconds"] / item["peak"] for item in rounds)
        rows.append(
            {
                "px": size, "pictures": batch, "seconds": seconds, "a picture": seconds / batch, "GFLOP": done,
                "GFLOP/s": done / seconds, "share": share, "rest": seconds * (1 - share),
                "GB": median(item["GB"] for item in rounds),
            }
        )  # fmt: skip
    return Curve(name, unit, ("GFLOP", "share", "rest"), rows)


def invert_all(prepared: Prepared, photos: Sequence[Path]) -> dict[str, float]:
    """Seconds of an inversion and of its parts, the clock at its end, GB, and how many photographs gave codes."""
    spent: dict[str, float] = defaultdict(float)

    @contextmanager
    def watching(task: Task) -> Iterator[Callable[[Record], None]]:
        times = [clock()]
        yield lambda record: times.append(clock())
        spent["set-up"] += times[1] - times[0]
        spent["descent"] += clock() - times[1]

    began = clock()
    groups, reading = Group.chunks(photos, PAYS), Reading(prepared.generator.resolution)
    done = sum(item.latent is not None for item in invert_groups(groups, reading, Here(prepared, watching), workers=0))
    end = clock()
    others = end - began - sum(spent.values())
    return {"seconds": end - began, "reading": others, **spent, "done": done, "GB": most_memory(), "end": end}


def photograph_curve(given: Sequence[str], counts: Sequence[int], repeats: int) -> Curve:
    """Inversions of `counts` photographs, each in a process of its own, called with words `given`."""
    rounds: dict[int, list[dict[str, float]]] = defaultdict(list)
    for _, count in itertools.product(range(repeats), counts):
        words = [sys.executable, "-m", "benchmarks.scaling", *given, "--only", str(count)]
        began = time.perf_counter()
        found = json.loads(subprocess.run(words, stdout=subprocess.PIPE, check=True).stdout)
        whole = found["end"] if torch.get_num_threads() == 1 else time.perf_counter() - began
        rounds[count].append(found | {"seconds": whole, "start-up": whole - found["seconds"]})
    parts = ("start-up", "reading", "set-up", "descent")
    rows = []
    for count, found in rounds.items():
        figures = {name: median(item[name] for item in found) for name in ("seconds", *parts, "done", "GB")}
        rows.append({"photographs": count, "a photograph": figures["seconds"] / count} | figures)
    return Curve("photographs", "photographs", parts, rows)


def tell(curve: Curve) -> None:
    """A table."""
    click.echo(f"\n{curve.name}")
    fields = list(curve.rows[0])
    click.echo(" ".join(f"{field:>12}" for field in [*fields, "exponent"]))
    bends = curve.bends()
    exponents = ["", *(f"{exponent:12.2f}" for exponent in curve.exponents())]
    for index, (row, exponent) in enumerate(zip(curve.rows, exponents, strict=True)):
        click.echo(" ".join([*(f"{row[field]:12.4g}" for field in fields), exponent]))
        if index in bends:
            click.echo(f"{'bends':>12} {bends[index]}")
    if curve.unit != "px":
        click.echo("{:>12} {:.3g} s once, {:.3g} s each".format("fit", *curve.fit()))


def plot(curves: Sequence[Curve], path: Path) -> None:
    """A panel a curve; bends are ringed."""
    figure = Figure(figsize=(4.2 * len(curves), 4.4), layout="constrained")
    for axes, curve in zip(figure.subplots(1, len(curves)), curves, strict=True):
        x, y = curve.of(curve.unit), curve.of("seconds")
        axes.loglog(x, y, "o-", color="C0", label="measured")
        bends = list(curve.bends())
        axes.plot([x[bend] for bend in bends], [y[bend] for bend in bends], "o", markersize=14, mfc="none", color="C0")
        if curve.unit == "px":
            reference, text = np.multiply(y, curve.of("share")), "operations at the peak"
        else:
            once, each = curve.fit()
            reference, text = once + each * np.array(x), f"{once:.2g} s once, {each:.2g} s each"
        axes.plot(x, reference, ":", color="C1", label=text)
        axes.set_xticks(x, [str(size) for size in x])
        axes.set_xticks([], minor=True)
        low, high = axes.get_ylim()
        marks = [digit * 10.0**power for power in range(-4, 5) for digit in (1, 2, 5)]
        axes.set_yticks(marks, [f"{mark:g}" for mark in marks])
        axes.set_yticks([], minor=True)
        axes.set(xlabel=curve.unit, ylabel="seconds", title=curve.name, ylim=(low / 1.2, high * 1.2))
        axes.grid(alpha=0.3)
        axes.legend(fontsize=8)
    with replacing(path) as temporary:
        figure.savefig(temporary, dpi=120)


@click.command(help=__doc__)
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("-o", "--output", type=click.Path(path_type=Path), default=Path("runs/scaling"), show_default=True)
@click.option("--sizes", default="64,128,256,512,1024", show_default=True, help="In pixels.")
@click.option("--counts", default="1,2,4,8,16,32", show_default=True, help="Of photographs; a small folder's repeat.")
@click.option("--steps", default=40, show_default=True, help="Of the photographs' descent.")
@click.option("--repeats", default=5, show_default=True)
@click.option("--threads", type=int, help="Of torch.  [its own choice]")
@click.option("--only", type=int, hidden=True)
def main(
    folder: Path, output: Path, sizes: str, counts: str, steps: int, repeats: int, threads: int | None, only: int | None
) -> None:
    """Measure, and write tables, JSON and plot."""
    if threads:
        torch.set_num_threads(threads)
    if only:
        prepared = Recipe("faces-64", settings=Settings(steps=steps)).on("cpu")
        photos = list(itertools.islice(itertools.cycle(find_pictures(folder)), only))
        click.echo(json.dumps(invert_all(prepared, photos)))
        return
    sides = [int(size) for size in sizes.split(",")]
    curves = [step_curve("a step, by resolution", "px", [(size, 1) for size in sides], repeats)]
    for size in sorted(BATCHES.keys() & set(sides)):
        shapes = [(size, batch) for batch in BATCHES[size]]
        curves.append(step_curve(f"a step at {size} px, by batch", "pictures", shapes, repeats))
    given = [str(folder), "--steps", str(steps), "--threads", str(torch.get_num_threads())]
    curves.append(photograph_curve(given, [int(count) for count in counts.split(",")], repeats))
    for curve in curves:
        tell(curve)
    about = {"torch": torch.__version__, "machine": asdict(Machine.here()), "repeats": repeats, "steps": steps}
    told = [curve.to_json() for curve in curves]
    write_text(output / "scaling.json", json.dumps(about | {"curves": told}, indent=1) + "\n")
    plot(curves, output / "scaling.png")


if __name__ == "__main__":
    main()
