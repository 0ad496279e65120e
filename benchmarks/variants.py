"""The ways to do a step that are compared, the networks they run on, and what a machine could do at best."""

import resource
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from benchmarks import plain
from wplus.core.shapes import Ws
from wplus.inversion import image2stylegan
from wplus.models import (
    VGG,
    Card,
    Compute,
    Generator,
    StyleGAN2,
    StyleGAN2Config,
    fast,
    load_generator,
    load_perceptual,
)
from wplus.models.fast.convolution import Convolution, Precision
from wplus.models.vgg import INPUT_SIZE, VGGConfig
from wplus.optimisation.records import total_of

VARIANTS = ("usual", "usual, frozen", "reference", "fast", "mixed", "bf16")
"""The usual step as repositories leave it; with `requires_grad_(False)`; this project's four ways.

Mixed is held against the peak in fp32; on a GPU it is plain autograd, as the reference is.
"""

SHIPPED = 64
PEAK_OPERATIONS = 2 * 9 * 256 * 256 * 64 * 64 / 1e9
"""GFLOP of the convolution that the peak is measured with, for each of its pictures."""

PEAK_PICTURES = {"cpu": 1, "cuda": 64}
"""How many pictures it takes to fill the machine."""


def networks(size: int, device: str = "cpu") -> tuple[Generator, VGG]:
    """A generator of this resolution and the perceptual network beside it."""
    if size == SHIPPED:
        generator = load_generator("faces-64")
        return generator.to(device), load_perceptual(generator.card.perceptual).to(device)
    torch.manual_seed(0)
    base = 16384 if size <= 256 else 32768  # NVIDIA's configurations
    channels = tuple(min(512, base // (4 << index)) for index in range((size // 4).bit_length()))
    vgg = VGG(VGGConfig(), name="vgg16 of random weights")
    for conv in vgg.convs.values():
        nn.init.kaiming_normal_(conv.weight, nonlinearity="relu")  # activations neither vanish nor explode
    return Generator(StyleGAN2(StyleGAN2Config(channels, 512, 512, 8)), Card("random")).to(device), vgg.to(device)


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
    place = generator.device
    given, other = (torch.randn(batch, generator.z_dim, generator=draw).to(place) for _ in range(2))
    ws: Ws = generator.map(given).clone().requires_grad_(True)
    with torch.no_grad():
        target = generator(generator.map(other))
    if variant.startswith("usual"):
        shapes = generator.network.synthesis.noise_shapes
        maps = [torch.randn(1, 1, *shape, device=place).requires_grad_(True) for shape in shapes]
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
    compare = image2stylegan(network).against(target)

    def evaluate() -> Tensor:
        code = ws.detach().requires_grad_(True)
        return torch.autograd.grad(total_of(compare(quick(code))).sum(), code)[0]

    return evaluate


def _taken(ws: Tensor) -> Tensor:
    """The gradient of codes, which lose it."""
    gradient, ws.grad = ws.grad, None
    assert gradient is not None
    return gradient


def peak_of(dtype: torch.dtype, device: str = "cpu") -> Callable[[], Tensor]:
    """A convolution of `PEAK_OPERATIONS` a picture that shows what the machine can do."""
    weight = torch.randn(256, 256, 3, 3, device=device)
    x = torch.randn(PEAK_PICTURES[device], 64, 64, 256, device=device).to(dtype)
    if device == "cpu":
        conv = Convolution(weight, precision=Precision(dtype, dtype), winograd=False)
        return lambda: conv.forward(x)
    weight = weight.to(dtype, memory_format=torch.channels_last)
    return lambda: functional.conv2d(x.permute(0, 3, 1, 2), weight, padding=1)


def clock(device: str = "cpu") -> float:
    """Seconds: of this process's processor time with one thread, of wall time with more or on a GPU."""
    if device == "cuda":
        torch.cuda.synchronize()
    return time.process_time() if device == "cpu" and torch.get_num_threads() == 1 else time.perf_counter()


def most_memory(device: str = "cpu") -> float:
    """The most memory that this process ever had there, in GB."""
    if device == "cuda":
        return torch.cuda.max_memory_reserved() / 1e9
    if not (status := Path("/proc/self/status")).exists():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e9  # in bytes on a Mac
    return next(int(line.split()[1]) for line in status.read_text().splitlines() if "VmHWM" in line) * 1024 / 1e9
