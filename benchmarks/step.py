"""One step of an inversion: seconds, GFLOP/s, share of the peak and memory, beside the usual way to do it.

    python -m benchmarks.step -o runs/step --sizes 64,256

At 64 px the networks that ship, above random weights in the published sizes. A step is rendering, Image2StyleGAN's
loss and the gradient to the codes. The variants take turns, and figures are medians; the peak is that of a plain
convolution of oneDNN in the same minutes. Operations are those of the convolutions, forward and to the data, counted
as sums of products however they are done. Memory is that of a process that does nothing else. With --threads 1 seconds
are those of the processor: whoever else is on the machine counts less.
"""

import itertools
import json
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import click
import matplotlib as mpl
import torch
from torch import Tensor, nn

from benchmarks import plain
from wplus.core.shapes import Ws
from wplus.models import (
    IMAGE2STYLEGAN_TAPS,
    VGG,
    Card,
    Compute,
    Generator,
    StyleGAN2,
    StyleGAN2Config,
    fast,
    load_generator,
    load_perceptual,
    mean_square,
)
from wplus.models.fast.convolution import Convolution, Precision
from wplus.models.vgg import INPUT_SIZE, VGGConfig

VARIANTS = ("usual", "usual, frozen", "reference", "fast", "mixed", "bf16")
"""The usual step as repositories leave it; with `requires_grad_(False)`; this project's four ways.

Mixed is held against the peak in fp32.
"""

Case = tuple[str, int, int]
"""A variant, the side of pictures in pixels and how many there are."""

SHIPPED = 64
PEAK_OPERATIONS = 2 * 9 * 256 * 256 * 64 * 64 / 1e9
"""GFLOP of the convolution that the peak is measured with."""


