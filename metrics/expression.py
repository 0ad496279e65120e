"""How wide a mouth and how open eyes are, from 68 landmarks, in units that do not depend on the picture's size."""

import numpy as np

from wplus.alignment import Face


def _distance(face: Face, a: int, b: int) -> float:
    return float(np.linalg.norm(face.landmarks[a] - face.landmarks[b]))


def _eyes(face: Face) -> float:
    """Distance of the outer corners of the eyes."""
    return _distance(face, 36, 45)


def mouth_width(face: Face) -> float:
    """Distance of the corners of the mouth over that of the outer corners of the eyes; a smile widens it."""
    return _distance(face, 48, 54) / _eyes(face)


def mouth_opening(face: Face) -> float:
    """Distance of the inner lips over that of the outer corners of the eyes."""
    return _distance(face, 62, 66) / _eyes(face)


def eye_opening(face: Face) -> float:
    """Height over width of an eye, mean of both (Soukupova & Cech 2016); 0 is closed, surprise raises it."""
    ratios = [
        (_distance(face, first + 1, first + 5) + _distance(face, first + 2, first + 4))
        / (2 * _distance(face, first, first + 3))
        for first in (36, 42)
    ]
    return sum(ratios) / 2
