"""Directions: values, files, and finders against planted answers on a toy generator."""

import json
from dataclasses import asdict, replace

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from wplus.core import Direction, DirectionError, Latent, LatentError
from wplus.core.direction import About, load_directions, moved, save_directions
from wplus.editing.directions import (
    boundary,
    conditional,
    direction,
    ganspace,
    measured,
    pairs,
    read_directions,
    regress,
    say,
    sefa,
)
from wplus.editing.directions.statistics import read_statistics, text_direction
from wplus.editing.directions.stylespace import by_examples, by_region, channel_direction, style_direction
from wplus.models import Generator
from wplus.models.stylespace import affines, to_styles


class Toy(Generator):
    """Pictures that are a fixed orthogonal map of the first row of a code."""

    def __call__(self, latent, *, noise=None):
        ws = latent.ws if isinstance(latent, Latent) else latent
        draw = torch.Generator().manual_seed(5)
        side = 3 * self.resolution**2
        basis, _ = torch.linalg.qr(torch.randn(side, self.w_dim, generator=draw))
        return 0.1 * (ws[:, 0] @ basis.T).reshape(-1, 3, self.resolution, self.resolution)


@pytest.fixture(scope="module")
def toy(mini):
    return Toy(mini.network, mini.card)


@pytest.fixture(scope="module")
def codes():
    """Codes (2000, 64) with a covariance that is far from round, and a unit vector."""
    draw = np.random.default_rng(0)
    scales = np.geomspace(0.2, 3, 64)
    axes = np.linalg.qr(draw.normal(size=(64, 64)))[0]
    answer = draw.normal(size=64)
    return draw.normal(size=(2000, 64)) * scales @ axes.T, answer / np.linalg.norm(answer)


def cosine(a, b):
    a, b = (np.asarray(x, dtype=np.float64).ravel() for x in (a, b))
    return a @ b / np.linalg.norm(a) / np.linalg.norm(b)


def some(generator, name="smile", seed=0, **told):
    offset = torch.randn(generator.w_dim, generator=torch.Generator().manual_seed(seed))
    return direction(offset, generator, name=name, method="measured", **told)


# values


def test_a_latent_plus_a_scaled_direction_is_the_moved_latent(mini):
    latent, smile = mini.sample(0), some(mini)
    edited = latent + 0.8 * smile
    assert torch.equal(edited.ws, latent.ws + 0.8 * smile.rows)
    assert edited.origin.edit == "smile +0.8"
    assert torch.allclose((edited - 0.8 * smile).ws, latent.ws, atol=1e-6)
    assert torch.equal((latent + -smile).ws, latent.ws - smile.rows)


def test_directions_add_up_and_tell_their_parts(mini):
    smile, age = some(mini), some(mini, "age", 1)
    both = 0.5 * smile - 2 * age
    assert torch.allclose(both.rows, 0.5 * smile.rows - 2 * age.rows)
    assert (mini.sample(0) + both).origin.edit == "smile +0.5, age -2"


def test_a_direction_of_another_generator_is_refused_in_one_line(mini):
    smile = some(mini)
    other = replace(smile, about=replace(smile.about, fingerprint="f" * 16, generator="other"))
    message = rf"the direction 'smile' belongs to generator other \(f+\), the latent to mini \({mini.fingerprint}\)"
    with pytest.raises(DirectionError, match=message):
        mini.sample(0) + other
    with pytest.raises(DirectionError, match="directions of different generators: 'smile' of mini"):
        smile + other


def test_layers_can_be_chosen_and_region_named(mini):
    smile = some(mini)
    assert smile.only([1, 2]).layers == (1, 2)
    assert not smile.only(range(2, 4)).rows[[0, 1]].any()
    assert smile.within("mouth").about.region == "mouth"
    with pytest.raises(DirectionError, match=r"layers \[99\] of 'smile': it has layers 0 to"):
        smile.only([99])


def test_what_is_left_of_a_direction_is_orthogonal_to_the_others(mini):
    smile, age, light = (some(mini, name, seed) for seed, name in enumerate(("smile", "age", "light")))
    left = smile.orthogonal_to([age, light])
    assert abs(left.cosine(age)) < 1e-6 and abs(left.cosine(light)) < 1e-6
    spread = torch.randn(mini.w_dim, mini.w_dim, generator=torch.Generator().manual_seed(3))
    metric = spread @ spread.T + torch.eye(mini.w_dim)
    other = smile.orthogonal_to([age], metric=metric)
    assert abs(float(other.rows[0].double() @ metric.double() @ age.rows[0].double())) < 1e-3
    with pytest.raises(DirectionError, match="nothing of 'smile' is left beside smile"):
        smile.orthogonal_to([smile])


