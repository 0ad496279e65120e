"""Studies of edits: pairs, expressions and priors as they should be, and conclusions from known rows."""

import inspect
import json
import re
from dataclasses import replace

import numpy as np
import pytest
import torch

from wplus.alignment import as_crop
from wplus.inversion import Space
from wplus.models import load_perceptual
from wplus.models.pn import fit_pn
from wplus.optimisation import Settings
from wplus.studies import crossover, effects, expression, interpolation, morphing, structure
from wplus.studies.bench import Bench, stacked
from wplus.studies.faces import apart, descriptors, landmarks, made_up, movement, seen, shape
from wplus.studies.likeness import colour_distance, edge_distance, feature_distance
from wplus.studies.maps import drawn_map, principal
from wplus.studies.pairs import BETWEEN, FACES, MIXED, WITHIN, cast, pairs
from wplus.studies.paths import draws
from wplus.studies.photos import Photo
from wplus.studies.prior import Likely, stopped
from wplus.studies.protocol import Study
from wplus.studies.run import run_study, study_named
from wplus.studies.sources import INVENTED, MADE_UP, MEAN, NEUTRAL, Source, others, sources
from wplus.studies.store import Store

MINE = ("morphing", "crossover", "expression", "interpolation", "structure")


def photo_of(picture, name, kind, *, face):
    return Photo(name, kind, as_crop(picture, size=picture.shape[1]), face)


@pytest.fixture
def toy(mini, tmp_path, monkeypatch):
    """A bench with two faces and three other pictures of 16 px, whose embeddings take two steps."""
    kinds = (("faces", "a_neutral"), ("faces", "a_smiling"), ("cats", "b"), ("cats", "c"), ("<b>&", "d"))
    photos = tuple(
        photo_of(mini(mini.sample(seed))[0].clamp(-1, 1), name, kind, face=kind == "faces")
        for seed, (kind, name) in enumerate(kinds)
    )
    monkeypatch.setattr(interpolation, "FEW", 4)
    return Bench(mini, load_perceptual("vgg-slim"), photos, Store(tmp_path / "work"), Settings(steps=2), quick=True)


@pytest.fixture(scope="module")
def astronaut():
    """The astronaut's face, 256 px, and its landmarks in parts of the side."""
    from skimage import data

    from wplus.alignment import align
    from wplus.core.images import from_bytes

    return align(from_bytes(data.astronaut()), size=256).picture


@pytest.mark.parametrize("name", MINE)
def test_a_study_writes_rows_pictures_and_findings_and_the_same_ones_again(name, toy, tmp_path):
    study = study_named(name)
    assert isinstance(study, Study)
    assert re.search(r"\[(S|S2|M-hi|M-md|M-lo)\]", inspect.getdoc(study))
    assert "arXiv" in study.SOURCE
    section = run_study(name, toy, tmp_path / name)
    before = {path.name: path.read_bytes() for path in (tmp_path / name).iterdir()}
    assert len([file for file in before if file.endswith(".png")]) == len(section.sheets) + len(
        section.conclusion.plots
    )
    assert json.loads(before["result.json"])["findings"]
    run_study(name, replace(toy, store=Store(tmp_path / "fresh")), tmp_path / name)
    assert before == {path.name: path.read_bytes() for path in (tmp_path / name).iterdir()}


@pytest.mark.parametrize("name", MINE)
def test_a_study_has_an_answer_without_any_face(name, toy, tmp_path):
    without = replace(toy, photos=toy.photos[2:])
    assert run_study(name, without, tmp_path / name).conclusion.findings


def test_faces_are_found_and_told_apart(toy, astronaut):
    pictures = torch.stack([astronaut, torch.zeros_like(astronaut), astronaut.flip(2)])
    points = landmarks(toy, pictures)
    assert seen(points) == [True, False, True]
    assert (points[0, 36, 0] < points[0, 45, 0]) and (points[0, 30, 1] < points[0, 8, 1])
    assert points[0, 36:48].mean(dim=0).tolist() == pytest.approx([0.5, 0.47], abs=0.05)  # FFHQ's frame
    who = descriptors(toy, pictures, points)
    gaps = apart(who, who[0].expand_as(who))
    assert gaps[0] == 0
    assert gaps[1].isnan()
    assert 0 < gaps[2] < 0.6


