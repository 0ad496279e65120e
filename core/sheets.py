"""Contact sheets: pictures in rows, large enough to see, with captions."""

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont
from torch.nn import functional

from wplus.core.animation import sheet as tiled
from wplus.core.images import from_bytes, to_bytes
from wplus.core.shapes import Images, Picture, Resized, ResizedImages

SIDE = 192
"""Smaller pictures are enlarged to at least this many pixels, by a whole factor."""

LARGEST = 320
"""Larger pictures are reduced to this many pixels, if there are several: a sheet is looked at as a whole."""

_GAP = 6
_TEXT = 17  # px
_LINE = 21
_INK = (31, 41, 51)


@dataclass(frozen=True, eq=False)
class Sheet:
    """Pictures of one size in rows, with captions.

    Args:
        name: of its file, without suffix.
        title: what it shows.
        pictures: rows of pictures; None leaves a place empty.
        columns: captions, one a column, or of several blocks of rows one after the other; none where empty.
        rows: captions, one a row; none where empty.

    Raises:
        ValueError: rows of different lengths, or captions that do not fit them.
    """

    name: str
    title: str
    pictures: tuple[tuple[Picture | None, ...], ...]
    columns: tuple[str, ...] = ()
    rows: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        lengths = {len(row) for row in self.pictures}
        if len(lengths) != 1 or 0 in lengths:
            raise ValueError(f"sheet {self.name} has rows of lengths {sorted(lengths)}")
        if len(self.columns) % len(self.pictures[0]) or len(self.pictures) % self.blocks:
            raise ValueError(f"sheet {self.name} has {len(self.columns)} captions for {lengths} columns")
        if self.rows and len(self.rows) != len(self.pictures):
            raise ValueError(f"sheet {self.name} has {len(self.rows)} captions for {len(self.pictures)} rows")

    @property
    def blocks(self) -> int:
        """How many blocks of rows have captions of their own above them."""
        return max(1, len(self.columns) // len(self.pictures[0]))


def drawn(sheet: Sheet) -> Resized:
    """The sheet as one picture, captions above and to the left, on white."""
    first = next(picture for row in sheet.pictures for picture in row if picture is not None)
    blank = torch.ones_like(first)
    cells = torch.stack([blank if picture is None else picture for row in sheet.pictures for picture in row])
    cells = functional.pad(_sized(cells.cpu()).clamp(-1, 1), (0, _GAP, 0, _GAP), value=1.0)
    left = max(
        (round(_font().getlength(line)) + 3 * _GAP for text in sheet.rows for line in _lines(text)), default=_GAP
    )
    width = len(sheet.pictures[0])
    count = len(sheet.pictures) // sheet.blocks  # of rows in a block
    parts = [
        (part, sheet.columns[index * width : (index + 1) * width], sheet.rows[index * count : (index + 1) * count])
        for index, part in enumerate(cells.split(count * width))
    ]
    return torch.cat([_block(*part, left=left, width=width) for part in parts], dim=1)


def _block(cells: Images, columns: Sequence[str], rows: Sequence[str], *, left: int, width: int) -> Resized:
    """Pictures under one row of captions."""
    height, side = cells.shape[2:]
    above = [textwrap.wrap(text, max(8, round(1.9 * side / _TEXT))) for text in columns]
    top = _GAP + _LINE * max(map(len, above), default=0)
    grid = Image.fromarray(to_bytes(tiled(cells, columns=width)))
    canvas = Image.new("RGB", (left + grid.width, top + grid.height), "white")
    canvas.paste(grid, (left, top))
    draw = ImageDraw.Draw(canvas)
    for index, lines in enumerate(above):
        centre = (left + index * side + (side - _GAP) / 2, top - _LINE * len(lines))
        draw.multiline_text(centre, "\n".join(lines), fill=_INK, font=_font(), anchor="ma", align="center")
    for index, text in enumerate(rows):
        place = (left - 2 * _GAP, top + index * height + (height - _GAP) / 2)
        draw.multiline_text(place, "\n".join(_lines(text)), fill=_INK, font=_font(), anchor="rm", align="right")
    return from_bytes(np.array(canvas))


def _lines(text: str) -> list[str]:
    """A caption beside a row."""
    return textwrap.wrap(text, 16)


@cache
def _font() -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(_TEXT)


def _sized(images: Images) -> ResizedImages:
    """Pictures as large as a sheet wants them."""
    side = max(images.shape[2:])
    if side > LARGEST and len(images) > 1:
        return functional.interpolate(images, scale_factor=LARGEST / side, mode="bicubic", antialias=True)
    return functional.interpolate(images, scale_factor=max(1, -(-SIDE // side)), mode="bicubic")