def test_bare_codes_move_along_several_directions_at_once(mini):
    ws = mini.sample(0).ws
    smile, age = some(mini), some(mini, "age", 1)
    assert torch.allclose(moved(ws, [smile, age]), ws + smile.rows + age.rows)
    assert torch.equal(moved(ws, []), ws)


# files


def test_a_file_gives_the_directions_that_were_written(mini, tmp_path):
    whole = some(mini, details={"held": ["age"]}, leaks={"yaw": 0.25}, region="face")
    part = replace(some(mini, "age", 1).only([0, 3]), about=replace(some(mini).about, name="age"))
    save_directions(tmp_path / "d.safetensors", [whole, part])
    found = load_directions(tmp_path / "d.safetensors")
    assert list(found) == ["smile", "age"]
    for before, after in zip((whole, part), found.values(), strict=True):
        assert torch.equal(before.rows, after.rows) and asdict(before.about) == asdict(after.about)


def test_equal_rows_are_kept_once_and_half_precision_halves_them(mini, tmp_path):
    save_directions(tmp_path / "d.safetensors", [some(mini)], dtype=torch.float16)
    assert (tmp_path / "d.safetensors").stat().st_size < 2 * mini.w_dim + 1000
    assert cosine(load_directions(tmp_path / "d.safetensors")["smile"].rows, some(mini).rows) > 0.999999


GOOD = {"name": "smile", "shape": [8, 4], "layers": [0, 1]}


@pytest.mark.parametrize(
    ("entry", "rows", "words"),
    [
        ({**GOOD, "shape": [10**9, 10**9]}, torch.zeros(1, 4), "claims 1000000000 layers of 1000000000"),
        ({**GOOD, "shape": "big"}, torch.zeros(1, 4), "has no shape"),
        ({**GOOD, "layers": [99]}, torch.zeros(1, 4), "has rows that do not fit its description"),
        (GOOD, torch.zeros(3, 4), "has rows that do not fit its description"),
        (GOOD, torch.full((1, 4), torch.nan), "holds values that are not finite numbers"),
        ({**GOOD, "leaks": {"age": "much"}}, torch.zeros(1, 4), "leaks are not finite numbers"),
        ({**GOOD, "unit": 3}, torch.zeros(1, 4), "a direction's unit is a int"),
        ({**GOOD, "code": "import os"}, torch.zeros(1, 4), "has unknown fields ['code'], or no name"),
        ("smile", torch.zeros(1, 4), "without names and values"),
        ({**GOOD, "name": "age"}, torch.zeros(1, 4), "the direction 'age' has rows that do not fit"),
    ],
)
def test_a_hostile_file_of_directions_is_refused_in_one_line(tmp_path, entry, rows, words):
    header = json.dumps({"kind": "directions", "directions": [entry]})
    save_file({"smile": rows}, tmp_path / "d.safetensors", metadata={"wplus": header})
    with pytest.raises(DirectionError) as caught:
        load_directions(tmp_path / "d.safetensors")
    assert words in str(caught.value) and "\n" not in str(caught.value)


def test_a_latent_is_no_file_of_directions_and_the_other_way_round(mini, tmp_path):
    mini.sample(0).save(tmp_path / "latent.safetensors")
    with pytest.raises(DirectionError, match="holds a latent, expected directions"):
        load_directions(tmp_path / "latent.safetensors")
    save_directions(tmp_path / "d.safetensors", [some(mini)])
    with pytest.raises(LatentError, match="holds a directions, expected a latent"):
        Latent.load(tmp_path / "d.safetensors")


# finders


def test_a_regression_recovers_the_planted_mean_shift(codes):
    x, answer = codes
    noise = np.random.default_rng(1).normal(size=len(x))
    covariance = np.cov(x, rowvar=False)
    y = x @ answer
    fit = regress(torch.from_numpy(x), {"planted": y + 0.05 * noise})
    move = fit.shift("planted")
    assert cosine(move, covariance @ answer) >= 0.99
    assert move @ answer == pytest.approx(y.std(), rel=0.05)
    assert fit.correlations[0] > 0.95


def test_a_held_measure_stays(codes):
    x, answer = codes
    other = np.roll(answer, 7) + 0.5 * answer
    fit = regress(torch.from_numpy(x), {"planted": x @ answer, "other": x @ other})
    move = fit.shift("planted", held=["other"], amount=2.0)
    assert move @ answer == pytest.approx(2.0, rel=0.03)
    assert abs(move @ other) < 0.05
    with pytest.raises(DirectionError, match="no measure is named 'smile'; they are planted, other"):
        fit.shift("smile")