def test_descriptors_are_those_of_the_metric(toy, astronaut):
    from wplus.metrics import identity

    who = descriptors(toy, astronaut[None], landmarks(toy, astronaut[None]))[0]
    assert float((who - torch.from_numpy(identity(astronaut))).norm()) < 0.2  # it looks at more sizes


def test_made_up_faces_are_the_generators_own(toy):
    first, second = made_up(toy, 2, psi=1.0)
    assert torch.equal(second.crop.picture, toy.render(toy.generator.sample(1).ws)[0])
    assert (first.name, first.kind, first.face) == ("made up 0", "made up", True)
    assert made_up(toy, 0) == ()


def test_colours_know_no_places_and_edges_no_colours():
    draw = torch.Generator().manual_seed(0)
    image = torch.rand(1, 3, 16, 16, generator=draw) - 0.5
    scattered = image.flatten(2)[..., torch.randperm(256, generator=draw)].reshape(image.shape)
    assert colour_distance(image, scattered).item() == pytest.approx(0, abs=1e-6)
    assert colour_distance(image, image + 0.2).item() == pytest.approx(0.2 / 2**0.5, rel=1e-5)
    assert edge_distance(image, scattered).item() > 0.8
    assert edge_distance(image, 0.5 * image + 0.2).item() == pytest.approx(0, abs=1e-6)
    assert edge_distance(image, -image).item() == pytest.approx(2, rel=1e-5)


def test_features_are_nearest_to_themselves(toy):
    pictures = stacked(toy.photos)
    assert feature_distance(toy, pictures, pictures).tolist() == [0] * 5
    assert (feature_distance(toy, pictures, pictures.roll(1, dims=0)) > 0).all()


def test_pairs_are_of_all_kinds_and_few(toy):
    kinds = ["faces"] * 6 + ["cats", "cats", "dogs", "cars", "cars"]
    photos = [replace(toy.photos[0], kind=kind) for kind in kinds]
    found = pairs(photos, range(6), most=2)
    assert [(pair.a, pair.b) for pair in found if pair.relation == FACES] == [(0, 3), (1, 4)]
    assert [(pair.a, pair.b) for pair in found if pair.relation == MIXED] == [(0, 6), (1, 8)]
    assert [(pair.a, pair.b) for pair in found if pair.relation == WITHIN] == [(6, 7), (9, 10)]
    assert [(pair.a, pair.b) for pair in found if pair.relation == BETWEEN] == [(6, 8), (8, 9)]
    assert pairs(photos[6:7], (), most=2) == ()


def test_made_up_faces_stand_in_where_no_two_photographs_are_faces(toy):
    own = cast(replace(toy, photos=toy.photos[1:]))
    assert [photo.kind for photo in own.photos] == ["faces", "cats", "cats", "<b>&", "made up"]
    assert own.faces == (0, 4)
    assert len(own.ws) == len(own.pictures) == 5
    assert torch.equal(own.ws[:4], toy.embed(stacked(toy.photos[1:])).ws)
    assert cast(toy).faces == (0, 1)


def test_persons_with_expressions_are_found_by_name(toy):
    face = toy.photos[0]
    names = ["anna_neutral", "anna_smiling", "bob_neutral", "annabel_smiling", "carl_smiling"]
    people = [replace(face, name=name) for name in names]
    assert [(source.person, source.expression) for source in sources(people, most=5)] == [("anna", "smiling")]
    folder = [replace(face, name=name, kind="dora") for name in ("neutral", "smiling", "surprised")]
    assert sources(folder, most=5) == (("dora", "smiling", 0, 1), ("dora", "surprised", 0, 2))
    assert len(sources(folder, most=1)) == 1
    assert sources([replace(photo, face=False) for photo in folder], most=5) == ()


