"""The change that an edit makes, carried into the photograph at the photograph's own resolution.

With A and B what a generator shows of a face before and after an edit and P the photograph, the result is
up(B) + warp(P - up(A), flow): the photograph's detail, moved along with what moved, on the edited face. It is computed
in the pixels of the photograph, which is never resampled where nothing moves, and in tiles, so that memory is bounded.
"""

import math
from collections.abc import Iterator
from dataclasses import replace
from typing import overload

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from wplus.alignment import Alignment, as_crop, crop
from wplus.alignment.ffhq import Layout, check_photo
from wplus.alignment.warp import Array, inverse, reduced, scaled, side, to_picture
from wplus.core.photograph import Photograph
from wplus.core.shapes import AnyPicture, CommonImages, Picture, PooledMask, Resized
from wplus.pipelines.change import FINE, Carry, Change, change

TILE = 1024
"""Pixels of the side of what is computed at once."""

DEFAULT = Carry()

_MARGIN = 3  # px about a tile for the bicubic kernel


@overload
def carry(
    photo: Photograph,
    before: CommonImages,
    after: CommonImages,
    alignment: Alignment,
    *,
    settings: Carry = DEFAULT,
    allowed: PooledMask | None = None,
) -> Photograph: ...


@overload
def carry(
    photo: Picture,
    before: CommonImages,
    after: CommonImages,
    alignment: Alignment,
    *,
    settings: Carry = DEFAULT,
    allowed: PooledMask | None = None,
) -> Picture: ...


def carry(
    photo: Photograph | Picture,
    before: CommonImages,
    after: CommonImages,
    alignment: Alignment,
    *,
    settings: Carry = DEFAULT,
    allowed: PooledMask | None = None,
) -> Photograph | Picture:
    """The photograph with the change between two renderings of a face in it.

    Where the renderings agree the result is the photograph, bit for bit; so is all of it if they agree everywhere.

    Args:
        photo: the upright photograph (3, height, width) in [-1, 1], or with what its file says of it: then renderings
            are brought to its colours, and the result keeps its profile, transparency and metadata.
        before, after: what the generator shows of the inverted and of the edited code, one picture each, of any size.
        alignment: of the crop that was inverted.
        settings: see `Carry`.
        allowed: weights in [0, 1] in the crop's frame, of any size: where the photograph may change.

    Raises:
        FaceError: the alignment is of a photograph of another size, or the face lies outside it.
        ValueError: renderings of different sizes, not square, or more than one.
    """
    if isinstance(photo, Photograph):
        shown = photo.native(before), photo.native(after)
        picture = carry(photo.picture, *shown, alignment, settings=settings, allowed=allowed)
        return replace(photo, picture=picture)
    old, new = _single(before, after)
    check_photo(photo, alignment)
    if torch.equal(old, new):
        return photo
    layout = Layout.of(alignment)
    # FFHQ divides the quad's coordinates, though pixels grow about their corners: this is where it really looked
    quad = scaled(layout.quad, before=layout.shrunk, after=alignment.photo)
    old, new = (_no_finer(picture, quad) for picture in (old, new))
    size = max(FINE, old.shape[1])
    face = crop(photo, Alignment(alignment.quad, alignment.photo, size)).picture
    return _laid(photo, change(face, old, new, settings, allowed=allowed), quad)


def carry_crop(
    picture: Picture,
    before: CommonImages,
    after: CommonImages,
    *,
    settings: Carry = DEFAULT,
    allowed: PooledMask | None = None,
) -> Picture:
    """`carry` for an aligned crop by itself: a square picture that is the crop, of any size.

    Raises:
        FaceError: the picture is not square.
        ValueError: renderings of different sizes, not square, or more than one.
    """
    alignment = as_crop(picture, size=before.shape[-1]).alignment
    return carry(picture, before, after, alignment, settings=settings, allowed=allowed)


def _single(before: CommonImages, after: CommonImages) -> tuple[AnyPicture, AnyPicture]:
    """The two renderings as single pictures, clamped."""
    if before.shape != after.shape or len(before) != 1 or before.shape[2] != before.shape[3]:
        shapes = f"{tuple(before.shape)} and {tuple(after.shape)}"
        raise ValueError(f"two renderings (1, 3, size, size) of one size expected, got {shapes}")
    old, new = (images[0].detach().float().cpu().clamp(-1, 1) for images in (before, after))
    return old, new