def test_values_that_are_not_known_are_left_out(codes):
    x, answer = codes
    y = x @ answer
    y[::3] = np.nan
    assert cosine(regress(torch.from_numpy(x), {"a": y}).shift("a"), np.cov(x, rowvar=False) @ answer) >= 0.99
    with pytest.raises(DirectionError, match="'a' is known of 0 codes"):
        regress(torch.from_numpy(x), {"a": np.full(len(x), np.nan)})


def test_any_function_of_pictures_gives_a_direction_of_the_generator(toy):
    picture = torch.randn(3, 16, 16, generator=torch.Generator().manual_seed(1))
    found = measured(toy, lambda shown: float((shown * picture).sum()), name="likeness", count=800, psi=1.0)
    w = toy.mapped(20_000).double()
    draw = torch.Generator().manual_seed(5)
    basis, _ = torch.linalg.qr(torch.randn(768, toy.w_dim, generator=draw))
    answer = torch.cov(w.T) @ (basis.T @ picture.flatten()).double()
    assert cosine(found.rows[0], answer) >= 0.99
    assert found.about.measure == "likeness" and found.about.fingerprint == toy.fingerprint


@pytest.mark.parametrize("kind", ["svm", "lda", "mean"])
def test_a_planted_boundary_is_recovered_from_labels_and_scores(kind):
    draw = np.random.default_rng(0)
    answer = draw.normal(size=16)
    answer /= np.linalg.norm(answer)
    x = draw.normal(size=(20_000, 16))
    scores = x @ answer
    assert cosine(boundary(torch.from_numpy(x), scores, kind=kind, extremes=0.2), answer) >= 0.99
    assert cosine(boundary(torch.from_numpy(x), (scores > 0).astype(float), kind=kind), answer) >= 0.99


def test_a_conditional_boundary_crosses_no_other():
    draw = np.random.default_rng(0)
    first, others = draw.normal(size=16), draw.normal(size=(2, 16))
    left = conditional(first, others)
    assert np.abs(others @ left).max() < 1e-12
    with pytest.raises(DirectionError, match="two codes on either side, got 100 and 0"):
        boundary(torch.from_numpy(draw.normal(size=(100, 16))), np.zeros(100))


def planted_weights(mini):
    """The mini generator with affine maps that amplify one direction most, and that direction."""
    import copy

    network = copy.deepcopy(mini.network)
    draw = torch.Generator().manual_seed(0)
    answer = torch.randn(mini.w_dim, generator=draw)
    answer /= answer.norm()
    for item in affines(network.synthesis):
        noise = 0.02 * torch.randn(item.channels, mini.w_dim, generator=draw)
        item.layer.weight.data = noise + torch.randn(item.channels, 1, generator=draw).sign() * answer
    return Generator(network, mini.card), answer


def test_sefa_recovers_what_the_weights_amplify(mini):
    generator, answer = planted_weights(mini)
    first, second = sefa(generator, count=2)
    assert abs(cosine(first.rows[0], answer)) >= 0.99
    assert abs(cosine(first.rows[0], second.rows[0])) < 1e-5
    assert sefa(generator, count=1, layers=[0, 1])[0].layers == (0, 1)
    with pytest.raises(DirectionError, match=r"layers \[77\]: mini has layers 0 to"):
        sefa(generator, layers=[77])


def test_ganspace_recovers_the_widest_axes_in_their_order(mini):
    draw = torch.Generator().manual_seed(0)
    axes, _ = torch.linalg.qr(torch.randn(mini.w_dim, mini.w_dim, generator=draw))
    scales = torch.ones(mini.w_dim)
    scales[:2] = torch.tensor([6.0, 3.0])
    w = torch.randn(20_000, mini.w_dim, generator=draw) * scales @ axes.T
    found = ganspace(mini, count=2, codes=w, layers=[2, 3])
    for index, item in enumerate(found):
        assert abs(cosine(item.rows[2], axes[:, index])) >= 0.99
        assert float(item.rows[2].norm()) == pytest.approx(float(scales[index]), rel=0.05)
        assert item.layers == (2, 3)


