"""A region of one face laid where another's lies."""

import numpy as np
import pytest
from skimage import data

from wplus.alignment import Alignment, align, crop, detect
from wplus.alignment.fit import FRAMES, fitted
from wplus.alignment.regions import in_crop
from wplus.alignment.warp import square
from wplus.core.images import from_bytes


@pytest.fixture(scope="module")
def face():
    """NASA's portrait, its face, and its aligned crop."""
    photo = from_bytes(data.astronaut())
    found = detect(photo)[0]
    return photo, found, align(photo, size=128, face=found)


@pytest.mark.parametrize("region", FRAMES)
def test_the_same_face_cut_out_otherwise_comes_to_lie_upon_itself(face, region):
    photo, found, straight = face
    middle = straight.alignment.corners.mean(0) + np.array([9, -14])
    quad = square(middle, side=0.8 * 172, degrees=17)
    askew = Alignment(tuple(map(tuple, quad.tolist())), straight.alignment.photo, 128)
    ours, theirs = (in_crop(found, alignment) for alignment in (straight.alignment, askew))
    assert np.abs(ours - theirs).max() > 0.1
    alignment, landmarks = fitted(askew, theirs, ours, region)
    assert np.allclose(alignment.corners, straight.alignment.corners, atol=1e-6)
    assert np.allclose(landmarks, ours, atol=1e-9)
    assert np.allclose(crop(photo, alignment).picture, straight.picture, atol=2 / 255)


def test_a_wide_mouth_of_a_broad_face_is_made_smaller_but_stays_wide(face):
    _, found, straight = face
    ours = in_crop(found, straight.alignment)
    broad = (ours - ours.mean(0)) * (1.4, 1.0) + ours.mean(0)
    broad[48:68] = (broad[48:68] - broad[48:68].mean(0)) * (1.3, 1.0) + broad[48:68].mean(0) + (0.05, 0.02)
    _, landmarks = fitted(straight.alignment, broad, ours, "mouth")
    width = [np.ptp(points[48:60, 0]) for points in (ours, landmarks, broad)]
    assert width[0] < width[1] < width[2]
    assert np.allclose(landmarks[48:60].mean(0), ours[48:60].mean(0))
