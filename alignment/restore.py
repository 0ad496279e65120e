"""An edited crop back into its photograph: the inverse of the FFHQ warp, under a mask that fades before the seam.

The way back is STIT's (Tzaban et al., "Stitch it in Time", arXiv 2201.08361, section 4.5) without its tuning.
"""

import math

import numpy as np
import torch

from wplus.alignment.ffhq import Alignment, Crop, Layout, check_photo
from wplus.alignment.warp import Array, inverse, reduced, scaled, side, to_picture, warp
from wplus.core.images import AnyPhoto, as_picture, resized
from wplus.core.shapes import Mask, Picture, Resized

FEATHER = 0.1
"""Part of the crop's side over which it fades into the photograph."""

_FINE = 1500  # px of the face's square up to which twice the photograph's resolution is worth its memory


def restore(photo: AnyPhoto, crop: Crop | Resized, alignment: Alignment | None = None) -> Picture:
    """The photograph with a crop, edited or not, put back where it was cut out.

    Outside the crop's square the result is the photograph, bit for bit; inside, the crop fades in over `FEATHER` of its
    side. It also fades out where FFHQ's padding had blurred the photograph's border.

    Args:
        photo: the photograph's file, or its upright picture in any form that `as_picture` takes.
        crop: what `align` gave, or a square picture of any size with its alignment.
        alignment: of a picture; a `Crop` brings its own.

    Raises:
        ImageError: the file is no picture.
        FaceError: the alignment is of a photograph of another size, or the face lies outside it.
        ValueError: a picture without an alignment or that is not square, or a `Crop` with a second alignment.
    """
    if isinstance(crop, Crop) == (alignment is not None):
        raise ValueError("give either a Crop, or a picture with its alignment")
    face, alignment = (crop.picture, crop.alignment) if isinstance(crop, Crop) else (crop, alignment)
    assert alignment is not None
    if face.ndim != 3 or face.shape[0] != 3 or face.shape[1] != face.shape[2]:
        raise ValueError(f"a crop has shape (3, size, size), got {tuple(face.shape)}")
    picture = as_picture(photo)
    check_photo(picture, alignment)
    layout = Layout.of(alignment)
    # FFHQ divides the quad's coordinates, though pixels grow about their corners: this is where it really looked
    quad = scaled(layout.quad, before=layout.shrunk, after=alignment.photo)
    left, top, right, bottom = _region(quad, alignment.photo)
    mask = _mask(layout, quad, (left, top, right, bottom), alignment.photo).to(picture)
    there = _placed(face.to(picture), quad - (left, top), height=bottom - top, width=right - left)
    before = picture[:, top:bottom, left:right]
    result = picture.clone()
    result[:, top:bottom, left:right] = torch.where(mask > 0, before + mask * (there - before), before)
    return result


def _region(quad: Array, photo: tuple[int, int]) -> tuple[int, int, int, int]:
    """Left, top, right, bottom of the photograph's part that holds the quad; at least one pixel."""
    low, high = np.floor(quad.min(0)).astype(int), np.ceil(quad.max(0)).astype(int) + 1
    left, top = (min(max(int(value), 0), limit - 1) for value, limit in zip(low, photo, strict=True))
    right, bottom = (min(int(value), limit) for value, limit in zip(high, photo, strict=True))
    return left, top, max(right, left + 1), max(bottom, top + 1)


def _placed(face: Picture, quad: Array, *, height: int, width: int) -> Resized:
    """The crop as it looks in a region of the photograph, antialiased; beyond the quad its edge is repeated."""
    length = side(quad)
    fine = 2 if length <= _FINE else 1
    size = max(1, math.ceil(length * fine))
    face = resized(face, height=size, width=size)
    quad = scaled(quad, before=(width, height), after=(width * fine, height * fine))
    region = warp(face, to_picture(quad, size=size), height=height * fine, width=width * fine)
    return reduced(region, height=height, width=width).clamp(-1, 1)


def _mask(layout: Layout, quad: Array, region: tuple[int, int, int, int], photo: tuple[int, int]) -> Mask:
    """Weights of the crop in a region of the photograph: 1 inside, 0 at the quad's sides and in blurred padding."""
    x, y = np.arange(region[0], region[2], dtype=np.float64), np.arange(region[1], region[3], dtype=np.float64)
    weights = np.ones((len(y), len(x)))
    for along_x, along_y, start in inverse(to_picture(quad, size=1)):  # the part of the way across, then down
        from_middle = np.abs(along_x * x + (along_y * y + start)[:, None])
        weights *= _smooth((0.5 - from_middle) / FEATHER)
    if any(layout.pad):
        ratio = np.array(layout.shrunk) / np.array(photo)
        fade = layout.fade((x + 0.5) * ratio[0] - 0.5, (y + 0.5) * ratio[1] - 0.5)
        weights *= _smooth(-3 * fade)  # the blur is full at 0 and ends at -1/3
    return torch.from_numpy(weights)


def _smooth(values: Array) -> Array:
    """0 below 0, 1 above 1, and level at both ends."""
    inside = np.clip(values, 0, 1)
    smooth: Array = inside * inside * (3 - 2 * inside)
    return smooth
