"""Smooth fields over an aligned crop: blurred, enlarged, looked at from elsewhere."""

import scipy
import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

Field = Float[Tensor, "channels size size"]
"""Channels over a square."""

Weight = Float[Tensor, "1 size size"]
"""One weight in [0, 1] a place."""

Shift = Float[Tensor, "2 size size"]
"""How far to the right and down to look, as parts of the side."""


def blurred(maps: Tensor, part: float) -> Tensor:
    """Maps (channels, size, size) blurred by a Gaussian with a deviation of a part of the side; wide ones coarsely."""
    size = maps.shape[-1]
    small = max(8, size // max(1, int(part * size / 2.5)))
    coarse = maps if small == size else functional.interpolate(maps[None], (small, small), mode="area")[0]
    deviation = part * small
    found = scipy.ndimage.gaussian_filter(coarse.numpy(), (0, deviation, deviation), mode="nearest")
    if small == size:
        return torch.from_numpy(found)
    # bilinear: bicubic samples of what is positive may not be
    return functional.interpolate(torch.from_numpy(found)[None], (size, size), mode="bilinear")[0]


def widened(maps: Weight, part: float) -> Weight:
    """The largest weight within a part of the side."""
    window = 2 * max(1, round(part * maps.shape[-1])) + 1
    return torch.from_numpy(scipy.ndimage.maximum_filter(maps.numpy(), (0, window, window), mode="nearest"))


def enlarged(maps: Tensor, size: int) -> Tensor:
    """Maps (channels, height, width) at a larger size, bicubic."""
    return functional.interpolate(maps[None], (size, size), mode="bicubic", align_corners=False)[0]


def looked_at(maps: Field, shift: Shift, *, mode: str = "bilinear") -> Field:
    """What maps hold at places moved by `shift`; beyond the border, what they hold there. "bicubic" keeps detail."""
    size = maps.shape[-1]
    line = (torch.arange(size) + 0.5) / size * 2 - 1
    grid = torch.stack([line[None] + 2 * shift[0], line[:, None] + 2 * shift[1]], dim=2)
    return functional.grid_sample(maps[None], grid[None], mode=mode, padding_mode="border", align_corners=False)[0]


def border(size: int, part: float) -> Float[Tensor, "1 size size"]:
    """1 inside, falling to 0 at the sides over a part of the side."""
    line = (torch.arange(size) + 0.5) / size
    edge = smooth(torch.minimum(line, 1 - line) / part - 0.25)
    return (edge[None] * edge[:, None])[None]


def smooth(x: Tensor) -> Tensor:
    """0 below 0, 1 above 1, level at both ends."""
    x = x.clamp(0, 1)
    return x * x * (3 - 2 * x)


def clean(weights: Tensor) -> Tensor:
    """Weights without what bicubic samples leave beside them: below 1/255 none, above 1 one."""
    return torch.where(weights < 1 / 255, 0.0, weights.clamp(0, 1))
