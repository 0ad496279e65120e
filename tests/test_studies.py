"""Studies: the bench and what it keeps, rows that read back, conclusions from known rows, and the report."""

import inspect
import json
import re
from dataclasses import replace

import numpy as np
import pytest
import torch

from wplus.alignment import as_crop
from wplus.core import FaceError, ImageError
from wplus.core.images import from_bytes, resized, write_picture
from wplus.core.sheets import Sheet, drawn
from wplus.inversion import Given, Mean
from wplus.models import Generator, load_perceptual
from wplus.models.architectures import build
from wplus.optimisation import Adam, Objective, Pixel, Settings
from wplus.studies import (
    STUDIES,
    bench,
    classes,
    defects,
    iterations,
    objective,
    reembed,
    report,
    robustness,
    spaces,
    start,
)
from wplus.studies.bench import Bench, stacked
from wplus.studies.photos import Photo, middle, read_photos
from wplus.studies.plots import bars, panels, svg, write_png
from wplus.studies.protocol import Study
from wplus.studies.report import cell, write_report
from wplus.studies.rows import by_domain, distinct, interval, mean, numbers, read_rows, short, where, write_rows
from wplus.studies.run import about, run_study, study_named
from wplus.studies.sheets import by_class
from wplus.studies.store import Store
from wplus.studies.study import Finding, Table

MINE = ("classes", "start", "robustness", "defects", "spaces", "objective", "iterations", "reembed")


def photo_of(picture, name, kind, *, face):
    return Photo(name, kind, as_crop(picture, size=picture.shape[1]), face)


@pytest.fixture(scope="module")
def centred(mini):
    """The same with the mean code that its weights have."""
    weights = {name: tensor for name, tensor in mini.network.state_dict().items() if name != "mapping.w_avg"}
    return Generator(build(mini.network.config, weights), mini.card)


@pytest.fixture
def toy(centred, tmp_path):
    """A bench with two faces and two other pictures of 16 px, whose embeddings take three steps."""
    mini = centred
    kinds = (("faces", "a"), ("faces", "b"), ("paintings", "<b>&"), ("cats", "c"))
    photos = tuple(
        photo_of(mini(mini.sample(seed))[0].clamp(-1, 1), name, kind, face=kind == "faces")
        for seed, (kind, name) in enumerate(kinds)
    )
    return Bench(mini, load_perceptual("vgg-slim"), photos, Store(tmp_path / "work"), Settings(steps=3), quick=True)


@pytest.fixture
def computed(monkeypatch):
    """Counts the embeddings that are computed."""
    sizes = []
    invert = bench.invert
    monkeypatch.setattr(
        bench, "invert", lambda generator, crops, **how: sizes.append(len(crops)) or invert(generator, crops, **how)
    )
    return sizes


def test_rows_read_back_as_they_were_written(tmp_path):
    rows = [
        {"name": "007", "n": 7, "x": 0.1 + 0.2, "seen": True, "none": None},
        {"name": 'a,"b"\nc', "n": -1, "x": 1e-300, "seen": False, "more": "text"},
    ]
    write_rows(tmp_path / "rows.csv", rows)
    back = read_rows(tmp_path / "rows.csv")
    assert back[0] == {**rows[0], "more": None}
    assert back[1] == {**rows[1], "none": None}


def test_rows_are_asked_by_value_and_class():
    rows = [
        {"class": 1, "face": False, "x": 1.0},
        {"class": "faces", "face": False, "x": 3.0},
        {"class": "b", "x": None},
    ]
    assert where(rows, **{"class": "1"}) == rows[:1]
    assert distinct(rows, "class") == [1, "faces", "b"]
    assert numbers(rows, "x").tolist() == [1.0, 3.0]
    assert mean(rows, "x") == 2
    assert by_domain(rows) == (rows[1:2], [rows[0], rows[2]])
    assert by_domain([{"class": "a", "face": True}])[1] == []
    assert interval(rows, "x") == "2.00"
    assert interval([{"x": 2.0}] * 4, "x") == "2.00 (2.00 to 2.00)"
    assert [short(x) for x in (0.30000001, 52.46, 1234.5, 166.6, float("nan"))] == [
        "0.300",
        "52.5",
        "1,234",
        "167",
        "–",
    ]
    assert [cell(x) for x in (None, True, 3, 0.5, "a")] == ["–", "yes", "3", "0.500", "a"]


