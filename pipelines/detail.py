"""What a generator misses of photographs, carried beside an edit: it renders the change, they give the fine detail."""

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch.nn import functional

from wplus.alignment import Crop, crop
from wplus.alignment.warp import side
from wplus.core.images import resized
from wplus.core.shapes import Picture, PooledMask
from wplus.pipelines.portrait import Portrait

LARGEST = 1024
"""Pixels of the side up to which detail is carried."""

Given = tuple[Portrait, Picture, PooledMask]
"""A reference, what the generator shows of its code, and where it is taken: weights in [0, 1] with the strength."""


def with_detail(edited: Crop, references: Sequence[Given]) -> Crop:
    """An edited crop with what the generator misses of the references, where they are taken.

    With weights t the result is edited + t (reference - its reconstruction), as fine as the photograph that the crop
    was cut from (`LARGEST` at most). `restore_region` does the same for what is kept of the target.

    Args:
        edited: what the generator shows of the edit, with the target's alignment.
        references: what is taken; where several are, a later one lies over an earlier one.
    """
    fine = max(edited.alignment.size, min(LARGEST, round(side(edited.alignment.corners))))
    detail = torch.zeros(3, fine, fine)
    for portrait, shown, taken in references:
        photograph = crop(portrait.photo, replace(portrait.crop.alignment, size=fine)).picture
        missed = photograph - resized(shown, height=fine, width=fine)
        weights = functional.interpolate(taken[None, None], size=(fine, fine), mode="bilinear", antialias=True)
        detail = detail.lerp(missed, weights[0])
    picture = (resized(edited.picture, height=fine, width=fine) + detail).clamp(-1, 1)
    return Crop(picture, replace(edited.alignment, size=fine))
