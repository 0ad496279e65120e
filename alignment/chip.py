"""Where dlib's identity network looks at a face: the square in which its landmarks fit a mean face best (dlib.net)."""

import math

import numpy as np

from wplus.alignment.landmarks import Face
from wplus.alignment.warp import Array, square

_FINE = 64  # dlib's points are whole numbers: it is shown the face this much larger


def chip_quad(face: Face, *, size: int = 150, padding: float = 0.25) -> Array:
    """The square of a face that dlib's `get_face_chip` cuts out of a picture.

    Args:
        face: its landmarks count.
        size: pixels of the chip's side.
        padding: what stands about the mean face, as a part of it.

    Returns:
        Corners, float64 (4, 2): top left, bottom left, bottom right, top right, in the picture's pixels.
    """
    import dlib  # here, not above: it loads 20 MB

    points = [dlib.point(round(x), round(y)) for x, y in (face.landmarks * _FINE).tolist()]
    box = dlib.rectangle(*(round(value * _FINE) for value in face.box))
    chip = dlib.get_face_chip_details(dlib.full_object_detection(box, points), size, padding)
    low, high = np.array([chip.rect.left(), chip.rect.top()]), np.array([chip.rect.right(), chip.rect.bottom()])
    across = float(high[0] - low[0] + 1) / _FINE - 1  # dlib counts pixels from edge to edge, then from centre to centre
    return square((low + high) / (2 * _FINE), side=across * size / (size - 1), degrees=math.degrees(chip.angle))