def test_an_expression_goes_to_somebody_else(toy):
    own = cast(toy)
    names = ["anna_neutral", "anna_smiling", "bob_neutral", "bob_smiling", "carl"]
    photos = tuple(replace(toy.photos[0], name=name) for name in names)
    crowd = own._replace(photos=photos, faces=(0, 1, 2, 3, 4))
    (anna, _) = sources(photos, most=5)
    assert others(crowd, anna) == [2, 3, 4]
    folder = tuple(replace(toy.photos[0], name=name, kind=kind) for kind in "ab" for name in ("neutral", "smiling"))
    assert others(own._replace(photos=folder, faces=(0, 1, 2, 3)), sources(folder, most=5)[0]) == [2, 3]
    assert others(crowd, Source(INVENTED, MADE_UP, 0, 1)) == [0, 1, 2, 3, 4]


def test_a_face_moves_as_far_as_its_source_wherever_it_is_and_however_large():
    draw = torch.Generator().manual_seed(0)
    before = torch.rand(1, 68, 2, generator=draw)
    after = before.clone()
    after[:, 48:] += 0.1 * torch.rand(1, 20, 2, generator=draw)
    change = shape(after) - shape(before)
    assert change.shape == (1, 42, 2)
    assert movement(change, change).item() == pytest.approx(1)
    turned = torch.tensor([[0.0, 2.0], [-2.0, 0.0]])
    elsewhere = shape(after @ turned + 3) - shape(before @ turned + 3)
    assert movement(elsewhere, change).item() == pytest.approx(1, rel=1e-4)
    jaw = before.clone()
    jaw[:, :17] += 0.5
    assert movement(shape(jaw) - shape(before), change).item() == 0


def test_codes_of_p_n_stay_as_likely_as_they_may_be(mini):
    space = Likely(fit_pn(mini, samples=500), radius=0.5)
    assert isinstance(space, Space)
    ws = torch.cat([mini.sample(seed).ws for seed in range(3)])
    code = space.code(ws, mini)
    lengths = space.space.to_pn(space.ws(code, mini)).square().mean(dim=2).sqrt()
    assert lengths.max().item() == pytest.approx(0.5, rel=1e-3)
    assert torch.allclose(replace(space, radius=9.0).ws(code, mini), ws, atol=1e-3)
    with pytest.raises(ValueError, match="must be positive"):
        Likely(space.space, radius=0.0)


def test_a_stopped_descent_has_the_loss_it_was_stopped_at(toy):
    target = stacked(toy.photos[:3])
    curves = toy.embed(target, settings=Settings(steps=6)).total
    longer = replace(toy, settings=Settings(steps=6))
    wanted = torch.stack([curves[0, 3], curves[1, 0], curves[2].min() / 2]) * 1.0001
    early, whole = stopped(longer, target, wanted)
    losses = torch.stack(list(toy.losses(early, target).values())).sum(dim=0)
    first = int((curves[0] <= wanted[0]).int().argmax())
    assert losses[0].item() == pytest.approx(curves[0, first].item(), rel=1e-3)
    assert losses[1].item() == pytest.approx(curves[1, 0].item(), rel=1e-3)
    assert torch.equal(early[2], whole[2])  # it never comes so low
    assert torch.equal(whole, longer.embed(target).ws)


def test_paths_are_drawn_between_two_different_pictures():
    drawn = draws(3, 200, seed=1)
    assert all(a != b for a, b in zip(drawn.first, drawn.second, strict=True))
    assert set(drawn.first) == set(drawn.second) == {0, 1, 2}
    assert drawn == draws(3, 200, seed=1)
    assert all(0 <= weight <= 1 for weight in drawn.weights)


def test_participation_counts_equal_axes():
    assert structure.participation([0.25] * 4) == pytest.approx(4)
    assert structure.participation([1.0, 0.0, 0.0]) == pytest.approx(1)


def test_regions_and_what_is_elsewhere_cover_the_face(toy, astronaut):
    points = landmarks(toy, astronaut[None])[0]
    masks = effects.regions(points, size=32)
    assert list(masks)[-1] == effects.ELSEWHERE
    together = torch.stack(list(masks.values())).amax(dim=0)
    assert together.min() >= 0.5
    assert masks["eyes"][15, 12] > 0.5 > masks[effects.ELSEWHERE][15, 12]
    assert masks[effects.ELSEWHERE][31, 0] == 1


