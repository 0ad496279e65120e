"""Perceptual path length: how evenly pictures change along a path of codes (Karras et al. 2019, section 4.1)."""

from collections.abc import Iterator
from typing import Literal, TypeAlias, get_args

import torch
from torch import Tensor
from torch.nn import functional

from wplus.core.shapes import Images, Losses, ResizedImages, Ws, Z
from wplus.metrics.perceptual import Distance
from wplus.models import Generator

PathKind: TypeAlias = Literal["z-full", "w-full", "z-end", "w-end"]
"""Paths in Z (slerp) or W (lerp), looked at anywhere between their ends or at one end."""

EPSILON = 1e-4
"""Share of a path between the two pictures that are compared."""

SIDE = 256
"""Larger pictures are reduced to it."""

BATCH = 8


@torch.inference_mode()
def path_lengths(
    generator: Generator, distance: Distance, kind: PathKind = "w-end", *, samples: int = 50_000, seed: int = 0
) -> Iterator[Losses]:
    """Lengths of `samples` paths, a few at a time: distance over epsilon squared, from above 0.

    Their mean without the outer 1 % at either end (a `Quantity` with trim 0.01) is the perceptual path length; in the
    literature the distance is LPIPS-VGG. Nothing is cropped, noise maps stay as they are, classes are drawn.

    Args:
        distance: grows with the square of a small change; as LPIPS does.
        kind: where paths lie and where they are looked at.
        samples: 50,000 in the paper.
        seed: of the first path; every path has a seed of its own.

    Raises:
        ValueError: another kind, or no samples.
    """
    if kind not in get_args(PathKind) or samples < 1:
        raise ValueError(f"kinds are {', '.join(get_args(PathKind))} with samples, got {kind} with {samples}")
    space, _, sampling = kind.partition("-")
    for first in range(0, samples, BATCH):
        z, classes, t = _draws(generator, range(seed + first, seed + min(first + BATCH, samples)))
        labels = generator.one_hot(classes)
        t = t.to(generator.device) * (sampling == "full")
        if space == "z":
            ends = [generator.map(slerp(*z, at), labels=labels) for at in (t, t + EPSILON)]
        else:
            a, b = (generator.map(end, labels=labels) for end in z)
            ends = [_lerp(a, b, at) for at in (t, t + EPSILON)]
        here, there = (_reduced(generator(ws)) for ws in ends)
        yield distance(here, there) / EPSILON**2


def slerp(a: Z, b: Z, t: Losses) -> Z:
    """From the direction of `a` (t = 0) to that of `b` (t = 1) along the great circle between them; of length 1."""
    a, b = functional.normalize(a, dim=1), functional.normalize(b, dim=1)
    cosine = (a * b).sum(dim=1, keepdim=True)
    across = functional.normalize(b - cosine * a, dim=1)
    angle = t[:, None] * cosine.clamp(-1, 1).acos()
    return functional.normalize(a * angle.cos() + across * angle.sin(), dim=1)


def _draws(generator: Generator, seeds: range) -> tuple[tuple[Tensor, Tensor], Tensor, Tensor]:
    """Both ends of paths in Z, classes, and places on the paths."""
    draws = [torch.Generator().manual_seed(seed) for seed in seeds]
    first, second = (
        torch.stack([torch.randn(generator.z_dim, generator=draw) for draw in draws]).to(generator.device)
        for _ in range(2)
    )
    classes = torch.cat([torch.randint(max(generator.labels, 1), (1,), generator=draw) for draw in draws])
    return (first, second), classes, torch.cat([torch.rand(1, generator=draw) for draw in draws])


def _lerp(a: Ws, b: Ws, t: Losses) -> Ws:
    return a.lerp(b, t[:, None, None])


def _reduced(images: Images) -> ResizedImages:
    """Pictures above 256 px reduced by whole factors, as mean of the pixels, as in the paper's code."""
    factor = images.shape[2] // SIDE
    return functional.avg_pool2d(images, factor) if factor > 1 else images
