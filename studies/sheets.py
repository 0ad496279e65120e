"""Sheets of photographs by their classes."""

from collections.abc import Mapping, Sequence

from wplus.core.shapes import Images
from wplus.core.sheets import Sheet
from wplus.studies.photos import Photo

COLUMNS = 8
"""Pictures in a row of `by_class`."""


def by_class(name: str, title: str, photos: Sequence[Photo], layers: Mapping[str, Images]) -> Sheet:
    """A sheet of all photographs under the names of their classes, each above what became of it.

    Args:
        name, title: of the sheet.
        photos: give the classes.
        layers: pictures of all photographs, by caption, from above to below.
    """
    width = min(COLUMNS, len(photos))
    blocks = [range(first, min(first + width, len(photos))) for first in range(0, len(photos), width)]
    captions, rows = [], []
    for block in blocks:
        rest = width - len(block)
        captions += [photos[index].kind for index in block] + [""] * rest
        rows += [(*(pictures[index] for index in block), *[None] * rest) for pictures in layers.values()]
    return Sheet(name, title, tuple(rows), tuple(captions), tuple(layers) * len(blocks))