def test_an_embedding_is_computed_once_and_belongs_to_all_that_decides_it(toy, computed):
    target = stacked(toy.photos)
    first = toy.embed(target)
    again = toy.embed(target)
    assert computed == [4]
    assert torch.equal(first.ws, again.ws)
    assert torch.equal(first.total, again.total)
    assert first.total.shape == first.distance.shape == (4, 4)
    assert first.distance[0, 0] == pytest.approx(0, abs=0.1)  # the tracked mean is not quite that of 10,000 draws
    toy.embed(target, settings=Settings(steps=2))
    toy.embed(target, objective=Objective((Pixel(),)))
    toy.embed(target, start=Given(toy.generator.sample(1)))
    toy.embed(target, start=Given(toy.generator.sample(2)))
    toy.embed(target.flip(0))
    toy.using(spaces.random_weights(toy.generator, seed=0)).embed(target)
    assert len(computed) == 7


def test_a_second_folder_gives_the_same_numbers(toy, tmp_path):
    target = stacked(toy.photos)
    other = replace(toy, store=Store(tmp_path / "other"))
    assert torch.equal(toy.embed(target).ws, other.embed(target).ws)


def test_a_killed_study_goes_on_after_its_last_finished_group(toy, computed):
    target = stacked(toy.photos).repeat(3, 1, 1, 1)  # groups of eight and four

    def kill(text, done, total):
        if text.startswith("embed 9") and done == 1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        replace(toy, watch=kill).embed(target)
    assert computed == [8, 4]
    assert len(toy.embed(target)) == 12
    assert computed == [8, 4, 4]


def test_a_damaged_result_is_made_again(toy, computed):
    toy.embed(stacked(toy.photos))
    (file,) = toy.store.folder.iterdir()
    file.write_bytes(file.read_bytes()[:100])
    toy.embed(stacked(toy.photos))
    assert computed == [4, 4]


def test_rows_of_an_embedding_say_what_it_is(toy):
    found = toy.embed(stacked(toy.photos), settings=Settings(steps=0))
    row = toy.rows(toy.photos, found, start="mean")[2]
    picture = toy.generator(Mean().ws(toy.generator, found.target[:1], seed=0)).clamp(-1, 1)
    assert (row["photo"], row["class"], row["face"], row["start"]) == ("<b>&", "paintings", False, "mean")
    assert row["mse"] == pytest.approx(float((picture - found.target[2]).square().mean()), rel=1e-4)
    assert row["loss"] == pytest.approx(row["perceptual"] + row["pixel"], rel=1e-5)
    assert row["loss"] == pytest.approx(float(found.total[2, 0]), rel=1e-4)


def test_one_sample_distance_is_how_far_samples_lie(toy):
    samples = torch.cat([toy.generator.sample(seed).ws for seed in range(200)])
    assert float(toy.distance(samples).square().mean().sqrt()) == pytest.approx(toy.sample_distance, rel=0.1)


def faceless():
    """A small picture without a face: looking for one is quick."""
    return torch.rand(3, 24, 40, generator=torch.Generator().manual_seed(0)) * 2 - 1


def test_photographs_come_in_classes(tmp_path):
    from skimage import data

    astronaut, cat = resized(from_bytes(data.astronaut()), height=256, width=256), faceless()
    write_picture(tmp_path / "photos" / "faces" / "a.png", astronaut)
    write_picture(tmp_path / "photos" / "faces" / "a.jpg", astronaut)
    write_picture(tmp_path / "photos" / "cats" / "b.png", cat)
    found = read_photos([tmp_path / "photos"], size=32)
    assert [(photo.kind, photo.name, photo.face) for photo in found] == [
        ("faces", "a", True), ("faces", "a-2", True), ("cats", "b", False),
    ]  # fmt: skip
    assert torch.allclose(found[2].crop.picture, middle(cat, size=32).picture, atol=0.01)
    aligned = found[1].crop.picture
    write_picture(tmp_path / "mixed" / "a.png", astronaut)
    write_picture(tmp_path / "mixed" / "b.png", cat)
    mixed = read_photos([tmp_path / "mixed"], size=32)
    assert [photo.face for photo in mixed] == [False, False]
    assert not torch.allclose(mixed[0].crop.picture, aligned, atol=0.2)
    assert len(read_photos([tmp_path / "mixed"], size=32, most=1)) == 1
    with pytest.raises(ImageError, match="no such file or folder"):
        read_photos([tmp_path / "nothing"], size=32)