def test_pairs_average_away_what_differs_in_one_alone(mini):
    before = [mini.sample(seed) for seed in range(40)]
    answer = some(mini)
    draw = torch.Generator().manual_seed(2)
    after = [x.ws + answer.rows + 0.3 * torch.randn(x.ws.shape, generator=draw) for x in before]
    found = pairs(mini, Latent(torch.cat([x.ws for x in before])), Latent(torch.cat(after)), name="found")
    assert found.cosine(answer) >= 0.99
    with pytest.raises(DirectionError, match="the codes before and after are the same"):
        pairs(mini, before[0], before[0], name="none")


def test_a_channel_that_examples_share_is_found(mini):
    draw = torch.Generator().manual_seed(0)
    codes = torch.randn(400, 1, mini.w_dim, generator=draw).repeat(1, mini.layers, 1)
    planted = next(item for item in affines(mini.network.synthesis) if not item.name.endswith("torgb"))
    move = channel_direction(mini, by_examples(mini, codes, codes[:9] + 1e-3)[0], name="x")
    assert isinstance(move, Direction)
    rows = style_direction(mini, {planted.name: {3: 4.0}}, name="planted").rows
    examples = codes[:30] + rows
    found = by_examples(mini, codes, examples, count=1)[0]
    assert (found.layer, found.index) == (planted.name, 3)
    assert channel_direction(mini, found, name="found").cosine(Direction(rows, About("planted"))) >= 0.99


def test_a_channel_as_an_offset_of_w_moves_its_style_and_no_other_of_its_row(mini):
    name = affines(mini.network.synthesis)[0].name
    item = style_direction(mini, {name: {2: 1.5}}, name="one")
    ws = mini.sample(0).ws
    before, after = to_styles(mini.network, ws), to_styles(mini.network, ws + item.rows)
    change = {layer: after[layer] - before[layer] for layer in before}
    if item.about.details["residual"] < 1e-3:
        assert float(change[name][0, 2]) == pytest.approx(1.5, rel=1e-3)
        assert float(sum(x.abs().sum() for x in change.values())) == pytest.approx(1.5, rel=1e-2)


def test_channels_of_a_region_change_it_more_than_others(mini):
    codes = torch.randn(50, 1, mini.w_dim, generator=torch.Generator().manual_seed(0)).repeat(1, mini.layers, 1)
    mask = torch.zeros(16, 16)
    mask[:8] = 1
    found = by_region(mini, codes, mask, count=3, layers=2)
    assert len(found) == 3 and found[0].score >= found[-1].score > 0
    with pytest.raises(DirectionError, match="expected 16 px and a region"):
        by_region(mini, codes, torch.zeros(16, 16))


# others' files


def test_boundaries_of_interfacegan_and_rows_are_read(mini, tmp_path):
    vector = np.random.default_rng(0).normal(size=(1, mini.w_dim)).astype(np.float32)
    np.save(tmp_path / "Smile_boundary.npy", vector)
    found = read_directions(tmp_path / "Smile_boundary.npy", mini)
    assert list(found) == ["smile-boundary"]
    assert torch.equal(found["smile-boundary"].rows, torch.from_numpy(vector).expand(mini.layers, -1))
    rows = torch.randn(mini.layers, mini.w_dim)
    torch.save(rows[None], tmp_path / "age.pt")
    assert torch.equal(read_directions(tmp_path / "age.pt", mini)["age"].rows, rows)
    torch.save({"age": rows, "pose": rows[0]}, tmp_path / "both.pt")
    assert list(read_directions(tmp_path / "both.pt", mini)) == ["age", "pose"]


def test_components_of_ganspace_are_read_one_standard_deviation_long(mini, tmp_path):
    components = np.linalg.qr(np.random.default_rng(0).normal(size=(mini.w_dim, mini.w_dim)))[0][:3, None]
    np.savez(tmp_path / "components.npz", lat_comp=components, lat_stdev=np.array([3.0, 2.0, 1.0]), act_mean=[0.0])
    found = read_directions(tmp_path / "components.npz", mini)
    assert [round(float(item.rows[0].norm()), 4) for item in found.values()] == [3.0, 2.0, 1.0]


