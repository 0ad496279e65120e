"""Whether two pictures show the same person, by dlib's face descriptor (King 2017, dlib.net; 99.4 % on LFW)."""

import functools
from typing import Any

import numpy as np
from torch.nn import functional

from wplus.alignment import Face, detect
from wplus.core.images import to_bytes
from wplus.core.shapes import Picture, Resized
from wplus.models.identity import identity_file

SAME_PERSON = 0.6
"""dlib's threshold: a smaller distance is taken for the same person."""

SEEN_SIZE = 256
"""Smaller pictures are enlarged to this many pixels, so that landmarks and descriptor have something to look at."""


def identity(picture: Picture) -> np.ndarray | None:
    """Dlib's descriptor of the largest face, float64 (128,), or None where no face is found.

    Raises:
        WeightsError: dlib's network is not installed.
    """
    shown = enlarged(picture)
    faces = detect(shown)
    return _describe(shown, faces[0]) if faces else None


def identity_distance(a: Picture, b: Resized) -> float | None:
    """Euclidean distance of two pictures' descriptors, 0 to about 1.2; None where either shows no face."""
    first, second = identity(a), identity(b)
    if first is None or second is None:
        return None
    return float(np.linalg.norm(first - second))


def enlarged(picture: Picture) -> Resized:
    """A picture of at least `SEEN_SIZE` pixels a side, by bicubic interpolation."""
    shorter = min(picture.shape[1:])
    if shorter >= SEEN_SIZE:
        return picture
    scale = SEEN_SIZE / shorter
    shown = functional.interpolate(picture[None], scale_factor=scale, mode="bicubic")[0]
    return shown.clamp(-1, 1)


def _describe(picture: Picture, face: Face) -> np.ndarray:
    import dlib  # here, not above: it is large, and few need it

    box = dlib.rectangle(*(round(value) for value in face.box))
    points = [dlib.point(round(x), round(y)) for x, y in face.landmarks.tolist()]
    shape = dlib.full_object_detection(box, points)
    return np.array(_network().compute_face_descriptor(to_bytes(picture), shape))


@functools.cache
def _network() -> Any:
    """The process's one copy of dlib's ResNet."""
    import dlib

    return dlib.face_recognition_model_v1(str(identity_file()))