def test_a_face_that_is_aligned_already_stays_as_it_is(tmp_path):
    from skimage import data

    from wplus.alignment import align

    crop = align(from_bytes(data.astronaut()), size=256)
    write_picture(tmp_path / "faces" / "crop.png", crop.picture)
    (photo,) = read_photos([tmp_path / "faces" / "crop.png"], size=256)
    assert photo.face
    assert photo.kind == "faces"
    assert (photo.crop.picture - crop.picture).abs().max() < 0.01


def test_every_study_is_a_module_that_says_what_the_paper_found():
    assert len({entry.name for entry in STUDIES}) == len(STUDIES)
    for name in MINE:
        study = study_named(name)
        assert isinstance(study, Study)
        assert re.search(r"\[(S|S2|M-hi|M-md|M-lo)\]", inspect.getdoc(study))
        assert "arXiv" in study.SOURCE


@pytest.fixture
def strangers(monkeypatch):
    """The toy's faces are none that dlib finds, and looking takes long."""
    monkeypatch.setattr(objective, "identity_distance", lambda a, b: None)


@pytest.mark.parametrize("name", MINE)
def test_a_study_writes_rows_pictures_and_findings(name, toy, tmp_path, strangers):
    section = run_study(name, toy, tmp_path / name)
    written = {path.name for path in (tmp_path / name).iterdir()}
    assert {"images.csv", "result.json"} <= written
    assert len([file for file in written if file.endswith(".png")]) == len(section.sheets) + len(
        section.conclusion.plots
    )
    result = json.loads((tmp_path / name / "result.json").read_text())
    assert result["findings"]
    assert result["tables"]
    assert result["about"]["settings"].startswith("steps 3, seed 0")


def test_a_second_run_writes_the_same_bytes(toy, tmp_path):
    run_study("classes", toy, tmp_path / "first")
    run_study("classes", replace(toy, store=Store(tmp_path / "fresh")), tmp_path / "second")
    first, second = (
        {path.name: path.read_bytes() for path in (tmp_path / name).iterdir()} for name in ("first", "second")
    )
    assert first == second


def test_a_study_of_faces_says_that_there_are_none(toy, tmp_path):
    without = replace(toy, photos=toy.photos[2:])
    with pytest.raises(FaceError, match="no class of the photographs is one of faces"):
        run_study("robustness", without, tmp_path)
    assert not list(tmp_path.glob("*.csv"))


def test_the_report_is_one_page_without_scripts_or_links_to_elsewhere(toy, tmp_path, strangers):
    sections = [run_study(name, toy, tmp_path / name) for name in ("classes", "start")]
    write_report(tmp_path / "report.html", "Studies", sections, about(toy))
    page = (tmp_path / "report.html").read_text()
    assert "<script" not in page
    assert not re.search(r'(src|href)="(?!data:|#)', page)
    assert page.count("data:image/webp;base64,") == 2
    assert page.count("<svg") == 2
    assert "&lt;b&gt;" not in page  # no photograph's name is shown, only classes
    assert 'href="#start"' in page
    assert "1f2933" not in page.split("</style>")[1]  # plots take the page's ink
    assert "prefers-color-scheme: dark" in page


def test_names_of_users_are_shown_letter_by_letter(tmp_path):
    figure, (axes,) = panels()
    bars(axes, ["$x^2$", "猫"], {"<script>": [1.0, 2.0]})
    text = svg(figure)
    write_png(tmp_path / "plot.png", figure)
    assert "$x^2$" in text
    assert text == svg(figure)
    pictures = ((torch.zeros(3, 8, 8), None),)
    assert (
        drawn(Sheet("name", "title", pictures, ("<b>", "猫"), ("a long caption that needs several lines",))).shape[0]
        == 3
    )


def test_sheets_put_each_picture_above_what_became_of_it(toy):
    pictures = stacked(toy.photos)
    few = by_class("few", "", toy.photos, {"photograph": pictures, "embedded": -pictures})
    assert few.columns == ("faces", "faces", "paintings", "cats")
    assert torch.equal(few.pictures[1][2], -pictures[2])
    many = by_class(
        "many", "", toy.photos * 3, {"photograph": pictures.repeat(3, 1, 1, 1), "embedded": pictures.repeat(3, 1, 1, 1)}
    )
    assert many.blocks == 2
    assert many.columns[8:] == ("faces", "faces", "paintings", "cats", "", "", "", "")
    assert many.rows == ("photograph", "embedded") * 2
    assert [sum(picture is not None for picture in row) for row in many.pictures] == [8, 8, 4, 4]
    assert torch.equal(many.pictures[2][1], pictures[1])
    assert drawn(many).shape[1] > 4 * 192
    plain = drawn(Sheet("plain", "", ((blank := torch.zeros(3, 16, 16), blank), (blank, blank))))
    assert plain.shape[1] == plain.shape[2]
    image = drawn(Sheet("small", "", ((torch.full((3, 16, 16), -1.0), None),)))
    assert (image < 0).float().mean() == pytest.approx(0.5, abs=0.1)  # the empty place is white


