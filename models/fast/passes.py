"""Work on every number of large maps, in parts that the processor's cache holds."""

from collections.abc import Iterator
from functools import reduce
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from wplus.core.shapes import FeatureMaps, Losses

CACHE = 1 << 20
"""Bytes of a part."""


def parts(*maps: Tensor) -> Iterator[tuple[Tensor, ...]]:
    """Maps (batch, height, width, channels) of one height, cut alike into bands; the first is not the smallest."""
    height, size = maps[0].shape[1], maps[0].element_size() * maps[0].numel()
    if size <= CACHE or maps[0].device.type != "cpu":
        return iter([maps])
    step = max(1, CACHE * height // size)
    return zip(*(item.split(step, dim=1) for item in maps), strict=True)


def dot(a: FeatureMaps, b: FeatureMaps) -> Tensor:
    """Sum of products over pixels of (batch, height, width, channels), (batch, channels) in fp32."""
    return reduce(torch.add, ((x * y).sum(dim=(1, 2), dtype=torch.float32) for x, y in parts(a, b)))


def mean_square(given: FeatureMaps, wanted: FeatureMaps, mask: Tensor | None = None) -> Losses:
    """The mean squared difference of maps, one number an image in fp32; its gradient reaches `given` alone.

    `(given - wanted).square().mean(dim=(1, 2, 3))` takes five times the memory, and where maps are channels_last
    torch's gradient of it mixes layouts and takes as long as a convolution.

    Args:
        given, wanted: (batch, channels, height, width), of any precision.
        mask: weights of squares, (1 or batch, 1, height, width); the mean is over all places still.
    """
    return _MeanSquare.apply(given, wanted, mask)


class _MeanSquare(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, given: Tensor, wanted: Tensor, mask: Tensor | None) -> Tensor:
        ctx.save_for_backward(given, wanted, mask)
        sums = []
        for x, y, *weight in parts(*_bands(given, wanted, mask)):
            difference = x - y
            squares = difference.mul_(difference)
            sums.append((squares.mul_(weight[0]) if weight else squares).sum(dim=(1, 2, 3), dtype=torch.float32))
        return reduce(torch.add, sums) / given[0].numel()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        given, wanted, mask = ctx.saved_tensors
        scale = (2 / given[0].numel() * gradient)[:, None, None, None].to(given.dtype)
        found = torch.empty_like(given)
        for out, x, y, *weight in parts(*_bands(found, given, wanted, mask)):
            torch.sub(x, y, out=out)
            out.mul_(scale)
            if weight:
                out.mul_(weight[0])
        return found, None, None


def _bands(*maps: Tensor | None) -> list[Tensor]:
    """Maps with their height second, those that there are."""
    return [item.permute(0, 2, 3, 1) for item in maps if item is not None]
