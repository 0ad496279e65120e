"""wplus edit and wplus directions as users meet them, on the generator that ships and directions made for the test."""

import subprocess
import sys
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from skimage import data

import wplus as package
from wplus.core import DirectionError, FaceError
from wplus.core.direction import load_directions, save_directions
from wplus.core.photograph import Photograph, open_photograph
from wplus.editing.directions import direction, ganspace
from wplus.models import load_generator
from wplus.pipelines.directions import known_directions
from wplus.pipelines.edit import SHIPPED, Nearness, allowed, choose, edit_faces, move, subject

SCRIPT = Path(sys.executable).parent / "wplus"


@pytest.fixture(scope="module")
def generator():
    return load_generator(SHIPPED)


@pytest.fixture(scope="module")
def portrait(tmp_path_factory):
    path = tmp_path_factory.mktemp("photos") / "astronaut.png"
    Image.fromarray(data.astronaut()).save(path)
    return path


@pytest.fixture(scope="module")
def file(tmp_path_factory, generator):
    """Two directions: the widest axis of W, which may act anywhere, and the next one on the lower face."""
    path = tmp_path_factory.mktemp("directions") / "directions.safetensors"
    wide, next_one = ganspace(generator, count=2, samples=2000)
    names = (("smile", "lower-face", next_one), ("age", None, wide))
    save_directions(
        path,
        [
            direction(item.rows, generator, name=name, method="ganspace", region=region, leaks={"yaw": 0.5})
            for name, region, item in names
        ],
    )
    return path


@pytest.fixture(scope="module")
def person(portrait, generator):
    return subject(open_photograph(portrait), generator, nearness=Nearness(steps=3))


def size_of(path):
    with Image.open(path) as picture:
        return picture.size


def shown(*words):
    found = subprocess.run([SCRIPT, *map(str, words)], capture_output=True, text=True, check=False)
    return found.returncode, found.stdout, found.stderr


def test_a_strength_of_zero_gives_the_photograph_bit_for_bit(person, generator, file):
    known = load_directions(file)
    assert move(person, generator, choose(known, {"smile": 0.0})) is person.photo


def test_an_edit_changes_the_face_and_leaves_the_rest_bit_for_bit(person, generator, file):
    edited = move(person, generator, choose(load_directions(file), {"smile": 2.0}))
    before, after = person.photo.picture, edited.picture
    changed = (before != after).any(dim=0).nonzero()
    assert len(changed)
    left, top = np.min(person.alignment.corners, axis=0)
    right, bottom = np.max(person.alignment.corners, axis=0)
    assert changed[:, 0].min() >= top and changed[:, 0].max() <= bottom
    assert changed[:, 1].min() >= left and changed[:, 1].max() <= right
    assert edited.mark.edit == "smile +2"


def test_a_direction_of_an_area_changes_no_more_than_that_area(person, file):
    known = load_directions(file)
    mask = allowed(person.landmarks, choose(known, {"smile": 1.0}))
    assert mask is not None and 0.02 < float(mask.mean()) < 0.4
    assert allowed(person.landmarks, choose(known, {"smile": 1.0, "age": 1.0})) is None


def test_codes_near_w_cost_little_likeness_and_stay_nearer(portrait, generator):
    photo = open_photograph(portrait)
    spread = []
    for offsets in (0.0, 10.0):
        ws = subject(photo, generator, nearness=Nearness(steps=8, offsets=offsets)).latent.ws
        spread.append(float((ws - ws.mean(dim=1, keepdim=True)).square().sum(dim=2).mean().sqrt()))
    assert spread[1] < spread[0]


def test_the_front_door_takes_arrays_and_names(generator, file, monkeypatch):
    known = load_directions(file)
    module = sys.modules["wplus.pipelines.edit"]
    monkeypatch.setattr(module, "_near_w", lambda *_: generator.sample(0))
    edited = package.edit(data.astronaut(), generator=generator, directions=known, smile=1.0)
    assert isinstance(edited, Photograph) and edited.picture.shape == (3, 512, 512)
    with pytest.raises(DirectionError, match="no direction is named 'smil'; did you mean 'smile'"):
        package.edit(data.astronaut(), generator=generator, directions=known, smil=1.0)


def test_every_face_can_be_edited(generator, file, monkeypatch):
    module = sys.modules["wplus.pipelines.edit"]
    monkeypatch.setattr(module, "_near_w", lambda *_: generator.sample(0))
    two = np.concatenate([data.astronaut(), data.astronaut()], axis=1)
    photo = module.as_photograph(two)
    moves = choose(load_directions(file), {"smile": 2.0})
    edited = edit_faces(photo, generator, moves, face=None)
    changed = (edited.picture != photo.picture).any(dim=0)
    assert changed[:, :512].any() and changed[:, 512:].any()


def test_directions_of_another_generator_are_refused_and_those_of_a_parent_taken(generator, mini, file, tmp_path):
    with pytest.raises(DirectionError, match=r"directions of generator faces-64w \(\w+\), not of mini"):
        known_directions(mini, file)
    from dataclasses import replace

    child = load_generator("faces-64")
    child.fingerprint = "c" * 16
    child.card = replace(child.card, parent=generator.fingerprint)
    known = known_directions(child, file)
    assert (child.sample(0) + known["smile"]).origin.edit == "smile +1"


