"""What a generator misses of photographs, carried beside an edit: it renders the change, they give the fine detail."""

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import torch
from torch.nn import functional

from wplus.alignment import Crop, crop
from wplus.alignment.warp import side
from wplus.core.images import resized
from wplus.core.shapes import Picture, PooledMask, Resized
from wplus.pipelines.fields import Weight
from wplus.pipelines.flow import followed
from wplus.pipelines.portrait import Portrait

LARGEST = 1024
"""Pixels of the side up to which detail is carried."""


class Given(NamedTuple):
    """What a photograph gives to an edit.

    Args:
        portrait: the photograph.
        shown: what the generator shows of its code.
        taken: where an edit takes it: weights in [0, 1], with the strength.
    """

    portrait: Portrait
    shown: Picture
    taken: PooledMask

    def missed(self, size: int) -> Resized:
        """What the generator misses of the crop at a size."""
        photograph = crop(self.portrait.photo, replace(self.portrait.crop.alignment, size=size)).picture
        return photograph - resized(self.shown, height=size, width=size)

    def weights(self, size: int) -> Weight:
        """Where it is taken, at a size."""
        return functional.interpolate(self.taken[None, None], (size, size), mode="bilinear", antialias=True)[0]


def with_detail(edited: Crop, references: Sequence[Given]) -> Crop:
    """An edited crop with what the generator misses of the references, where they are taken.

    With weights t the result is edited + t (reference - its reconstruction), as fine as the photograph that the crop
    was cut from (`LARGEST` at most). `restore_region` does the same for what is kept of the target. Where less than
    all of a reference is taken its detail is looked for where the edit shows it, so that nothing is seen twice.

    Args:
        edited: what the generator shows of the edit, with the target's alignment.
        references: what is taken; where several are, a later one lies over an earlier one.
    """
    fine = max(edited.alignment.size, min(LARGEST, round(side(edited.alignment.corners))))
    detail = torch.zeros(3, fine, fine)
    for given in references:
        missed = given.missed(fine)
        if given.taken.max() < 1:
            missed = followed(missed, given.shown, edited.picture)
        detail = detail.lerp(missed, given.weights(fine))
    picture = (resized(edited.picture, height=fine, width=fine) + detail).clamp(-1, 1)
    return Crop(picture, replace(edited.alignment, size=fine))


def moved_detail(fine: Crop, edited: Picture, kept: Given) -> Crop:
    """An edit's crop with the detail that it keeps of the target where the edit shows it, not where it was.

    Args:
        fine: of `with_detail`.
        edited: what the generator shows of the edit.
        kept: the target, and where it is replaced.
    """
    size = fine.alignment.size
    missed = kept.missed(size)
    moved = followed(missed, kept.shown, edited) - missed
    share = kept.weights(size)
    return replace(fine, picture=(fine.picture + (share > 0) * (1 - share) * moved).clamp(-1, 1))