def networks(size: int) -> tuple[Generator, VGG]:
    """A generator of this resolution and the perceptual network beside it."""
    if size == SHIPPED:
        generator = load_generator("faces-64")
        return generator, load_perceptual(generator.card.perceptual)
    torch.manual_seed(0)
    base = 16384 if size <= 256 else 32768  # NVIDIA's configurations
    channels = tuple(min(512, base // (4 << index)) for index in range((size // 4).bit_length()))
    vgg = VGG(VGGConfig(), name="vgg16 of random weights")
    for conv in vgg.convs.values():
        nn.init.kaiming_normal_(conv.weight, nonlinearity="relu")  # activations neither vanish nor explode
    return Generator(StyleGAN2(StyleGAN2Config(channels, 512, 512, 8)), Card("random")), vgg


def operations_of(generator: Generator, vgg: VGG) -> float:
    """GFLOP of the convolutions of one picture's step: forward and the gradient to the data."""
    total = 0
    widths = generator.network.config.channels
    for index, width in enumerate(widths):
        pixels = (4 << index) ** 2
        total += 9 * width * width * pixels
        total += 9 * widths[index - 1] * width * pixels // 4 if index else 0
    inputs, side = 3, min(generator.resolution, INPUT_SIZE)
    for name, conv in vgg.convs.items():
        side //= 2 if name.endswith("_1") and name != "conv1_1" else 1
        total += 9 * inputs * conv.weight.shape[0] * side**2
        inputs = conv.weight.shape[0]
        if name == "conv4_2":
            break
    return 2 * 2 * total / 1e9


def step_of(variant: str, generator: Generator, vgg: VGG, batch: int) -> Callable[[], Tensor]:
    """A function that does one step and gives the gradient to the codes."""
    draw = torch.Generator().manual_seed(1)
    ws: Ws = generator.map(torch.randn(batch, generator.z_dim, generator=draw)).clone().requires_grad_(True)
    with torch.no_grad():
        target = generator(generator.map(torch.randn(batch, generator.z_dim, generator=draw)))
    if variant.startswith("usual"):
        maps = [torch.randn(1, 1, *shape).requires_grad_(True) for shape in generator.network.synthesis.noise_shapes]
        weights = [] if "frozen" in variant else [*generator.network.parameters(), *vgg.parameters()]

        def usual() -> Tensor:
            for weight in weights:
                weight.requires_grad_(True)
            plain.losses(vgg, plain.render(generator.network.synthesis, ws, maps), target).sum().backward()
            for weight in weights:
                weight.requires_grad_(False)
                weight.grad = None
            return _taken(ws)

        return usual
    quick, network = (fast(item, Compute(variant, "compared")) for item in (generator, vgg))  # type: ignore[arg-type]
    wanted = network(target, IMAGE2STYLEGAN_TAPS)

    def ours() -> Tensor:
        pictures = quick(ws)
        given = network(pictures, IMAGE2STYLEGAN_TAPS)
        losses = [mean_square(given[tap], wanted[tap]) for tap in IMAGE2STYLEGAN_TAPS]
        torch.stack([*losses, mean_square(pictures, target)]).sum().backward()
        return _taken(ws)

    return ours


def _taken(ws: Tensor) -> Tensor:
    """The gradient of codes, which lose it."""
    gradient, ws.grad = ws.grad, None
    assert gradient is not None
    return gradient


def peak_of(dtype: torch.dtype) -> Callable[[], Tensor]:
    """A convolution of `PEAK_OPERATIONS` that shows what the machine can do."""
    conv = Convolution(torch.randn(256, 256, 3, 3), precision=Precision(dtype, dtype), winograd=False)
    x = torch.randn(1, 64, 64, 256).to(dtype)
    return lambda: conv.forward(x)


def work(variant: str, size: int, batch: int) -> None:
    """Do a step for every line of standard input, after as many untimed ones as it says, and write figures of it."""
    generator, vgg = networks(size)
    before = most_memory()
    step = step_of(variant, generator, vgg, batch)
    peak = peak_of(torch.bfloat16 if variant == "bf16" else torch.float32)
    step(), step(), peak()
    for line in sys.stdin:
        for _ in range(int(line)):
            step()
        seconds = []
        for function in (step, peak, peak, peak):
            began = clock()
            function()
            seconds.append(clock() - began)
        found = {
            "seconds": seconds[0],
            "peak": PEAK_OPERATIONS / min(seconds[1:]),
            "GB": most_memory(),
            "GB before": before,
        }
        click.echo(json.dumps(found))


def clock() -> float:
    """Seconds: of this process's processor time with one thread, of wall time with more."""
    return time.process_time() if torch.get_num_threads() == 1 else time.perf_counter()


def most_memory() -> float:
    """The most memory that this process ever had, in GB."""
    if not (status := Path("/proc/self/status")).exists():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e9  # in bytes on a Mac
    return next(int(line.split()[1]) for line in status.read_text().splitlines() if "VmHWM" in line) * 1024 / 1e9


def take_turns(cases: Sequence[Case], repeats: int, *, untimed: int = 0) -> dict[Case, list[dict[str, float]]]:
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
            words = [sys.executable, "-m", "benchmarks.step", "--only", name, *given]
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


def measure(size: int, batch: int, repeats: int) -> list[dict[str, Any]]:
    """One row a variant; they take turns."""
    found = take_turns([(name, size, batch) for name in VARIANTS], repeats)
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
@click.option("--quick", is_flag=True, help="64 px alone, three repeats.")
@click.option("--only", type=click.Choice(VARIANTS), hidden=True)
def main(
    output: Path, sizes: str, batches: str, repeats: int, threads: int | None, quick: bool, only: str | None
) -> None:
    """Measure, and write table, JSON and plot."""
    if threads:
        torch.set_num_threads(threads)
    cases = list(itertools.product(*([int(item) for item in text.split(",")] for text in (sizes, batches))))
    if only:
        return work(only, *cases[0])
    rows: list[dict[str, Any]] = []
    for size, batch in [(SHIPPED, 1)] if quick else cases:
        rows += measure(size, batch, 3 if quick else repeats)
        for found in rows[-len(VARIANTS) :]:
            click.echo(
                "  ".join(f"{key} {v:.3g}" if isinstance(v, float) else f"{key} {v}" for key, v in found.items())
            )
    output.mkdir(parents=True, exist_ok=True)
    (output / "step.json").write_text(json.dumps(rows, indent=1))
    plot(rows, output / "step.png")


if __name__ == "__main__":
    main()
