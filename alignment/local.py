"""A region between a photograph and its crop: a mask of the photograph seen in the crop, an edited region put back."""

from dataclasses import replace

import scipy
import torch
from torch.nn import functional

from wplus.alignment.ffhq import Alignment, Crop, crop
from wplus.alignment.restore import restore
from wplus.core.images import AnyPhoto, as_picture
from wplus.core.shapes import Mask, Picture, PooledMask

REACH = 0.08
"""How far the photograph's tone is carried into a region, as a part of the crop's side."""

COARSE = 128
"""Pixels of a side at which tones are smoothed: finer, nothing is seen of it."""

_UNSEEN = 1 / 255
"""A weight that changes no byte: there the photograph stays as it is, bit for bit."""


def crop_mask(mask: Mask, alignment: Alignment) -> PooledMask:
    """A mask laid over a photograph as it lies in the crop, (size, size).

    Raises:
        FaceError: the alignment is of a photograph of another size than the mask.
    """
    seen = crop((2 * mask - 1).expand(3, -1, -1), alignment).picture
    return (seen.mean(dim=0) + 1) / 2


def restore_region(photo: AnyPhoto, before: Crop, after: Crop, taken: PooledMask) -> Picture:
    """The photograph with a region of an edited crop put back; all else is the photograph, bit for bit.

    What a generator misses of the photograph is kept where the photograph is kept: with weights t the result is
    after + (1 - t) (photograph - before), the first two `toned`. It fades out a little beyond the region.

    Args:
        photo: the photograph's file, or its upright picture in any form that `as_picture` takes.
        before: what the generator shows of the crop unedited, of any size, with its alignment.
        after: the same, edited; of any size too.
        taken: t, in the crop's frame, of any size: 1 where the edit replaces the photograph.

    Raises:
        ImageError: the file is no picture.
        FaceError: the alignment is of a photograph of another size, or the face lies outside it.
    """
    picture = as_picture(photo)
    area = grown(taken)
    unedited, edited = (restore(picture, _toned_within(picture, x, area)) for x in (before, after))
    weights, share = (_placed(mask, picture, after.alignment) for mask in (area, taken))
    change = edited - unedited + share * (unedited - picture)
    return torch.where(weights > _UNSEEN, (picture + weights * change).clamp(-1, 1), picture)


def restore_within(photo: AnyPhoto, shown: Crop, mask: PooledMask) -> Picture:
    """The photograph with an edited crop put back by the weights of a mask in the crop's frame.

    Where they are 0 it is the photograph, bit for bit.

    Raises:
        ImageError: the file is no picture.
        FaceError: the alignment is of a photograph of another size, or the face lies outside it.
    """
    picture = as_picture(photo)
    weights = _placed(mask, picture, shown.alignment)
    return torch.where(weights > _UNSEEN, picture.lerp(restore(picture, shown), weights), picture)


def grown(mask: Mask, *, width: float = 0.05) -> Mask:
    """A mask that reaches further: from where it is half as strong as anywhere it falls from 1 to 0 over `width`.

    Args:
        mask: weights in [0, 1].
        width: as a part of its side.

    Raises:
        ValueError: a width that is not positive.
    """
    if not width > 0:
        raise ValueError(f"width must be positive, got {width}")
    marked = (mask > 0) & (mask >= mask.max() / 2)
    if not marked.any():
        return mask
    far = torch.from_numpy(scipy.ndimage.distance_transform_edt(~marked.numpy())).to(mask) / (width * max(mask.shape))
    fall = (1 - far).clamp(min=0)
    return torch.maximum(mask, fall * fall * (3 - 2 * fall))


def toned(edited: Picture, around: Picture, mask: PooledMask) -> Picture:
    """An edited crop whose region meets the unedited crop in tone: what they differ by about the region goes on inside.

    A generator's skin is never quite the photograph's, nor is the reference's. What differs is smoothed over `REACH`,
    as in seamless cloning (Perez et al. 2003) without its system of equations.

    Args:
        edited: what a generator made, in [-1, 1].
        around: the crop of the photograph.
        mask: 1 in the region, of any size.
    """
    size = (edited.shape[1], edited.shape[2])
    weights = 1 - functional.adaptive_avg_pool2d(mask[None], size)
    coarse = (min(size[0], COARSE), min(size[1], COARSE))
    reach = REACH * coarse[1]
    found = functional.adaptive_avg_pool2d(torch.cat([(around - edited) * weights, weights]), coarse).numpy()
    smooth = torch.from_numpy(scipy.ndimage.gaussian_filter(found, (0, reach, reach)))
    # far from all that is known, in a region of everything, nothing is carried
    tone = smooth[:3] / (smooth[3:] + 1e-3)
    return (edited + functional.interpolate(tone[None], size, mode="bilinear")[0]).clamp(-1, 1)


def _toned_within(photo: Picture, shown: Crop, mask: PooledMask) -> Crop:
    """What a generator shows of a crop, `toned` by the photograph."""
    around = crop(photo, replace(shown.alignment, size=shown.picture.shape[1])).picture
    return replace(shown, picture=toned(shown.picture, around, mask))


def _placed(mask: PooledMask, picture: Picture, alignment: Alignment) -> Mask:
    """A mask of the crop as it lies in the photograph; 0 outside."""
    black = torch.full_like(picture, -1.0)
    return (restore(black, (2 * mask - 1).expand(3, -1, -1), alignment)[0] + 1) / 2