def test_the_command_edits_a_photograph_and_says_where(portrait, file, tmp_path):
    out = tmp_path / "edited.jpg"
    words = ("edit", portrait, "--smile", "1", "--steps", "2", "--directions", file, "-o", out)
    assert shown(*words) == (0, f"{out}\n", "")
    assert size_of(out) == (512, 512)


def test_a_sheet_shows_five_strengths_and_a_folder_keeps_names(portrait, file, tmp_path):
    out = tmp_path / "sheet.png"
    words = ("--steps", "2", "--directions", file, "--say", "smiling")
    assert shown("edit", portrait, "--sheet", *words, "-o", out)[0] == 0
    assert size_of(out) == (5 * 512, 512)
    code, said, _ = shown("edit", portrait.parent, *words, "-o", tmp_path / "all")
    assert (code, said) == (0, f"{tmp_path / 'all'}: 1 done of 1\n")
    assert size_of(tmp_path / "all" / "astronaut.jpg") == (512, 512)


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (("x.jpg", "--smil", "1"), 1, "wplus: no direction is named 'smil'; did you mean 'smile'?"),
        (
            ("x.jpg", "--smile"),
            2,
            "wplus: --smile is no option, and as a direction it needs a strength, for instance --smile 0.8;"
            " see `wplus edit --help`",
        ),
        (("x.jpg", "--smile", "1"), 1, "wplus: x.jpg: no such file; check the name"),
        (
            ("x.jpg",),
            2,
            "wplus: say what to change, for instance --smile 0.8; --list lists the directions; see `wplus edit --help`",
        ),
        (("--smile", "1"), 2, "wplus: give a photograph, or --list; see `wplus edit --help`"),
        (("x.jpg", "--say", "smilling"), 1, "wplus: 'smilling' says nothing known; did you mean 'smiling'?"),
        (
            ("x.jpg", "--smile", "1", "--face", "first"),
            2,
            "wplus: --face first: expected a number, or all; see `wplus edit --help`",
        ),
    ],
)
def test_mistakes_are_told_in_one_line(wplus, file, words, code, message):
    assert wplus("edit", *words, "--directions", file) == (code, "", f"{message}\n")


def test_directions_are_listed_shown_and_compared(wplus, file):
    assert wplus("edit", "--list", "--directions", file) == (
        0,
        "name   a strength of 1         leaks into\n"
        "smile  one standard deviation  yaw +0.50\n"
        "age    one standard deviation  yaw +0.50\n",
        "",
    )
    code, said, _ = wplus("directions", "show", "smile", "--directions", file)
    assert code == 0 and "acts on          lower-face" in said
    code, said, _ = wplus("directions", "compare", file, file)
    assert code == 0 and said.replace("-0.00", "0.00").splitlines()[1].split() == ["smile", "1.00", "0.00"]


def test_components_are_found_by_one_command(wplus, tmp_path):
    out = tmp_path / "found.safetensors"
    code, said, _ = wplus("directions", "find", "--method", "sefa", "--components", "3", "--layers", "0-3", "-o", out)
    assert code == 0 and said.splitlines()[-1] == str(out)
    found = load_directions(out)
    assert list(found) == ["sefa-0", "sefa-1", "sefa-2"] and found["sefa-0"].layers == (0, 1, 2, 3)
    assert wplus("directions", "find", "-o", out)[2] == (
        "wplus: labels of photographs need --faces and --labels; see `wplus directions find --help`\n"
    )


def test_labels_of_three_forms_are_read_alike(tmp_path):
    from wplus.core import TrainingError
    from wplus.training.labels import read_labels, values_of

    np.savez(tmp_path / "a.npz", path=["x.png"], names=["Smiling"], labels=np.array([[1]], np.uint8))
    (tmp_path / "b.csv").write_text("file,age,words\ny.png,31,old\n")
    (tmp_path / "c.txt").write_text("1\nSmiling Male\nz.png -1  1\n")
    found = read_labels([tmp_path / "a.npz", tmp_path / "b.csv", tmp_path / "c.txt"])
    assert found == {"Smiling": {"x.png": 1.0, "z.png": 0.0}, "age": {"y.png": 31.0}, "Male": {"z.png": 1.0}}
    values = values_of(found, ["z.png", "y.png"])
    assert values["Smiling"][0] == 0 and np.isnan(values["Smiling"][1])
    (tmp_path / "d.txt").write_text("not a table")
    with pytest.raises(TrainingError, match=r"d\.txt: not a table of labels"):
        read_labels([tmp_path / "d.txt"])