def test_records_refuse_nonsense():
    with pytest.raises(ValueError, match="confidence is one of"):
        Finding("a", "sure", "b", "c", True)
    with pytest.raises(ValueError, match="a row has not 2 cells"):
        Table("t", ("a", "b"), ((1,),))
    with pytest.raises(ValueError, match="rows of lengths"):
        Sheet("s", "t", ((None,), (None, None)))
    with pytest.raises(ValueError, match="captions"):
        Sheet("s", "t", ((None,),), columns=("a", "b"))


def rows_of(**columns):
    """Rows of made-up embeddings: lists give one row each."""
    count = max(len(values) for values in columns.values() if isinstance(values, list))
    plain = {
        "photo": "p",
        "face": False,
        "relative_distance": 1.0,
        "distance": 1.0,
        "mse": 1.0,
        "psnr": 20.0,
        "perceptual": 1.0,
    }
    filled = {
        name: values if isinstance(values, list) else [values] * count for name, values in (plain | columns).items()
    }
    return [dict(zip(filled, values, strict=True)) for values in zip(*filled.values(), strict=True)]


def verdicts(study, rows, **more):
    return [finding.holds for finding in study.conclude({"images": rows, **more}).findings]


def test_classes_compares_the_order_of_classes():
    kinds = {"class": ["faces", "cats", "paintings"]}
    assert verdicts(classes, rows_of(**kinds, loss=[1.0, 2.0, 3.0], distance=[1.0, 2.0, 3.0])) == [True, True, True]
    assert verdicts(classes, rows_of(**kinds, loss=[1.0, 3.0, 2.0], distance=[2.0, 1.0, 2.0])) == [False, False, False]
    more = rows_of(**{"class": ["faces", "cats", "paintings", "things"]}, loss=[1.0, 2.0, 3.0, 9.0])
    assert verdicts(classes, more)[0] is True  # the paper says nothing of things
    assert verdicts(classes, rows_of(**{"class": ["faces", "things"]}, loss=[2.0, 1.0]))[0] is False
    alone = rows_of(**{"class": ["cats"]}, loss=[1.0])
    assert verdicts(classes, alone) == [None, None, None]


def test_start_compares_the_starts_by_domain():
    base = {"class": ["faces", "faces", "cats", "cats"], "start": ["mean", "random"] * 2, "begun at": 1.0}
    assert verdicts(start, rows_of(**base, loss=[1.0, 2.0, 2.0, 1.0], distance=[1.0, 2.0, 1.0, 1.0])) == [
        True,
        True,
        True,
    ]
    assert verdicts(start, rows_of(**base, loss=[2.0, 1.0, 1.0, 2.0], distance=[2.0, 1.0, 1.0, 1.0])) == [False] * 3


def test_spaces_compares_the_spaces():
    base = {
        "class": ["faces"] * 4 + ["cats"] * 4,
        "photo": ["a"] * 4 + ["b"] * 4,
        "space": ["Z", "W", "W+", spaces.RANDOM] * 2,
    }
    assert verdicts(spaces, rows_of(**base, loss=[3.0, 1.2, 1.0, 9.0, 4.0, 3.0, 2.0, 9.0])) == [True, True, True]
    assert verdicts(spaces, rows_of(**base, loss=[1.0, 2.0, 3.0, 3.0, 4.0, 1.0, 2.0, 3.0])) == [False, False, False]


def test_random_weights_are_a_seeds_own_and_leave_the_global_seed_alone(mini):
    before = torch.get_rng_state()
    first, again, other = (spaces.random_weights(mini, seed=seed) for seed in (0, 0, 1))
    assert torch.equal(before, torch.get_rng_state())
    assert first.fingerprint == again.fingerprint != other.fingerprint
    assert (first.resolution, first.layers) == (mini.resolution, mini.layers)


