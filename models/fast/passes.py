"""Work on every number of large maps, in parts that the processor's cache holds."""

from collections.abc import Iterator
from functools import reduce

import torch
from torch import Tensor

from wplus.core.shapes import FeatureMaps

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