def _no_finer(rendering: Picture, quad: Array) -> Resized:
    """A rendering no finer than the face is in the photograph."""
    size = min(rendering.shape[1], max(16, math.ceil(side(quad))))
    return reduced(rendering, height=size, width=size)


def _laid(photo: Picture, fields: Change, quad: Array) -> Picture:
    """The photograph with the fields of a change applied, tile by tile."""
    stack = fields.stack[None]
    reach = float(fields.shift.abs().max()) * side(quad) * 1.5 + _MARGIN
    result = photo.clone()
    for left, top, right, bottom in _tiles(photo, fields, quad):
        x, y = torch.arange(left, right), torch.arange(top, bottom)
        found = functional.grid_sample(
            stack.to(photo), _places(x, y, quad).to(photo)[None], mode="bilinear", align_corners=False
        )[0]
        added, shift, fade, base = found.split([3, 2, 1, 3])
        there = _looked(photo, x, y, _in_pixels(shift, quad), reach=math.ceil(reach))
        there = there + added - fade * (there - base)
        touched = (shift != 0).any(0) | (added != 0).any(0) | (fade != 0).any(0)
        old = photo[:, top:bottom, left:right]
        result[:, top:bottom, left:right] = torch.where(touched, there.clamp(-1, 1), old)
    return result


def _tiles(photo: Picture, fields: Change, quad: Array) -> Iterator[tuple[int, int, int, int]]:
    """Left, top, right, bottom of the tiles that hold what changes, within the photograph."""
    size = fields.fade.shape[-1]
    touched = (fields.shift != 0).any(0) | (fields.added != 0).any(0) | (fields.fade != 0).any(0)[0]
    rows, columns = (np.flatnonzero(touched.any(axis).numpy()) for axis in (1, 0))
    if not len(rows):
        return
    box = np.array([[x, y] for x in (columns[0] - 1, columns[-1] + 1) for y in (rows[0] - 1, rows[-1] + 1)])
    matrix = to_picture(quad, size=size)
    corners = box @ matrix[:, :2].T + matrix[:, 2]
    limits = np.array(photo.shape[:0:-1])
    low = np.clip(np.floor(corners.min(0)).astype(int) - 1, 0, limits)
    high = np.clip(np.ceil(corners.max(0)).astype(int) + 2, 0, limits)
    for top in range(low[1], high[1], TILE):
        for left in range(low[0], high[0], TILE):
            yield left, top, min(left + TILE, int(high[0])), min(top + TILE, int(high[1]))


def _places(x: Tensor, y: Tensor, quad: Array) -> Float[Tensor, "rows columns 2"]:
    """Pixels of the photograph in the crop, in [-1, 1] across its side."""
    (a, b, c), (d, e, f) = inverse(to_picture(quad, size=1))  # pixel 0 of a crop of one is its middle
    x, y = x.double()[None], y.double()[:, None]
    return torch.stack([a * x + b * y + c, d * x + e * y + f], dim=2) * 2


def _in_pixels(shift: Float[Tensor, "2 rows columns"], quad: Array) -> Float[Tensor, "2 rows columns"]:
    """Shifts in parts of the crop's side as pixels of the photograph."""
    matrix = torch.from_numpy(to_picture(quad, size=1)[:, :2]).to(shift)
    return torch.einsum("ab,bij->aij", matrix, shift)


def _looked(photo: Picture, x: Tensor, y: Tensor, shift: Float[Tensor, "2 rows columns"], *, reach: int) -> Resized:
    """What the photograph shows at pixels moved by `shift`, bicubic."""
    height, width = photo.shape[1:]
    left, top = max(int(x[0]) - reach, 0), max(int(y[0]) - reach, 0)
    right, bottom = min(int(x[-1]) + reach + 1, width), min(int(y[-1]) + reach + 1, height)
    part = photo[:, top:bottom, left:right]
    across = (x[None] - left + shift[0] + 0.5) / part.shape[2] * 2 - 1
    down = (y[:, None] - top + shift[1] + 0.5) / part.shape[1] * 2 - 1
    grid = torch.stack([across, down], dim=2).to(part)
    return functional.grid_sample(part[None], grid[None], mode="bicubic", padding_mode="border", align_corners=False)[0]