def test_directions_of_labelled_faces_are_found_and_keep_what_is_held(mini):
    from wplus.training.directions import Evidence, Recipe, find

    draw = torch.Generator().manual_seed(0)
    codes = torch.randn(3000, mini.w_dim, generator=draw)
    smiling, male = (codes @ torch.randn(mini.w_dim, generator=draw) for _ in range(2))
    smiling = smiling + 0.5 * male
    values = {"Smiling": (smiling > 0).double().numpy(), "Male": (male > 0).double().numpy()}
    found = find(mini, Evidence(codes, values), [Recipe("smile", ("Smiling",), "unit")])[0]
    assert found.about.details["held"] == ["Male"]
    moved = found.rows[0]
    change = [float(torch.tensor(np.cov(np.c_[codes @ moved, x], rowvar=False))[0, 1]) for x in (smiling, male)]
    assert abs(change[1]) < 0.1 * change[0]


def test_a_folder_of_edits_keeps_the_photographs_that_lie_in_it(portrait, file, tmp_path):
    (tmp_path / "out").mkdir()
    mine = tmp_path / "out" / "astronaut.jpg"
    mine.write_bytes(b"another photograph of that name")
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "astronaut.png").write_bytes(portrait.read_bytes())
    words = ("edit", tmp_path / "in", "--smile", "1", "--steps", "2", "--directions", file, "-o", tmp_path / "out")
    subprocess.run([SCRIPT, *map(str, words)], check=True, capture_output=True)
    assert mine.read_bytes() == b"another photograph of that name"
    assert (tmp_path / "out" / "astronaut-2.jpg").exists()


def test_two_photographs_morph_inside_the_first(portrait, tmp_path, monkeypatch, wplus):
    Image.fromarray(np.ascontiguousarray(data.astronaut()[:, ::-1])).save(tmp_path / "other.png")
    out = tmp_path / "morph.webp"
    monkeypatch.setattr("wplus.cli.morph.subject", partial(subject, nearness=Nearness(steps=5)))
    assert wplus("morph", portrait, tmp_path / "other.png", "-o", out, "--inside", "--frames", 3) == (0, f"{out}\n", "")
    assert open_photograph(out).mark.edit == "morph of two faces"
    with Image.open(out) as animation:
        assert (animation.n_frames, animation.size) == (3, (512, 512))
        frames = [np.asarray(animation.convert("RGB")).astype(int) for _ in range(3) if not animation.seek(_)]
    same = np.abs(frames[0] - data.astronaut()).mean(axis=2)
    moved = np.abs(frames[2] - frames[0]).mean(axis=2)
    assert same.mean() < 3  # WebP's loss
    assert moved[60:180, 180:270].mean() > 10 > 2 > moved[300:].mean()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("a.jpg", "b.safetensors"), "give two photographs, or two latents with or without --photos"),
        (("a.safetensors", "b.safetensors", "--inside"), "--inside needs photographs: give two, or --photos with"),
    ],
)
def test_morphs_of_nothing_fitting_are_told(wplus, tmp_path, words, message):
    for name in words[:2]:
        (tmp_path / name).touch()
    code, out, err = wplus("morph", *(tmp_path / name for name in words[:2]), *words[2:], "-o", tmp_path / "m.gif")
    assert (code, out) == (2, "")
    assert message in err


def test_codes_of_another_photograph_are_refused(person, generator):
    flipped = Photograph(person.photo.picture.flip(1))
    with pytest.raises(FaceError, match="does not look like the face in this photograph"):
        subject(flipped, generator, latent=person.latent)


def test_an_edit_goes_into_another_photograph_of_the_person(person, generator, file, portrait, tmp_path, wplus):
    smiling = person.latent + known_directions(generator, file)["smile"]
    smiling.save(tmp_path / "smiling.safetensors")
    cut = data.astronaut()[20:300, 60:420]
    Image.fromarray(cut).save(tmp_path / "cut.png")
    words = ("restore", tmp_path / "cut.png", tmp_path / "smiling.safetensors", "-o", tmp_path / "edited.png")
    code, _, err = wplus(*words)
    assert code == 1
    assert "the crop is of a photograph of 512 x 512, this one is 360 x 280" in err
    assert wplus(*words, "--fit")[0] == 0
    with Image.open(tmp_path / "edited.png") as picture:
        changed = (np.asarray(picture) != cut).any(axis=2)
    assert changed[60:160, 120:210].mean() > 0.3 > 0.05 > changed[240:].mean()


def test_without_a_mark_a_file_says_what_it_said(portrait, file, tmp_path):
    out = tmp_path / "edited.png"
    words = ("edit", portrait, "--smile", "1", "--steps", "2", "--directions", file, "-o", out)
    assert shown(*words)[0] == 0
    assert open_photograph(out).mark.edit == "smile +1"
    assert shown(*words, "--no-mark")[0] == 0
    assert open_photograph(out).mark is None


def test_the_whole_face_can_be_pasted(person, generator, file):
    moves = choose(known_directions(generator, file), {"smile": 1.0})
    carried, pasted = (move(person, generator, moves, paste=paste).picture for paste in ("change", "face"))
    fine = [float(picture[:, 80:150, 190:260].diff(dim=2).square().mean()) for picture in (carried, pasted)]
    assert fine[1] < 0.5 * fine[0]  # 64 px are all that a pasted face has
    assert torch.equal(carried[:, 400:], pasted[:, 400:])