def test_a_map_shows_codes_where_they_lie(toy):
    away = torch.zeros(3, 8)
    away[0, 0], away[1, 5] = 2.0, -1.0
    axes = principal(away)
    assert (away @ axes.T)[:2].numpy() == pytest.approx(np.diag([2.0, -1.0]), abs=1e-5)
    assert principal(away[:1]).shape == axes.shape
    picture = drawn_map(toy.photos, torch.arange(10.0).reshape(5, 2), torch.zeros(3, 2))
    assert picture.shape == (3, 760, 1120)
    assert (picture < 1).any()


def rows_of(**columns):
    """Rows of made-up figures: lists give one row each."""
    count = max(len(values) for values in columns.values() if isinstance(values, list))
    filled = {name: values if isinstance(values, list) else [values] * count for name, values in columns.items()}
    return [dict(zip(filled, values, strict=True)) for values in zip(*filled.values(), strict=True)]


def verdicts(study, **data):
    return [finding.holds for finding in study.conclude(data).findings]


def morphs(relation, edges, *, found):
    ends = {"first picture": "a", "second picture": "b"}
    return rows_of(
        relation=relation, weight=list(morphing.WEIGHTS), **{"to the mean face": edges, "face found": found}, **ends
    )


def test_morphing_looks_for_faces_on_the_way():
    dip, level = [1.0, 0.9, 0.8, 0.7, 0.6, 0.7, 0.8, 0.9, 1.0], [0.5, *[0.9] * 8]
    kept = {"kept": [morphing.FULL] * 2 + [morphing.EARLY] * 2 + [morphing.LATE] * 2, "face": False}
    halves = rows_of(**kept, **{"to the mean face": 0.5, "face found": [False, False, True, True, False, False]})
    good = morphs(FACES, dip, found=True) + morphs(WITHIN, dip, found=False)
    assert verdicts(morphing, images=good, halves=halves) == [True, True, True]
    bad = morphs(FACES, dip, found=[True] * 4 + [False] * 5) + morphs(BETWEEN, level, found=False)
    none = [{**row, "face found": False} for row in halves]
    assert verdicts(morphing, images=bad, halves=none) == [False, False, False]
    alone = [{**row, "face": True} for row in halves]
    assert verdicts(morphing, images=morphs(MIXED, dip, found=True), halves=alone) == [None, None, None]


def splits(colours, edges, *, face):
    return rows_of(
        relation=FACES if face else BETWEEN,
        layers=4,
        colours=colours,
        edges=edges,
        identity=None,
        **{"content is a face": face, "rows of the content": [0, 1, 2, 3, 4]},
    )


def test_crossover_compares_colours_with_edges():
    early, late = [1.0, 0.4, 0.2, 0.1, 0.0], [1.0, 0.9, 0.8, 0.6, 0.0]
    good = splits(late, early, face=True) + splits(late, late, face=False)
    assert verdicts(crossover, images=good) == [True, True, True]
    bad = splits(early, late, face=True) + splits(early, early, face=False)
    assert verdicts(crossover, images=bad) == [False, False, False]
    assert verdicts(crossover, images=splits(late, early, face=False)) == [True, None, None]


def grid(moved, identity, *, name="smiling", kept=(1.0, 0.9, 0.7, 0.5)):
    """Rows of one source and target: `moved` and `identity` by threshold, at strength 1; movement grows with it."""
    return [
        {
            "person": "a", "expression": name, "target": "b", "start": start, "strength": strength,
            "threshold": threshold, "norm": 0.1, "rows kept": kept[index], "mouth width": 0.1, "mouth opening": 0.1,
            "eye opening": 0.0, "identity": identity[index],
            "moved": None if moved[index] is None else moved[index] * strength,
        }
        for start in (MEAN, NEUTRAL)
        for index, threshold in enumerate(expression.THRESHOLDS)
        for strength in expression.STRENGTHS
    ]  # fmt: skip


