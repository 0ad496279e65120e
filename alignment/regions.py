"""Named regions of an aligned face as soft masks, drawn from its 68 landmarks: no face parser is needed."""

import math
from collections.abc import Callable

import numpy as np
import torch

from wplus.alignment.ffhq import Alignment
from wplus.alignment.landmarks import Face
from wplus.alignment.warp import Array, apply, inverse, to_picture
from wplus.core.shapes import Mask

SOFTNESS = 0.05
"""Width of a region's soft edge, as a part of the crop's side."""

# how far a region reaches beyond its landmarks, as a part of the crop's side
_MARGINS = {"eyes": 0.035, "brows": 0.025, "nose": 0.03, "mouth": 0.035, "jaw": 0.02, "hair": 0.0}


def region(landmarks: Array, name: str, *, size: int, softness: float = SOFTNESS) -> Mask:
    """One of the `REGIONS` of a face: 1 on it and a little about it, then falling to 0 over `softness`.

    Args:
        landmarks: (68, 2), as `in_crop` gives them.
        name: of the region; "hair" is the band above the forehead where hair begins, "jaw" has no mouth.
        size: pixels of the mask's side.
        softness: as a part of the crop's side.

    Raises:
        ValueError: no region has that name, or the softness is not positive.
    """
    if name not in REGIONS:
        raise ValueError(f"no region is named {name}; they are {', '.join(REGIONS)}")
    if not softness > 0:
        raise ValueError(f"softness must be positive, got {softness}")
    line = (np.arange(size, dtype=np.float64) + 0.5) / size
    places = np.stack(np.meshgrid(line, line), axis=-1)  # (size, size, 2), x before y
    distance = np.min([_distance(outline, places) for outline in REGIONS[name](landmarks)], axis=0)
    weights = np.clip(1 - (distance - _MARGINS[name]) / softness, 0, 1)
    return torch.from_numpy(weights * weights * (3 - 2 * weights)).float()


def in_crop(face: Face, alignment: Alignment) -> Array:
    """A face's landmarks (68, 2) as parts of its crop's side, from the upper left corner."""
    return apply(inverse(to_picture(alignment.corners, size=1)), face.landmarks) + 0.5


def _between(*groups: range) -> Callable[[Array], list[Array]]:
    """Outlines that run through landmarks."""
    return lambda landmarks: [landmarks[list(group)] for group in groups]


def _jaw(landmarks: Array) -> list[Array]:
    """From ear to chin to ear, and back along the lower lip."""
    return [landmarks[[*range(3, 14), *range(54, 60), 48]]]


def _hair(landmarks: Array) -> list[Array]:
    """A band over the head: half an ellipse about another, both between the temples."""
    left, right, chin = landmarks[0], landmarks[16], landmarks[8]
    middle, across = (left + right) / 2, (right - left) / 2
    up = middle - chin
    turns = np.linspace(0, math.pi, 25)[:, None]
    inner, outer = (middle + wide * np.cos(turns) * across + high * np.sin(turns) * up for wide, high in _BAND)
    return [np.concatenate([inner, outer[::-1]])]


_BAND = ((1.0, 0.72), (1.35, 1.15))  # of half the width between the temples, and of the height from there to the chin

REGIONS: dict[str, Callable[[Array], list[Array]]] = {
    "eyes": _between(range(36, 42), range(42, 48)),
    "brows": _between(range(17, 22), range(22, 27)),
    "nose": lambda landmarks: [landmarks[[27, *range(31, 36)]]],
    "mouth": _between(range(48, 60)),
    "jaw": _jaw,
    "hair": _hair,
}
"""Landmarks to the outlines of a region."""


def _distance(outline: Array, places: Array) -> Array:
    """Distance of places (..., 2) to what an outline (n, 2) encloses; 0 inside."""
    nearest = np.full(places.shape[:-1], np.inf)
    inside = np.zeros(places.shape[:-1], dtype=bool)
    for start, end in zip(outline, np.roll(outline, -1, axis=0), strict=True):
        edge, there = end - start, places - start
        along = np.clip(there @ edge / max(edge @ edge, 1e-12), 0, 1)
        nearest = np.minimum(nearest, np.linalg.norm(there - along[..., None] * edge, axis=-1))
        crosses = (start[1] > places[..., 1]) != (end[1] > places[..., 1])
        # a ray to the right leaves a closed outline as often as it enters it, unless it begins inside
        inside ^= crosses & (there[..., 0] < edge[0] * there[..., 1] / (edge[1] or 1.0))
    return np.where(inside, 0.0, nearest)
