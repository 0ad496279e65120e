"""What a reference gives to a picture, where, and how strongly: the blend that all local edits share.

m * reference + (1 - m) * target, on maps of any size (StyleMapGAN equation 2), the reference moved first if asked.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch.nn import functional

from wplus.core.errors import LatentError
from wplus.core.latent import Latent, check_same
from wplus.core.shapes import FeatureMaps, Mask
from wplus.editing.pooling import Pooling, share


@dataclass(frozen=True, eq=False)
class Patch:
    """A region of a reference.

    Args:
        reference: its codes; one for all targets, or one a target.
        mask: weights in [0, 1], of any size, in the frame of the reference.
        strength: 0 leaves the target, 1 takes the reference.
        shift: how far the region is moved to the right and down, in pixels of the mask.
        pooling: what the cells of smaller maps take of the mask (`editing/masks.py`).

    Raises:
        ValueError: a mask that is empty or has weights outside [0, 1], or a strength outside it.
    """

    reference: Latent
    mask: Mask
    strength: float = 1.0
    shift: tuple[int, int] = (0, 0)
    pooling: Pooling = share

    def __post_init__(self) -> None:
        low, high = (float(value) for value in self.mask.aminmax())
        if not (low >= 0 and 0 < high <= 1):
            raise ValueError(f"a mask has weights in [0, 1] and some above 0, got {low:g} to {high:g}")
        if not 0 <= self.strength <= 1:
            raise ValueError(f"strength must be in [0, 1], got {self.strength}")

    def blend(self, target: FeatureMaps, reference: FeatureMaps) -> FeatureMaps:
        """The target's maps with this region of the reference's; both of one shape, of any resolution.

        A shift is cut down to whole cells, towards 0, and what leaves the frame is lost.
        """
        height, width = target.shape[2:]
        right, down = (math.trunc(pixels * height / self.mask.shape[0]) for pixels in self.shift)
        weights = self.strength * self.pooling(self.mask.to(target), height, width)
        return torch.lerp(target, _moved(reference, right, down), _moved(weights[None, None], right, down))


def check_patches(target: Latent, patches: Sequence[Patch]) -> None:
    """Patches must be of the target's generator, each of one code or of as many as the target.

    Raises:
        LatentError: they are not.
        ValueError: there are none.
    """
    if not patches:
        raise ValueError("a local edit needs a patch")
    check_same([target, *(patch.reference for patch in patches)])
    for patch in patches:
        if len(patch.reference) not in (1, len(target)):
            raise LatentError(
                f"a reference of {len(patch.reference)} codes for a target of {len(target)}; give one, or as many"
            )


def _moved(maps: FeatureMaps, right: int, down: int) -> FeatureMaps:
    """Maps moved by whole cells; what comes in is 0."""
    height, width = maps.shape[2:]
    right, down = max(-width, min(right, width)), max(-height, min(down, height))
    return functional.pad(maps, (right, -right, down, -down))
