"""Squares cut out of a picture: what a quad means in pixels, and the kornia warp between picture and square.

A quad is float64 (4, 2): the corners top left, bottom left, bottom right, top right of a square in a picture, in
pixels of which the *centre* of the first is (0, 0), as landmark detectors count. Pixel i of n across the square lies at
the fraction (i + 0.5) / n of its side; this is what Pillow's quad transform does with the quad + 0.5.
"""

import math

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F

from wplus.core.images import resized
from wplus.core.shapes import Picture, Resized

Array = npt.NDArray[np.float64]

OVERSAMPLING = 4
"""The square is sampled at up to this many times its size, then reduced: FFHQ warps to 4096 px for 1024."""


def side(quad: Array) -> float:
    """Length of the quad's top edge in pixels."""
    return float(np.hypot(*(quad[3] - quad[0])))


def square(centre: Array, *, side: float, degrees: float = 0.0) -> Array:
    """The quad about `centre` whose top edge falls by `degrees` from the horizontal (clockwise on the screen)."""
    angle = math.radians(degrees)
    x = np.array([math.cos(angle), math.sin(angle)]) * side / 2
    y = np.array([-x[1], x[0]])
    return np.stack([centre - x - y, centre - x + y, centre + x + y, centre + x - y])


def to_picture(quad: Array, *, size: int) -> Array:
    """The affine matrix (2, 3) from pixels of a square of `size` to pixels of the picture."""
    across, down = (quad[3] - quad[0]) / size, (quad[1] - quad[0]) / size
    return np.stack([across, down, quad[0] + (across + down) / 2], axis=1)


def inverse(matrix: Array) -> Array:
    """The affine matrix (2, 3) of the way back."""
    turned = np.linalg.inv(matrix[:, :2])
    return np.concatenate([turned, -turned @ matrix[:, 2:]], axis=1)


def apply(matrix: Array, points: Array) -> Array:
    """Points (n, 2) through an affine matrix (2, 3)."""
    moved: Array = points @ matrix[:, :2].T + matrix[:, 2]
    return moved


def scaled(quad: Array, *, before: tuple[int, int], after: tuple[int, int]) -> Array:
    """The quad in a picture of (width, height) `after` that was resized from `before`."""
    moved: Array = (quad + 0.5) * (np.array(after) / np.array(before)) - 0.5
    return moved


def warp(picture: Picture, matrix: Array, *, height: int, width: int, outside: str = "border") -> Resized:
    """Bilinear samples of `picture` moved by `matrix` (2, 3), from its pixels to those of the result.

    Args:
        outside: kornia's padding mode; "border" repeats the edge, "zeros" is mid-grey.
    """
    from kornia.geometry.transform import warp_affine  # here, not above: it loads all of kornia

    to_result = torch.from_numpy(matrix).to(picture)
    return warp_affine(picture[None], to_result[None], (height, width), padding_mode=outside, align_corners=True)[0]


def cut(picture: Picture, quad: Array, *, size: int, outside: str = "border") -> Resized:
    """The square of a quad as a picture of `size` pixels a side, antialiased."""
    ratio = side(quad) / size
    if ratio > OVERSAMPLING:
        picture, quad = _about(picture, quad, margin=4 * ratio)  # the sinc's reach; the rest would be resized in vain
        height, width = picture.shape[1:]
        after = (math.ceil(width * OVERSAMPLING / ratio), math.ceil(height * OVERSAMPLING / ratio))
        quad = scaled(quad, before=(width, height), after=after)
        picture = resized(picture, height=after[1], width=after[0])
    # two samples a source pixel hide the bilinear kernel's blur; more cost memory and change nothing
    fine = size * min(OVERSAMPLING, max(1, math.ceil(2 * ratio)))
    there = inverse(to_picture(quad, size=fine))
    return reduced(warp(picture, there, height=fine, width=fine, outside=outside), height=size, width=size)


def _about(picture: Picture, quad: Array, *, margin: float) -> tuple[Resized, Array]:
    """The part of the picture that holds the quad and a margin, and the quad in its pixels."""
    limits = np.array(picture.shape[:0:-1])
    low = np.clip(np.floor(quad.min(0) - margin), 0, limits - 1).astype(int)
    high = np.clip(np.ceil(quad.max(0) + margin), low + 1, limits).astype(int)
    return picture[:, low[1] : high[1], low[0] : high[0]], quad - low


def reduced(picture: Picture, *, height: int, width: int) -> Resized:
    """The picture at a smaller size, antialiased, on the picture's device."""
    if tuple(picture.shape[1:]) == (height, width):
        return picture
    return F.interpolate(picture[None], (height, width), mode="bicubic", antialias=True, align_corners=False)[0]