def test_objective_compares_the_objectives():
    names = ["pixels", "conv3_2", "pixels + conv3_2", "four taps", "full"]
    base = {"class": "faces", "face": True, "objective": names}
    good = rows_of(
        **base, mse=[1.0, 4.0, 2.0, 1.5, 1.2], perceptual=[3.0, 2.0, 2.0, 1.0, 1.0], identity=[0.6, 0.5, 0.5, 0.4, 0.3]
    )
    assert verdicts(objective, good) == [True, True, True]
    bad = rows_of(
        **base, mse=[1.0, 4.0, 2.0, 1.0, 2.0], perceptual=[1.0, 2.0, 2.0, 1.0, 2.0], identity=[0.2, 0.5, 0.5, 0.4, 0.3]
    )
    assert verdicts(objective, bad) == [False, False, False]
    assert verdicts(objective, [{**row, "identity": None} for row in good])[1] is None


def test_translations_are_told_from_their_stripes():
    names = list(robustness.transformations(64))
    base = {"class": "faces", "face": True, "transformation": names}
    assert verdicts(robustness, rows_of(**base, loss=[1.0, 4.0, 1.5, 5.0, 1.5, 0.5, 2.0, 2.0, 2.0])) == [
        True,
        True,
        True,
    ]
    assert verdicts(robustness, rows_of(**base, loss=[1.0, 1.5, 4.0, 2.0, 1.5, 0.5, 0.9, 3.0, 2.0])) == [
        False,
        False,
        False,
    ]


def test_transformations_are_what_they_say():
    image = torch.arange(64.0).reshape(1, 1, 8, 8).expand(1, 3, 8, 8) / 32 - 1
    moved = robustness.shifted(image, right=2)
    assert torch.equal(moved[..., 2:], image[..., :-2])
    assert (moved[..., :2] == robustness.BLACK).all()
    assert torch.equal(robustness.shifted(image, right=-3)[..., :-3], image[..., 3:])
    for right in (2, -3):
        black = robustness.shifted(torch.ones_like(image), right=right) == robustness.BLACK
        assert torch.equal(robustness.striped(image, right=right), image.masked_fill(black, robustness.BLACK))
    flat = torch.full((1, 3, 8, 8), 0.5)
    assert (robustness.smaller(flat) == robustness.BLACK).float().mean() == 0.75
    assert robustness.smaller(flat)[0, 0, 3, 3] == pytest.approx(0.5)
    assert robustness.larger(flat).shape == flat.shape
    changes = robustness.transformations(64)
    assert torch.equal(changes["turned 180"](image), image.flip((2, 3)))
    assert torch.equal(changes["turned 90"](changes["turned 90"](image)), image.flip((2, 3)))


def test_errors_inside_a_hole_are_told_from_those_outside():
    mask = defects.hole("half", 16)
    assert mask.mean() == 0.5
    a = torch.zeros(1, 3, 16, 16)
    b = torch.where(mask.bool(), torch.tensor(2.0), torch.tensor(1.0)).expand(1, 3, 16, 16)
    assert defects.masked_mse(a, b, mask).item() == 4
    assert defects.masked_mse(a, b, 1 - mask).item() == 1
    base = {"class": "faces", "face": True, "part": list(defects.PARTS)}
    black, face, outside, whole = defects.ERRORS
    assert verdicts(defects, rows_of(**base, **{black: 0.1, face: 1.0, outside: 1.1, whole: 1.0})) == [True, True]
    assert verdicts(defects, rows_of(**base, **{black: 1.0, face: 0.1, outside: 2.0, whole: 1.0})) == [False, False]


def test_a_plateau_begins_where_the_fall_is_done():
    steps = np.arange(1001)
    falling = np.exp(-steps / 100)[None]
    plateau, near = iterations.plateaus(falling)
    assert plateau[0] == pytest.approx(100 * np.log(20), abs=1)
    assert near[0] == pytest.approx(995, abs=1)
    base = {"class": ["faces", "cats"], "steps": 100, "rate": 0.1, "loss": 1.0, "near the last": 90}
    curves = rows_of(**{"class": ["faces", "cats"]}, step=0, loss=1.0)
    assert verdicts(iterations, rows_of(**base, plateau=[20, 60]), curves=curves) == [True, True]
    assert verdicts(iterations, rows_of(**base, plateau=[70, 60]), curves=curves) == [False, False]


