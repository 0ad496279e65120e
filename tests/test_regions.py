"""Named regions of a face, masks between photograph and crop, and regions put back."""

import numpy as np
import pytest
import skimage.data
import torch
from torch.nn import functional

from wplus.alignment import Crop, align, detect, restore
from wplus.alignment.local import crop_mask, grown, restore_region, toned
from wplus.alignment.parts import rectangle
from wplus.alignment.regions import REGIONS, in_crop, region
from wplus.core.errors import FaceError
from wplus.core.images import from_bytes
from wplus.editing.pooling import share


@pytest.fixture(scope="module")
def photo():
    return from_bytes(skimage.data.astronaut())[:, :320, 60:400].contiguous()


@pytest.fixture(scope="module")
def crop(photo):
    return align(photo, size=256)


@pytest.fixture(scope="module")
def landmarks(photo, crop):
    return in_crop(detect(photo)[0], crop.alignment)


def at(mask, place):
    """The mask's weight at a place given in parts of its side."""
    x, y = (min(int(value * len(mask)), len(mask) - 1) for value in place)
    return float(mask[y, x])


def test_landmarks_in_the_crop_lie_where_ffhq_puts_a_face(landmarks):
    eyes, mouth = landmarks[36:48].mean(0), landmarks[[48, 54]].mean(0)
    assert abs(eyes[0] - 0.5) < 0.06
    assert 0.4 < eyes[1] < 0.5 < 0.65 < mouth[1] < 0.8


@pytest.mark.parametrize(
    ("name", "inside", "outside"),
    [
        ("eyes", (37, 40, 43, 46), (27, 30, 57, 8)),
        ("brows", (19, 24), (30, 57, 8)),
        ("nose", (28, 30, 33), (37, 46, 57, 8)),
        ("mouth", (48, 51, 54, 57, 62), (30, 37, 8)),
        ("jaw", (8, 5, 11, 57), (30, 37, 62)),
    ],
)
def test_a_region_holds_its_landmarks_and_no_others(landmarks, name, inside, outside):
    mask = region(landmarks, name, size=256)
    assert (mask.min(), mask.max()) == (0, 1)
    assert all(at(mask, landmarks[index]) > 0.99 for index in inside)
    assert all(at(mask, landmarks[index]) < 0.3 for index in outside)


def test_the_hair_band_lies_above_the_forehead(landmarks):
    mask = region(landmarks, "hair", size=256)
    brows, up = landmarks[17:27].mean(0), landmarks[27] - landmarks[8]
    assert at(mask, brows) == 0
    assert at(mask, brows + 0.75 * up) > 0.99
    assert at(mask, landmarks[30]) == 0


@pytest.mark.parametrize("name", REGIONS)
def test_a_region_is_the_same_at_every_size(landmarks, name):
    small, large = region(landmarks, name, size=32), region(landmarks, name, size=256)
    assert float((share(large, 32, 32) - small).abs().max()) < 0.15
    assert float((share(large, 32, 32) - small).abs().mean()) < 0.01


def test_a_region_turns_with_its_face(landmarks):
    turned = landmarks @ np.array([[0.0, 1.0], [-1.0, 0.0]]) + [1, 0]  # a quarter to the right
    for name in REGIONS:
        upright = region(landmarks, name, size=64)
        assert torch.allclose(region(turned, name, size=64), upright.rot90(-1), atol=1e-5), name


def test_softness_is_the_width_of_the_edge(landmarks):
    hard, soft = (region(landmarks, "mouth", size=256, softness=width) for width in (0.004, 0.2))
    assert torch.equal(soft[hard == 1], hard[hard == 1])
    assert ((hard > 0) & (hard < 1)).sum() < 400 < 5000 < ((soft > 0) & (soft < 1)).sum()
    for wrong in (0, -1, float("nan")):
        with pytest.raises(ValueError, match="softness must be positive"):
            region(landmarks, "mouth", size=8, softness=wrong)
    with pytest.raises(ValueError, match="no region is named chin; they are eyes, brows"):
        region(landmarks, "chin", size=8)


def test_a_region_outside_the_frame_is_empty(landmarks):
    assert region(landmarks + 3, "mouth", size=16).max() == 0


def test_a_mask_of_a_photograph_lies_in_the_crop_where_the_picture_does(photo, crop):
    mask = (photo.mean(dim=0) + 1) / 2
    seen = crop_mask(mask, crop.alignment)
    assert float((seen - (crop.picture.mean(dim=0) + 1) / 2).abs().max()) < 0.02
    with pytest.raises(FaceError, match="give that photograph"):
        crop_mask(mask[1:], crop.alignment)


def test_a_grown_mask_keeps_what_it_had_and_fades():
    mask = rectangle(0.25, 0.25, 0.75, 0.75, size=64)
    wider = grown(mask, width=0.125)
    assert torch.equal(wider[mask > 0], mask[mask > 0])
    row = wider[32, 48:56]
    assert bool((row.diff() < 0).all())
    assert row[-1] == 0
    assert wider[0].max() == 0


def edges(picture, alignment, change=0.0):
    """A crop of the picture as a generator shows it: less sharp, and changed."""
    return Crop((functional.avg_pool2d(picture, 8) + change).clamp(-1, 1), alignment)


def test_a_region_put_back_leaves_the_rest_bit_for_bit(photo, crop, landmarks):
    mask = region(landmarks, "mouth", size=128)
    stripes = torch.ones(256).index_fill(0, torch.arange(0, 256, 4), -1.0).expand(3, 256, 256)
    result = restore_region(photo, crop, Crop(stripes, crop.alignment), mask)
    changed = (result != photo).any(dim=0)
    x, y = detect(photo)[0].landmarks[48:60].mean(0).round().astype(int)
    assert changed[y - 4 : y + 5, x - 10 : x + 11].all()
    wider = grown(mask).expand(3, -1, -1) * 2 - 1
    assert not changed[restore(torch.full_like(photo, -1.0), wider, crop.alignment)[0] < -0.999].any()


def test_no_edit_changes_nothing_however_little_the_generator_shows(photo, crop, landmarks):
    mask, shown = region(landmarks, "eyes", size=256), edges(crop.picture, crop.alignment)
    untouched = restore_region(photo, shown, shown, 0 * mask)
    assert torch.equal(untouched, photo)
    half, whole = (float((restore_region(photo, shown, shown, t * mask) - photo).square().mean()) for t in (0.5, 1))
    assert 0 < half < 0.3 * whole


def test_a_region_takes_the_tone_of_what_is_around_it():
    mask = torch.zeros(64, 64)
    mask[24:40, 24:40] = 1
    torch.manual_seed(0)
    around = 0.1 * torch.rand(3, 64, 64)
    feature = torch.zeros(3, 64, 64)
    feature[:, 30:34, 30:34] = 0.5
    dark = around - torch.tensor([0.2, 0.3, 0.1])[:, None, None] + feature
    assert torch.allclose(toned(dark, around, mask)[:, 24:40, 24:40], (around + feature)[:, 24:40, 24:40], atol=0.01)
    assert torch.equal(toned(around, around, mask), around)
    assert torch.equal(toned(dark, around, torch.ones(1, 1)), dark.clamp(-1, 1))  # nothing is known about it
