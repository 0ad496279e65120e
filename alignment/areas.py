"""Areas of an aligned face that an edit may touch, as soft masks from its 68 landmarks; wider than its regions."""

from collections.abc import Callable

import numpy as np
import scipy
import torch
from skimage.draw import polygon2mask

from wplus.alignment.warp import Array
from wplus.core.shapes import Mask

SOFTNESS = 0.025
"""Standard deviation of an area's soft edge, as a part of the crop's side."""


def area(landmarks: Array, name: str, *, size: int) -> Mask:
    """One of the `AREAS` of a face: 1 inside, falling to 0 about its edge.

    Args:
        landmarks: (68, 2) as parts of the crop's side, as `in_crop` and `landmarks_of` give them.
        name: of the area.
        size: pixels of the mask's side.

    Raises:
        ValueError: no area has that name.
    """
    if name not in AREAS:
        raise ValueError(f"no area is named {name}; they are {', '.join(AREAS)}")
    weights = scipy.ndimage.gaussian_filter(AREAS[name](landmarks, size), SOFTNESS * size, mode="nearest")
    return torch.from_numpy(np.clip(weights, 0, 1)).float()


def _filled(outline: Array, size: int) -> Array:
    """1 inside an outline (n, 2) of points x, y as parts of the side."""
    corners = outline[:, ::-1] * size - 0.5
    inside: Array = polygon2mask((size, size), corners).astype(np.float64)
    return inside


def _face_outline(landmarks: Array, *, wide: float = 1.0, high: float = 0.75) -> Array:
    """The jaw, and half an ellipse over the forehead; grown about the middle of the face."""
    left, right, chin = landmarks[0], landmarks[16], landmarks[8]
    middle, across = (left + right) / 2, (right - left) / 2
    up = middle - chin
    turns = np.linspace(0, np.pi, 25)[1:-1, None]
    forehead = middle + np.cos(turns) * across + high * np.sin(turns) * up
    outline = np.concatenate([landmarks[:17], forehead])
    centre = landmarks[27:31].mean(0)
    grown: Array = centre + wide * (outline - centre)
    return grown


def _face(landmarks: Array, size: int) -> Array:
    return _filled(_face_outline(landmarks, wide=1.08), size)


def _lower(landmarks: Array, size: int) -> Array:
    """Below the eyes: a smile moves cheeks and chin, too."""
    cheeks = landmarks[[1, *range(2, 15), 15]]
    eyes = (landmarks[[41, 46]] + landmarks[[40, 47]]) / 2
    outline = np.concatenate([cheeks, eyes[::-1]])
    centre = landmarks[[33, 51]].mean(0)
    return _filled(centre + 1.05 * (outline - centre), size)


def _upper(landmarks: Array, size: int) -> Array:
    """Brows, eyes and the bridge of the nose from temple to temple: where glasses sit."""
    down = landmarks[8] - landmarks[27]
    brows = landmarks[[0, *range(17, 27), 16]] - np.array([[0.0]] + [[0.12]] * 10 + [[0.0]]) * down
    below = np.stack([landmarks[15], landmarks[46] + 0.3 * down, landmarks[29], landmarks[41] + 0.3 * down])
    return _filled(np.concatenate([brows, below, landmarks[[1]]]), size)


def _hair(landmarks: Array, size: int) -> Array:
    """All about the face's inside, as far as the head reaches and hair falls."""
    inner = _filled(_face_outline(landmarks, wide=0.92, high=0.55), size)
    left, right, chin = landmarks[0], landmarks[16], landmarks[8]
    middle, across = (left + right) / 2, (right - left) / 2
    up = middle - chin
    turns = np.linspace(0, 2 * np.pi, 49)[:-1, None]
    outer = middle + 1.6 * np.cos(turns) * across + 1.35 * np.sin(turns) * up
    return _filled(outer, size) * (1 - inner)


def _head(landmarks: Array, size: int) -> Array:
    """Face and hair."""
    return np.maximum(_hair(landmarks, size), _face(landmarks, size))


AREAS: dict[str, Callable[[Array, int], Array]] = {
    "face": _face,
    "lower-face": _lower,
    "upper-face": _upper,
    "hair": _hair,
    "head": _head,
}
"""Landmarks and the side in pixels to weights (size, size)."""
