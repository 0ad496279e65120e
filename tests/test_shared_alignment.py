"""FFHQ's own crops, and real photographs of every kind."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from wplus.alignment import Alignment, align, crop, detect, ffhq_quad, restore
from wplus.alignment.warp import side, square
from wplus.core.errors import FaceError
from wplus.core.images import read_photo

SHARED = Path(__file__).parents[2] / "shared"
GOLDEN = SHARED / "golden" / "alignment"
PHOTOS = SHARED / "photos"
NO_FACE = {"assets_grass", "cartoon", "faces_dogs", "starry_night"}

pytestmark = [
    pytest.mark.skipif(not SHARED.is_dir(), reason="needs ../shared"),
    pytest.mark.filterwarnings("error"),
]


def known() -> dict[str, dict[str, object]]:
    path = GOLDEN / "landmarks.json"
    values: dict[str, dict[str, object]] = json.loads(path.read_text()) if path.is_file() else {}
    return values


def photos(folder: str) -> list[Path]:
    return sorted((PHOTOS / folder).glob("*"))


def psnr(a: torch.Tensor, b: torch.Tensor) -> float:
    return float(10 * torch.log10(4 / (a - b).square().mean()))


def golden(name: str) -> tuple[torch.Tensor, Alignment]:
    values = known()[name]
    photo = read_photo(PHOTOS / str(values["file"]))
    points = np.array(values["landmarks"], dtype=np.float64)
    return photo, Alignment.of(points, photo=(photo.shape[2], photo.shape[1]), size=256)


def test_crops_from_golden_landmarks_are_those_of_ffhqs_script() -> None:
    likeness = {}
    for name in known():
        photo, alignment = golden(name)
        likeness[name] = psnr(crop(photo, alignment).picture, read_photo(GOLDEN / f"{name}_256.png"))
    assert len(likeness) == 11
    assert min(likeness.values()) > 45, likeness  # 48.5 to 51.4 dB; the rest is Lanczos against bicubic


@pytest.mark.parametrize("name", sorted(set(known()) - {"obama_roll35"}))
def test_detected_quads_lie_on_the_golden_ones(name: str) -> None:
    photo, alignment = golden(name)
    near = [ffhq_quad(face.landmarks) - alignment.corners for face in detect(photo)]
    assert min(float(np.abs(moved).max()) for moved in near) < 0.03 * side(alignment.corners)


@pytest.mark.parametrize("name", sorted(known()))
def test_an_untouched_golden_crop_goes_back_unseen(name: str) -> None:
    photo, alignment = golden(name)
    result = restore(photo, crop(photo, alignment))
    assert psnr(result, photo) > 32


@pytest.mark.parametrize("path", photos("odd"), ids=lambda path: path.name)
def test_every_odd_file_gives_its_face(path: Path) -> None:
    made = align(path, size=256)
    reference = align(PHOTOS / "wild" / "obama.jpg", size=256)
    if path.stem.startswith("obama_exif"):  # JPEGs of their own: the frames differ a little, the pixels hardly
        assert psnr(crop(read_photo(path), reference.alignment).picture, reference.picture) > 34
    if "roll35" not in path.stem and "tiny" not in path.stem:  # the same frame of the same photograph
        moved = np.abs(made.alignment.corners - reference.alignment.corners).max()
        assert moved < 0.02 * side(reference.alignment.corners)


def test_a_rolled_face_is_framed_as_the_upright_one() -> None:
    (rolled,), (upright,) = (detect(PHOTOS / name) for name in ("odd/obama_roll35.jpg", "wild/obama.jpg"))
    assert rolled.roll - upright.roll == pytest.approx(-35, abs=2)
    assert side(ffhq_quad(rolled.landmarks)) == pytest.approx(side(ffhq_quad(upright.landmarks)), rel=0.04)


@pytest.mark.parametrize("path", [*photos("aligned"), *photos("expressions")], ids=lambda path: path.name)
def test_portraits_hold_one_face(path: Path) -> None:
    (face,) = detect(path)
    if path.stem.startswith("celebahq"):  # cut by five landmarks, hence near this frame and not in it
        moved = ffhq_quad(face.landmarks) - square(np.array([511.5, 511.5]), side=1024)
        assert np.abs(moved).max() < 0.15 * 1024


@pytest.mark.parametrize("path", photos("wild"), ids=lambda path: path.name)
def test_wild_photographs_give_faces_and_landscapes_none(path: Path) -> None:
    assert bool(detect(path)) == (path.stem not in NO_FACE)
    several = {"couple": 2, "data_multiface": 6, "faces_2008_001322": 3, "test_obama_and_biden": 3, "two_people": 2}
    if path.stem in several:
        assert len(detect(path)) == several[path.stem]


def test_a_photograph_without_a_face_is_named() -> None:
    with pytest.raises(FaceError, match=r"no face found in .*starry_night\.jpg"):
        align(PHOTOS / "wild" / "starry_night.jpg", size=64)


@pytest.mark.parametrize("name", ["obama", "angelina_jolie_1", "kit_harington_john1"])
def test_a_real_crop_aligned_again_stays_where_it_is(name: str) -> None:
    made = align(PHOTOS / str(known()[name]["file"]), size=512)
    moved = align(made.picture, size=512).alignment.corners - square(np.array([255.5, 255.5]), side=512)
    assert np.abs(moved).max() < 0.02 * 512
