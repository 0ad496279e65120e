"""Numbers that the landmarks of an aligned face tell: how wide the mouth is, how far the head is turned.

The shape predictor is given the place where aligned faces lie, so that no detector has to look for them: a face takes
2 ms, not 30.
"""

import functools
import math
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

import numpy as np
import torch

from wplus.alignment.landmarks import dlib_landmarks
from wplus.alignment.warp import Array
from wplus.core.images import resized, to_bytes
from wplus.core.shapes import AnyPicture, Picture

BOX = (0.199, 0.297, 0.781, 0.881)
"""Left, top, right, bottom of dlib's box as parts of an FFHQ crop's side: means over training faces."""

SEEN = 256
"""Pixels of the side at which crops are looked at; smaller ones are enlarged."""

MODEL = np.array(
    [[0, 0, 0], [0, 330, 65], [-225, -170, 135], [225, -170, 135], [-150, 150, 125], [150, 150, 125]], dtype=np.float64
)
"""Nose tip, chin, outer corners of the eyes, corners of the mouth of a head, x to the right, y down, z away from us."""

MODEL_POINTS = (30, 8, 36, 45, 48, 54)
"""The landmarks that `MODEL` places."""


def landmarks_of(crop: AnyPicture) -> Array:
    """The 68 landmarks of an aligned face (3, size, size), as parts of its side, from the upper left corner.

    There are landmarks whatever the picture shows; `wplus.alignment.detect` tells whether there is a face.

    Raises:
        WeightsError: the file of dlib's predictor is missing.
        ValueError: the picture is not square.
    """
    if crop.shape[1] != crop.shape[2]:
        raise ValueError(f"an aligned crop is square, got {tuple(crop.shape)}")
    side = max(SEEN, crop.shape[1])
    seen = crop if crop.shape[1] == side else resized(crop, height=side, width=side)
    return _predicted(seen, side)


def _predicted(picture: Picture, side: int) -> Array:
    import dlib

    box = dlib.rectangle(*(round(part * side) for part in BOX))
    found = _predictor()(to_bytes(picture), box)
    return np.array([(point.x + 0.5, point.y + 0.5) for point in found.parts()]) / side


@functools.cache
def _predictor() -> Any:
    """Dlib's regression trees; reading them takes 0.5 s and 100 MB."""
    return dlib_landmarks()._predictor  # type: ignore[attr-defined]


def _span(points: Array, a: int, b: int) -> float:
    return float(np.hypot(*(points[a] - points[b])))


def _eyes(points: Array) -> float:
    """Distance of the outer corners of the eyes: what every length is measured in."""
    return max(_span(points, 36, 45), 1e-6)


def mouth_width(points: Array) -> float:
    """Distance of the corners of the mouth; a smile widens it."""
    return _span(points, 48, 54) / _eyes(points)


def mouth_opening(points: Array) -> float:
    """Distance of the inner lips."""
    return _span(points, 62, 66) / _eyes(points)


def corners_raised(points: Array) -> float:
    """How far the corners of the mouth lie above its middle, along the face's own vertical."""
    down = _down(points)
    middle = points[[51, 57, 62, 66]].mean(0)
    return float((middle - points[[48, 54]].mean(0)) @ down) / _eyes(points)


def eye_opening(points: Array) -> float:
    """Height over width of an eye, mean of both (Soukupova & Cech 2016)."""
    ratios = [
        (_span(points, first + 1, first + 5) + _span(points, first + 2, first + 4))
        / (2 * max(_span(points, first, first + 3), 1e-6))
        for first in (36, 42)
    ]
    return sum(ratios) / 2


def brows_raised(points: Array) -> float:
    """How far the brows lie above the eyes."""
    return float((points[36:48].mean(0) - points[17:27].mean(0)) @ _down(points)) / _eyes(points)


def _down(points: Array) -> Array:
    """The unit vector from between the eyes to the mouth, square to the eye line."""
    across = points[42:48].mean(0) - points[36:42].mean(0)
    down = np.array([-across[1], across[0]])
    unit: Array = down / max(float(np.hypot(*down)), 1e-9)
    return unit


def yaw(points: Array) -> float:
    """Degrees by which the head is turned to the right of the picture.

    Scaled orthographic pose of six points of a mean head (DeMenthon & Davis 1995, "POS").
    """
    seen = points[list(MODEL_POINTS)]
    motion = (seen - seen.mean(0)).T @ np.linalg.pinv((MODEL - MODEL.mean(0)).T)  # (2, 3)
    scale = math.sqrt(abs(np.linalg.norm(motion[0]) * np.linalg.norm(motion[1]))) or 1.0
    forward = -motion[:, 2] / scale  # where the nose points, in the picture's plane
    return math.degrees(math.asin(float(np.clip(forward[0], -1, 1))))


LANDMARK_MEASURES: Mapping[str, Callable[[Array], float]] = MappingProxyType(
    {
        "mouth-width": mouth_width,
        "mouth-opening": mouth_opening,
        "corners-raised": corners_raised,
        "eye-opening": eye_opening,
        "brows-raised": brows_raised,
        "yaw": yaw,
    }
)
"""What landmarks tell, by name."""


def brightness(crop: AnyPicture) -> float:
    """Mean luma of the middle of a crop, in [-1, 1]."""
    part = _middle(crop)
    return float((part.mean(dim=(1, 2)) * torch.tensor([0.299, 0.587, 0.114], device=crop.device)).sum())


def warmth(crop: AnyPicture) -> float:
    """Mean red less mean blue of the middle of a crop."""
    part = _middle(crop)
    return float(part[0].mean() - part[2].mean())


def _middle(crop: AnyPicture) -> AnyPicture:
    quarter = crop.shape[1] // 4
    inside = slice(quarter, -quarter or None)
    return crop[:, inside, inside]


COLOUR_MEASURES: Mapping[str, Callable[[AnyPicture], float]] = MappingProxyType(
    {"brightness": brightness, "warmth": warmth}
)
"""What a crop's colours tell, by name."""

MEASURES = (*LANDMARK_MEASURES, *COLOUR_MEASURES)


def measure(crop: AnyPicture, names: Sequence[str] = MEASURES) -> dict[str, float]:
    """Measures of an aligned face by name.

    Raises:
        ValueError: no measure has such a name.
    """
    unknown = [name for name in names if name not in MEASURES]
    if unknown:
        raise ValueError(f"no measure is named {unknown[0]}; they are {', '.join(MEASURES)}")
    points = landmarks_of(crop) if any(name in LANDMARK_MEASURES for name in names) else np.zeros((68, 2))
    return {
        name: LANDMARK_MEASURES[name](points) if name in LANDMARK_MEASURES else COLOUR_MEASURES[name](crop)
        for name in names
    }
