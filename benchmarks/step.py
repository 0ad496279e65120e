"""One step of an inversion: seconds, GFLOP/s, share of the peak and memory, beside the usual way to do it.

    python -m benchmarks.step -o runs/step --sizes 64,256

At 64 px the networks that ship, above random weights in the published sizes. A step is rendering, Image2StyleGAN's
loss and the gradient to the codes. The variants take turns, and figures are medians; the peak is that of a plain
convolution of oneDNN in the same minutes. Operations are those of the convolutions, forward and to the data, counted
as sums of products however they are done. Memory is that of a process that does nothing else. With --threads 1 seconds
are those of the processor: whoever else is on the machine counts less. With --device cuda memory is the GPU's, and the
peak is that of 64 pictures in channels_last.
"""

import itertools
import json
import statistics
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
import matplotlib as mpl
import torch

from benchmarks.variants import (
    PEAK_OPERATIONS,
    PEAK_PICTURES,
    SHIPPED,
    VARIANTS,
    clock,
    most_memory,
    networks,
    operations_of,
    peak_of,
    step_of,
)

Case = tuple[str, int, int]
"""A variant, the side of pictures in pixels and how many there are."""


def work(variant: str, size: int, batch: int, device: str) -> None:
    """Do a step for every line of standard input, after as many untimed ones as it says, and write figures of it."""
    generator, vgg = networks(size, device)
    before = most_memory(device)
    step = step_of(variant, generator, vgg, batch)
    peak = peak_of(torch.bfloat16 if variant == "bf16" else torch.float32, device)
    step(), step(), peak()
    for line in sys.stdin:
        for _ in range(int(line)):
            step()
        seconds = []
        for function in (step, peak, peak, peak):
            began = clock(device)
            function()
            seconds.append(clock(device) - began)
        found = {
            "seconds": seconds[0],
            "peak": PEAK_PICTURES[device] * PEAK_OPERATIONS / min(seconds[1:]),
            "GB": most_memory(device),
            "GB before": before,
        }
        click.echo(json.dumps(found))


def take_turns(
    cases: Sequence[Case], repeats: int, *, untimed: int = 0, device: str = "cpu"
) -> dict[Case, list[dict[str, float]]]:
    """Figures of every case, round by round. Each has a process of its own, so memory is its alone.

    Args:
        cases: what takes turns.
        repeats: rounds.
        untimed: steps before the timed one of a turn; they fill the caches that the others' turns have emptied.
    """
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True, "bufsize": 1}
    workers: dict[Case, subprocess.Popen[str]] = {}
    figures: dict[Case, list[dict[str, float]]] = {case: [] for case in cases}
    for _, case in itertools.product(range(repeats), cases):
        name, size, batch = case
        if case not in workers:
            given = ["--sizes", str(size), "--batches", str(batch), "--threads", str(torch.get_num_threads())]
            words = [sys.executable, "-m", "benchmarks.step", "--only", name, "--device", device, *given]
            workers[case] = subprocess.Popen(words, **pipes)
        stdin, stdout = workers[case].stdin, workers[case].stdout
        assert stdin is not None and stdout is not None
        stdin.write(f"{untimed}\n")
        figures[case].append(json.loads(stdout.readline()))
        if size > 512:  # they do not fit beside one another
            workers.pop(case).communicate()
    for worker in workers.values():
        worker.communicate()
    return figures


def measure(size: int, batch: int, repeats: int, device: str) -> list[dict[str, Any]]:
    """One row a variant; they take turns."""
    untimed = 0 if device == "cpu" else 3  # a GPU that waited for its turn is slow at first
    found = take_turns([(name, size, batch) for name in VARIANTS], repeats, untimed=untimed, device=device)
    figures = {name: found[name, size, batch] for name in VARIANTS}
    return [row(name, size, batch, figures) for name in VARIANTS]


def row(name: str, size: int, batch: int, figures: dict[str, list[dict[str, float]]]) -> dict[str, Any]:
    """What the figures of a variant say beside those of the usual step; ratios are medians over rounds."""
    mine = figures[name]
    operations = operations_of(*networks(size)) * batch
    over = lambda other: statistics.median(
        b["seconds"] / a["seconds"] for a, b in zip(mine, figures[other], strict=True)
    )
    return {
        "size": size,
        "batch": batch,
        "variant": name,
        "threads": torch.get_num_threads(),
        "seconds": statistics.median(item["seconds"] for item in mine),
        "least": min(item["seconds"] for item in mine),
        "times usual": over("usual"),
        "times usual, frozen": over("usual, frozen"),
        "GFLOP/s": operations / statistics.median(item["seconds"] for item in mine),
        "share of peak": statistics.median(operations / item["seconds"] / item["peak"] for item in mine),
        "GB": mine[-1]["GB"],
    }


def plot(rows: list[dict[str, Any]], path: Path) -> None:
    """Speed against the usual step, by size and batch."""
    mpl.use("Agg")
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(1, 2, figsize=(11, 4))
    groups = list(dict.fromkeys((row["size"], row["batch"]) for row in rows))
    for shift, name in enumerate(VARIANTS):
        for axis, field in zip(axes, ("times usual", "share of peak"), strict=True):
            width = 0.8 / len(VARIANTS)
            places = [index + width * (shift - (len(VARIANTS) - 1) / 2) for index in range(len(groups))]
            heights = [row[field] for row in rows if row["variant"] == name]
            axis.bar(places, heights, width=width, label=name)
            axis.set_xticks(range(len(groups)), [f"{size} px\nbatch {batch}" for size, batch in groups], fontsize=7)
            axis.set_title(field)
    axes[0].legend(fontsize=7)
    figure.tight_layout()
    figure.savefig(path, dpi=120)


@click.command(help=__doc__)
@click.option("-o", "--output", type=click.Path(path_type=Path), default=Path("runs/step"), show_default=True)
@click.option("--sizes", default="64,128,256,512,1024", show_default=True)
@click.option("--batches", default="1,2,4", show_default=True)
@click.option("--repeats", default=7, show_default=True)
@click.option("--threads", type=int, help="Of torch.  [its own choice]")
@click.option("--device", type=click.Choice([*PEAK_PICTURES]), default="cpu", show_default=True)
@click.option("--quick", is_flag=True, help="64 px alone, three repeats.")
@click.option("--only", type=click.Choice(VARIANTS), hidden=True)
def main(
    output: Path,
    sizes: str,
    batches: str,
    repeats: int,
    threads: int | None,
    device: str,
    quick: bool,
    only: str | None,
) -> None:
    """Measure, and write table, JSON and plot."""
    if threads:
        torch.set_num_threads(threads)
    cases = list(itertools.product(*([int(item) for item in text.split(",")] for text in (sizes, batches))))
    if only:
        return work(only, *cases[0], device)
    rows: list[dict[str, Any]] = []
    for size, batch in [(SHIPPED, 1)] if quick else cases:
        rows += measure(size, batch, 3 if quick else repeats, device)
        for found in rows[-len(VARIANTS) :]:
            click.echo(
                "  ".join(f"{key} {v:.3g}" if isinstance(v, float) else f"{key} {v}" for key, v in found.items())
            )
    output.mkdir(parents=True, exist_ok=True)
    (output / "step.json").write_text(json.dumps(rows, indent=1))
    plot(rows, output / "step.png")


if __name__ == "__main__":
    main()
