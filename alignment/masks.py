"""Painted masks: weights from the lightness of any picture, laid over one of the same shape."""

from pathlib import Path

from torch.nn import functional

from wplus.core.errors import ImageError
from wplus.core.images import read_photo
from wplus.core.shapes import Picture, PooledMask

FAINT = 0.1
"""A mask that is nowhere stronger marks nothing: dust of a scanner, noise of a JPEG file."""

COLOURED = 0.3
"""Difference between the channels, of 2 at most, of a pixel that is neither white nor grey."""


def read_mask(path: str | Path, *, height: int, width: int) -> PooledMask:
    """A mask from any picture, by its lightness: white counts, black does not.

    Args:
        path: the file; transparent counts as white.
        height, width: of the picture that it is laid over; another size of the same shape is resized.

    Raises:
        ImageError: no picture, of another shape, in colours, or empty.
    """
    return as_mask(read_photo(path), str(path), height=height, width=width)


def as_mask(picture: Picture, name: str, *, height: int, width: int) -> PooledMask:
    """`read_mask` of a picture in memory; `name` is what a message calls it.

    Raises:
        ImageError: of another shape, in colours, or empty.
    """
    check_shape(name, tuple(picture.shape[1:]), height=height, width=width)
    if (picture.amax(dim=0) - picture.amin(dim=0) > COLOURED).float().mean() > 0.05:
        raise ImageError(f"{name}: a picture in colours; a mask is black, and white where it marks")
    lightness = (picture.mean(dim=0) + 1) / 2
    # bilinear: a sinc would ring, and mark what nobody painted
    mask = functional.interpolate(lightness[None, None], (height, width), mode="bilinear", antialias=True)[0, 0]
    if mask.max() < FAINT:
        raise ImageError(f"{name}: an empty mask; paint what it is to mark in white")
    return mask.clamp(0, 1)


def check_shape(name: str | Path, shape: tuple[int, ...], *, height: int, width: int) -> None:
    """See that one picture of (height, width) `shape` can be laid over another.

    Raises:
        ImageError: it would have to be stretched.
    """
    if not same_shape(shape, height=height, width=width):
        raise ImageError(
            f"{name}: {shape[1]} x {shape[0]} is of another shape than the picture of {width} x {height} that it lies"
            " over; paint it over that very picture"
        )


def same_shape(shape: tuple[int, ...], *, height: int, width: int) -> bool:
    """Whether (height, width) `shape` can be laid over a picture; a pixel of rounding is no stretching."""
    return abs(shape[1] - shape[0] * width / height) <= 1 or abs(shape[0] - shape[1] * height / width) <= 1
