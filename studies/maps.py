"""A map of codes: photographs where their codes lie on two principal axes, in frames of their classes' colours."""

from collections.abc import Sequence

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from wplus.core.images import from_bytes, resized, to_bytes
from wplus.core.shapes import Features, OtherFeatures, Picture
from wplus.studies.photos import Photo
from wplus.studies.plots import COLOURS

SIDE = (1120, 760)
"""Width and height of the map."""

_THUMBNAIL, _FRAME, _MARGIN, _TEXT = 60, 4, 60, 17  # px
_INK, _GREY = (31, 41, 51), (173, 181, 189)


def principal(offsets: Features) -> Tensor:
    """The two directions along which codes lie farthest from the mean; of offsets (batch, dims) from it: (2, dims)."""
    offsets = offsets.double()
    _, _, axes = torch.linalg.svd(torch.cat([offsets, offsets.new_zeros(2, offsets.shape[1])]), full_matrices=False)
    signs = axes[:2].sum(dim=1).sign()  # a direction has two, and which comes must not depend on the machine
    return (axes[:2] * torch.where(signs == 0, 1.0, signs)[:, None]).float()


def drawn_map(photos: Sequence[Photo], places: Features, dots: OtherFeatures) -> Picture:
    """The map.

    Args:
        photos: their crops are the thumbnails.
        places: of the photographs, (batch, 2); the mean code is (0, 0).
        dots: of further codes, likewise.
    """
    known = torch.cat([places, dots, places.new_zeros(1, 2)])
    low, high = known.amin(dim=0), known.amax(dim=0)
    top = _MARGIN + 2 * _TEXT
    size = torch.tensor([SIDE[0] - 2 * _MARGIN, SIDE[1] - _MARGIN - top])
    scale = float((size / (high - low).clamp(min=1e-6)).min())  # one for both axes: distances are to be seen
    middle = torch.tensor([SIDE[0] / 2, (SIDE[1] - _MARGIN + top) / 2])

    def pixel(place: Tensor) -> tuple[int, int]:
        x, y = ((place - (low + high) / 2) * scale * torch.tensor([1, -1]) + middle).round().int().tolist()
        return x, y

    canvas = Image.new("RGB", SIDE, "white")
    draw = ImageDraw.Draw(canvas)
    font = ImageFont.load_default(_TEXT)
    for dot in dots:
        x, y = pixel(dot)
        draw.ellipse((x - 3, y - 3, x + 3, y + 3), fill=_GREY)
    kinds = list(dict.fromkeys(photo.kind for photo in photos))
    colours = {kind: COLOURS[index % len(COLOURS)] for index, kind in enumerate(kinds)}
    for photo, place in zip(photos, places, strict=True):
        x, y = pixel(place)
        small = Image.fromarray(to_bytes(resized(photo.crop.picture, height=_THUMBNAIL, width=_THUMBNAIL).clamp(-1, 1)))
        framed = Image.new("RGB", (_THUMBNAIL + 2 * _FRAME,) * 2, colours[photo.kind])
        framed.paste(small, (_FRAME, _FRAME))
        canvas.paste(framed, (x - framed.width // 2, y - framed.height // 2))
    x, y = pixel(places.new_zeros(2))
    draw.line((x - 9, y, x + 9, y), fill=_INK, width=3)
    draw.line((x, y - 9, x, y + 9), fill=_INK, width=3)
    left = _MARGIN
    legend: dict[str, str | tuple[int, int, int]] = {**colours, "samples": _GREY, "+ mean code": "white"}
    for name, colour in legend.items():
        draw.rectangle((left, 12, left + _TEXT, 12 + _TEXT), fill=colour)
        left += _TEXT + 6
        draw.text((left, 10), name, fill=_INK, font=font)
        left += round(font.getlength(name)) + 22
    return from_bytes(np.array(canvas))
