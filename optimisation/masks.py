"""Where terms look: weights of places, for all pictures or one map each (Image2StyleGAN++, arXiv 1911.11544)."""

from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional

from wplus.core.shapes import FeatureMaps
from wplus.core.tensorfile import fingerprint

Masks = Float[Tensor, "... mask_height mask_width"]
"""How much each place counts, in [0, 1]: (height, width) for all pictures, or one of any size each."""

OtherMasks = Float[Tensor, "... other_height other_width"]
"""Masks of another size than those beside them in a signature."""

Rows = Int[Tensor, " rows"]
"""Numbers of pictures within a batch."""


def check_mask(mask: Masks | None) -> None:
    """See that a mask makes sense.

    Raises:
        ValueError: another number of dimensions, or weights beyond [0, 1].
    """
    if mask is not None and (mask.ndim not in (2, 3) or not bool(((mask >= 0) & (mask <= 1)).all())):
        raise ValueError(f"a mask has weights in [0, 1] and 2 or 3 dimensions, one of {tuple(mask.shape)} was given")


def select_masks(mask: Masks | None, rows: Rows) -> Masks | None:
    """The masks of some of the pictures."""
    return mask if mask is None or mask.ndim == 2 or len(mask) == 1 else mask[rows.to(mask.device)]


def narrowed(own: Masks | None, mask: OtherMasks) -> Tensor:
    """What both masks show: their product, at the larger of their sizes.

    Raises:
        ValueError: a mask that is none, or masks of different numbers of pictures.
    """
    check_mask(mask)
    if own is None:
        return mask
    size = max(tuple(own.shape[-2:]), tuple(mask.shape[-2:]))
    planes = [item if item.ndim == 3 else item[None] for item in (own, mask)]
    counts = {len(item) for item in planes} - {1}
    if len(counts) > 1:
        raise ValueError(f"masks of {len(planes[0])} and of {len(planes[1])} pictures")
    first, second = (functional.interpolate(item[:, None].float(), size, mode="nearest-exact")[:, 0] for item in planes)
    return first * second.to(first.device)


def fitted(mask: Masks | None, maps: FeatureMaps) -> Tensor | None:
    """The masks at the size of maps, a part of each cell, as fp32 (1 or batch, 1, height, width).

    Raises:
        ValueError: masks of another number of pictures than the maps.
    """
    if mask is None:
        return None
    planes = mask if mask.ndim == 3 else mask[None]
    if len(planes) not in (1, len(maps)):
        raise ValueError(f"masks of {len(planes)} pictures for {len(maps)}")
    planes = planes[:, None].to(maps.device, torch.float32)
    return functional.adaptive_avg_pool2d(planes, (maps.shape[2], maps.shape[3]))


def mask_json(mask: Masks | None) -> dict[str, Any]:
    """What tells a mask from others; nothing where there is none."""
    return {} if mask is None else {"area": float(mask.mean()), "mask": fingerprint({"mask": mask})}
