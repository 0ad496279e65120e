"""The squared error of pictures and feature maps, one number an image: the one that all rooms use."""

from functools import reduce
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from wplus.core.shapes import FeatureMaps, Losses
from wplus.models.fast.passes import parts


def squared_error(maps: FeatureMaps, target: FeatureMaps, mask: Tensor | None = None) -> Losses:
    """The mean squared difference of maps, one number an image in fp32; its gradient reaches `maps` alone.

    `(maps - target).square().mean(dim=(1, 2, 3))` takes five times the memory, and where maps are channels_last
    torch's gradient of it mixes layouts and takes as long as a convolution.

    Args:
        maps, target: (batch, channels, height, width), of any precision.
        mask: weights of squares, (1 or batch, 1, height, width); the mean is over all places still.
    """
    return _SquaredError.apply(maps, target, mask)


class _SquaredError(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, maps: Tensor, target: Tensor, mask: Tensor | None) -> Tensor:
        ctx.save_for_backward(maps, target, mask)
        sums = []
        for x, y, *weight in parts(*_bands(maps, target, mask)):
            difference = x - y
            squares = difference.mul_(difference)
            sums.append((squares.mul_(weight[0]) if weight else squares).sum(dim=(1, 2, 3), dtype=torch.float32))
        return reduce(torch.add, sums) / maps[0].numel()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        maps, target, mask = ctx.saved_tensors
        scale = (2 / maps[0].numel() * gradient)[:, None, None, None].to(maps.dtype)
        slope = torch.empty_like(maps)
        for out, x, y, *weight in parts(*_bands(slope, maps, target, mask)):
            torch.sub(x, y, out=out)
            out.mul_(scale)
            if weight:
                out.mul_(weight[0])
        return slope, None, None


def _bands(*tensors: Tensor | None) -> list[Tensor]:
    """Maps with their height second, those that there are."""
    return [item.permute(0, 2, 3, 1) for item in tensors if item is not None]
