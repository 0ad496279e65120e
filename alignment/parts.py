"""Masks of parts of a face: rectangles, and what a face parser saw (CelebAMask-HQ's labels)."""

from pathlib import Path

import torch
from torch.nn import functional

from wplus.alignment.masks import check_shape
from wplus.core.errors import ImageError
from wplus.core.images import read_photo, to_bytes
from wplus.core.shapes import LabelMap, Mask

PARTS = {
    "background": (0,), "skin": (1,), "nose": (2,), "eyes": (3, 4, 5), "brows": (6, 7), "ears": (8, 9, 15),
    "mouth": (10, 11, 12), "hair": (13, 14), "neck": (16, 17), "cloth": (18,),
}  # fmt: skip
"""StyleMapGAN's ten parts of a face, as the labels of CelebAMask-HQ: glasses are eyes, an ear-ring is an ear."""

LABELS = 19
"""Of CelebAMask-HQ."""


def rectangle(left: float, top: float, right: float, bottom: float, *, size: int) -> Mask:
    """A hard rectangle in a square of `size` pixels; its sides are given as parts of the square's.

    Raises:
        ValueError: sides that are not in order or not within the square, or no pixel between them.
    """
    if not (0 <= left < right <= 1 and 0 <= top < bottom <= 1):
        raise ValueError(f"expected 0 <= left < right <= 1 and the same from the top, got {left, top, right, bottom}")
    rows, columns = (slice(round(size * a), round(size * b)) for a, b in ((top, bottom), (left, right)))
    mask = torch.zeros(size, size)
    mask[rows, columns] = 1
    if not mask.any():
        raise ValueError(f"no pixel of {size} lies within {left, top, right, bottom}")
    return mask


def read_labels(path: str | Path, *, height: int, width: int) -> LabelMap:
    """What a face parser saw, as a grey picture whose bytes are CelebAMask-HQ's 19 labels.

    Args:
        path: the file.
        height, width: of the picture that was parsed; another size of the same shape is resized, to the nearest label.

    Raises:
        ImageError: no picture, of another shape, or other values than 0 to 18.
    """
    values = torch.from_numpy(to_bytes(read_photo(path)))
    check_shape(path, values.shape[:2], height=height, width=width)
    if values.max() >= LABELS or bool((values != values[:, :, :1]).any()):
        raise ImageError(
            f"{path}: no map of face parts; expected a grey picture of CelebAMask-HQ's labels, 0 to {LABELS - 1},"
            f" found colours or values up to {int(values.max())}"
        )
    planes = values[None, None, :, :, 0].float()
    return functional.interpolate(planes, (height, width), mode="nearest-exact")[0, 0].long()


def part(labels: LabelMap, name: str) -> Mask:
    """The mask of one of the `PARTS`.

    Raises:
        ImageError: the face parser saw no such part.
        ValueError: no part has that name.
    """
    if name not in PARTS:
        raise ValueError(f"no part of a face is named {name}; they are {', '.join(PARTS)}")
    mask = torch.isin(labels, torch.tensor(PARTS[name])).float()
    if not mask.any():
        raise ImageError(f"the map of face parts shows no {name}")
    return mask