def test_statistics_of_styleclip_give_an_edit_of_styles(mini, tmp_path):
    layers = [item for item in affines(mini.network.synthesis) if not item.name.endswith("torgb")]
    statistics = np.zeros((sum(item.channels for item in layers), 8), dtype=np.float32)
    statistics[1, 0], statistics[4, 1] = 0.5, 0.05
    np.save(tmp_path / "fs3.npy", statistics)
    read = read_statistics(tmp_path / "fs3.npy", mini)
    spread = [torch.full((item.channels,), 2.0) for item in layers]
    found = text_direction(mini, read, torch.eye(8)[0], spread, name="text")
    assert found.cosine(style_direction(mini, {layers[0].name: {1: 2.0}}, name="x")) >= 0.99
    with pytest.raises(DirectionError, match=r"no channel has a relevance of 0\.1; lower it"):
        text_direction(mini, read, torch.eye(8)[1], spread, name="text")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (np.zeros((3, 5), np.float32), r"'x' has shape \(3, 5\), mini takes"),
        (np.array(["a"]), "no direction: it holds a list"),
        (np.zeros(0, np.float32), r"'x' has shape \(0,\), mini takes"),
    ],
)
def test_what_is_no_direction_is_refused_in_one_line(mini, tmp_path, content, words):
    np.save(tmp_path / "x.npy", content)
    with pytest.raises(DirectionError, match=words):
        read_directions(tmp_path / "x.npy", mini)


def test_a_pickle_that_runs_code_is_not_run(mini, tmp_path):
    class Bomb:
        def __reduce__(self):
            return (print, ("boom",))

    torch.save({"age": Bomb()}, tmp_path / "x.pt")
    with pytest.raises(DirectionError):
        read_directions(tmp_path / "x.pt", mini)


# words


def test_words_say_what_directions_do():
    assert say("smiling, older, with glasses") == {"smile": 1.0, "age": 1.0, "glasses": 1.0}
    assert say("slightly younger and without a beard") == {"age": -0.5, "beard": -1.0}
    assert say("very gray hair; no makeup") == {"grey-hair": 1.5, "make-up": -1.0}
    with pytest.raises(DirectionError, match="'smilling' says nothing known; did you mean 'smiling'"):
        say("smilling")
    with pytest.raises(DirectionError, match="nothing was said"):
        say(" , ")


# what a unit changes


def test_the_report_tells_what_a_unit_changes_as_numbers_and_as_a_picture(mini, tmp_path):
    from wplus.alignment.measures import MEASURES
    from wplus.pipelines.entanglement import entanglement

    picture = mini(mini.mean_ws)[0]
    light = measured(mini, lambda shown: float((shown - picture).mean()), name="light", count=60)
    codes = mini.sample(range(4)).ws
    found = entanglement(mini, [light, 0 * light], codes)
    assert found.changes.shape == (2, len(MEASURES))
    assert found.changes[0, MEASURES.index("brightness")] > 0.2
    assert not found.changes[1].any()
    assert found.faces.tolist() == [0, 0]  # 16 px of noise are no face
    found.save(tmp_path / "e.csv")
    found.draw(tmp_path / "e.png")
    head, first, _ = (tmp_path / "e.csv").read_text().splitlines()
    assert head.startswith("direction,mouth-width,") and first.startswith("light,")
    assert (tmp_path / "e.png").stat().st_size > 5000


def test_measures_of_a_face_do_not_depend_on_its_size():
    from skimage import data

    from wplus.alignment import align
    from wplus.alignment.measures import MEASURES, measure

    found = [measure(align(data.astronaut(), size=size).picture) for size in (256, 128)]
    assert abs(found[0]["yaw"] - found[1]["yaw"]) < 4
    for name in ("mouth-width", "mouth-opening", "brows-raised", "brightness"):
        assert found[0][name] == pytest.approx(found[1][name], abs=0.05)
    with pytest.raises(ValueError, match="no measure is named smile; they are mouth-width"):
        measure(align(data.astronaut(), size=64).picture, ["smile"])
    assert set(found[0]) == set(MEASURES)


def test_areas_of_a_face_lie_where_they_should():
    from skimage import data

    from wplus.alignment import align
    from wplus.alignment.areas import AREAS, area
    from wplus.alignment.measures import landmarks_of

    points = landmarks_of(align(data.astronaut(), size=256).picture)
    masks = {name: area(points, name, size=128) for name in AREAS}
    mouth, eye = (points[list(group)].mean(0) * 128 for group in (range(48, 60), range(36, 42)))
    at = lambda name, place: float(masks[name][round(place[1]), round(place[0])])
    assert at("lower-face", mouth) > 0.95 and at("lower-face", eye) < 0.5
    assert at("upper-face", eye) > 0.95 and at("upper-face", mouth) < 0.05
    assert at("face", mouth) > 0.95 and at("face", eye) > 0.95 and at("hair", mouth) < 0.05
    assert float((masks["head"] - masks["face"]).min()) > -0.05
    with pytest.raises(ValueError, match="no area is named nose; they are face"):
        area(points, "nose", size=64)
