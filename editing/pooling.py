"""What a smaller map sees of a mask (StyleMapGAN section 3.3).

A cell of an 8x8 map stands for many pixels; how much of it a mask takes is a choice: `share` keeps soft edges soft,
`most` and `touched` are the hard choices of StyleMapGAN's demonstration and of its evaluation.
"""

from collections.abc import Callable

from torch.nn import functional

from wplus.core.shapes import Mask, PooledMask

Pooling = Callable[[Mask, int, int], PooledMask]
"""A mask at another height and width."""


def share(mask: Mask, height: int, width: int) -> PooledMask:
    """The part of each cell that is marked."""
    return functional.adaptive_avg_pool2d(mask[None], (height, width))[0]


def most(mask: Mask, height: int, width: int) -> PooledMask:
    """1 for the cells of which more than half is marked."""
    return (share(mask, height, width) > 0.5).to(mask)


def touched(mask: Mask, height: int, width: int) -> PooledMask:
    """1 for the cells of which anything is marked: one pixel claims its cell."""
    return (functional.adaptive_max_pool2d(mask[None], (height, width))[0] > 0).to(mask)