def test_iterations_go_as_far_as_the_papers():
    settings = iterations.constant(Settings(steps=2500))
    assert settings == Settings(steps=5000, method=Adam(learning_rate=0.01, final_rate=1.0))
    assert iterations.constant(Settings(steps=150)).method.learning_rate == 0.1


def test_reembedding_compares_its_rounds():
    base = {"class": "faces", "round": [1, 2, 3], "detail": 0.5}
    assert verdicts(
        reembed, rows_of(**base, **{"psnr to the photograph": [24.0, 23.5, 23.2]}, loss=[1.0, 0.1, 0.1])
    ) == [True, True]
    assert verdicts(
        reembed, rows_of(**base, **{"psnr to the photograph": [24.0, 20.0, 25.0]}, loss=[1.0, 1.0, 2.0])
    ) == [False, False]
    assert reembed.detail(torch.full((1, 3, 8, 8), 0.3)).item() == pytest.approx(0, abs=1e-6)


def test_an_unknown_study_is_told_the_nearest(wplus, tmp_path):
    code, _, error = wplus("study", "clases", "-o", tmp_path)
    assert code == 2
    assert "no study 'clases'; did you mean 'classes'?" in error
    assert not list(tmp_path.iterdir())


def test_without_a_name_the_studies_are_listed(wplus):
    code, out, _ = wplus("study")
    assert code == 0
    assert [line.split()[0] for line in out.splitlines()] == [entry.name for entry in STUDIES]


def test_the_command_studies_a_folder_and_goes_on_where_it_was(wplus, tmp_path, computed):
    write_picture(tmp_path / "cats" / "cat.png", faceless())
    arguments = ("study", "classes", tmp_path / "cats", "--quick", "--steps", 1, "-o", tmp_path / "out")
    assert wplus(*arguments)[:2] == (0, f"{tmp_path / 'out' / 'classes' / 'report.html'}\n")
    before = (tmp_path / "out" / "classes" / "images.csv").read_bytes()
    assert wplus(*arguments)[0] == 0
    assert (tmp_path / "out" / "classes" / "images.csv").read_bytes() == before
    assert computed == [1]
    code, _, error = wplus("study", "defects", tmp_path / "cats", "--quick", "--steps", 1, "-o", tmp_path / "out")
    assert code == 1
    assert error.strip().endswith("give a folder in which each shows a face")
    assert error.count("\n") == 1


def test_a_study_that_a_generator_cannot_serve_stops_no_other(wplus, tmp_path, monkeypatch):
    monkeypatch.setattr("wplus.cli.study.STUDIES", [entry for entry in STUDIES if entry.name in {"spaces", "classes"}])
    write_picture(tmp_path / "cats" / "cat.png", faceless())
    arguments = ("study", "all", tmp_path / "cats", "--quick", "--steps", 1, "-o", tmp_path / "out")
    code, _, error = wplus(*arguments, "--generator", "stylemap-faces")
    assert code == 1
    assert "wplus: spaces: stylemap-faces has stylemaps" in error
    assert error.splitlines()[-1] == "wplus: 1 of 2 studies could not be done"
    assert 'id="classes"' in (tmp_path / "out" / "report.html").read_text()


def test_all_goes_on_where_a_study_cannot_be_done(wplus, tmp_path, monkeypatch):
    wanted = [entry for entry in STUDIES if entry.name in {"classes", "defects", "iterations"}]
    monkeypatch.setattr("wplus.cli.study.STUDIES", wanted)
    write_picture(tmp_path / "cats" / "cat.png", faceless())
    arguments = ("study", "all", tmp_path / "cats", "--quick", "--steps", 1, "-o", tmp_path / "out")
    code, out, error = wplus(*arguments)
    assert code == 1
    assert out.splitlines()[-1] == str(tmp_path / "out" / "report.html")
    assert "wplus: defects: no class of the photographs is one of faces" in error
    assert error.splitlines()[-1] == "wplus: 1 of 3 studies could not be done"
    page = (tmp_path / "out" / "report.html").read_text()
    assert 'id="classes"' in page
    assert 'id="iterations"' in page


def test_sheets_of_any_size_fit_on_a_page():
    large = drawn(Sheet("large", "", ((torch.zeros(3, 1024, 1024),) * 2,)))
    assert max(large.shape) < 2 * 340
    assert report._picture(torch.zeros(3, 20, 20)).startswith("data:image/webp;")
    assert report._picture(torch.zeros(3, 17_000, 2)).startswith("data:image/jpeg;")
