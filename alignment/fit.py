"""A region of one face laid where another's lies: the square of its photograph in which the two faces fit."""

from dataclasses import replace

import numpy as np

from wplus.alignment.ffhq import Alignment, as_corners
from wplus.alignment.warp import Array, apply, inverse, to_picture

_JAW, _BRIDGE, _EYES, _LIPS = [*range(2, 15)], [27, 28, 29, 30, 33], [*range(36, 48)], [*range(48, 60)]

FRAMES: dict[str, tuple[list[int], list[int]]] = {
    "mouth": ([*_JAW, *_BRIDGE, *_EYES], _LIPS),
    "eyes": ([36, 39, 42, 45], _EYES),
    "brows": ([36, 39, 42, 45], [*range(17, 27)]),
    "nose": ([*_BRIDGE, 36, 39, 42, 45], [27, 30, 31, 33, 35]),
    "jaw": ([0, 16, *_EYES], [*range(3, 14)]),
    "hair": ([0, 16, *_BRIDGE, *_EYES], [0, 16, 27]),
}
"""By region: landmarks whose likeness of shape gives size and slant, and those whose middle gives the place.

A mouth is as large for its face as it was: a grin that filled a broad jaw is made smaller for a narrow one, but a
smile stays wider than the closed mouth that it takes the place of.
"""


def fitted(alignment: Alignment, theirs: Array, ours: Array, region: str) -> tuple[Alignment, Array]:
    """Where to cut another face's photograph so that a region of it lies where ours does.

    Args:
        alignment: of the other face's crop.
        theirs, ours: landmarks (68, 2) of both, as parts of their crops' sides.
        region: one of `FRAMES`.

    Returns:
        The alignment, and the other face's landmarks in the new crop.
    """
    from skimage.transform import estimate_transform  # here, not above: it loads half of scikit-image

    frame, middle = FRAMES[region]
    moved = np.asarray(estimate_transform("similarity", theirs[frame], ours[frame]).params)[:2]
    moved[:, 2] += ours[middle].mean(0) - apply(moved, theirs[middle]).mean(0)
    corners = np.array([(0, 0), (0, 1), (1, 1), (1, 0)], dtype=np.float64)
    quad = apply(to_picture(alignment.corners, size=1), apply(inverse(moved), corners) - 0.5)
    return replace(alignment, quad=as_corners(quad)), apply(moved, theirs)