def test_expression_compares_movement_and_identity():
    own = [{"person": "a", "expression": "smiling", "mouth width": 0.2, "mouth opening": 0.1, "eye opening": 0.0}]
    good = grid((0.5, 0.5, 0.4, 0.2), (0.4, 0.3, 0.3, 0.2))
    assert verdicts(expression, images=good, sources=own) == [True, True, True]
    bad = grid((-0.5, -0.4, 0.1, 0.1), (0.7, 0.8, 0.7, 0.7))
    assert verdicts(expression, images=bad, sources=own) == [False, False, False]
    lost = expression.conclude({"images": grid((None,) * 4, (None,) * 4), "sources": own}).findings
    assert [finding.holds for finding in lost] == [False, False, False]
    assert "a face left in 0" in lost[0].ours
    idle = expression.conclude({"images": grid((0.5,) * 4, (0.4,) * 4, kept=(1.0,) * 4), "sources": own}).findings
    assert [finding.holds for finding in idle] == [True, True, False]
    assert "removes nothing" in idle[2].remark
    invented = expression.conclude({"images": grid((0.5,) * 4, (0.4,) * 4, name=MADE_UP), "sources": own}).findings
    assert [finding.holds for finding in invented] == [None, None, None]
    assert "made up" in invented[0].remark


def groups(figures):
    """Rows of interpolation: (pictures, codes) -> kernel distance, loss."""
    keys = [{"pictures": pictures, "codes": codes} for pictures, codes in figures]
    columns = {"relative": 2.0, "path length": 3.0, "face found": True}
    return {
        "paths": [{**key, **columns} for key in keys],
        "images": [
            {**key, "loss": loss, "relative_distance": 1.0, "pn_norm": 1.0}
            for key, (_, loss) in zip(keys, figures.values(), strict=True)
        ],
        "sets": [
            {**key, "kernel": kernel, "frechet": 1.0, "count": 9}
            for key, (kernel, _) in zip(keys, figures.values(), strict=True)
        ],
    }


def test_interpolation_compares_codes_at_equal_loss():
    invented, real = interpolation.MADE_UP, interpolation.PHOTOGRAPHS
    own, whole, early, likely = interpolation.OWN, interpolation.WHOLE, interpolation.STOPPED, interpolation.LIKELY
    base = {(invented, own): (0.1, 0.0), (invented, whole): (0.2, 0.1)}
    other = {(invented, early): (0.2, 0.2), (invented, likely): (0.15, 0.2)}
    assert verdicts(interpolation, **groups(base | other)) == [True, True]
    photographs = {(real, whole): (0.3, 0.1), (real, early): (0.3, 0.2), (real, likely): (0.4, 0.2)}
    assert verdicts(interpolation, **groups(base | other | photographs)) == [True, False]
    swapped = {(invented, own): (0.2, 0.0), (invented, whole): (0.1, 0.3)}
    found = interpolation.conclude(groups(swapped | other)).findings
    assert [finding.holds for finding in found] == [False, False]
    assert "went lower" in found[1].remark


def test_structure_compares_axes_rows_and_clusters():
    spectrum = rows_of(axis=[1, 2, 3, 4, 5], share=[0.9, 0.04, 0.03, 0.02, 0.01], together=[0.9, 0.94, 0.97, 0.99, 1.0])
    projected = rows_of(kept=list(structure.KEPT), axes=1, relative=[0.3, 0.2, 0.05, 0.01])
    regions = dict.fromkeys(("eyes", "brows", "nose", "mouth", "jaw", "hair", "elsewhere"), 0.1)
    coarse = rows_of(row=[0, 1, 2], landmarks=[3.0, 1.0, 1.0], uniform=[0.0, 0.1, 0.5], colour=0.1, **regions)
    places = rows_of(
        **{"class": ["faces", "faces", "cats", "cats"], "to its class": [1.0, 1.0, 2.0, 2.0], "rows apart": 1.0},
        face=[True, True, False, False],
        distance=[1.0, 1.0, 2.0, 2.0],
        pn_norm=1.0,
    )
    data = {"spectrum": spectrum, "projected": projected, "effects": coarse, "map": places}
    assert verdicts(structure, **data) == [True, True, True]
    fine = [{**row, "landmarks": row["uniform"], "uniform": row["landmarks"]} for row in coarse]
    apart_faces = [{**row, "face": not row["face"]} for row in places]
    unlike = [{**row, "relative": 0.5} for row in projected]
    other = {"spectrum": spectrum, "projected": unlike, "effects": fine, "map": apart_faces}
    assert verdicts(structure, **other) == [False, False, False]
    assert verdicts(structure, **{**data, "effects": [], "map": places[:2]})[1:] == [None, None]
