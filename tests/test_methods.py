"""Every method on problems with known answers, and the laws that all of them keep."""

import itertools
import math
import time

import pytest
import torch

from wplus.alignment import Alignment, Crop
from wplus.core.tensorfile import write_tensors
from wplus.inversion import PRESETS, Mean, PNNorm, W, WPlus, image2stylegan, invert, steps
from wplus.inversion.curvature import condensed, factor_for, measure, preconditioner_for
from wplus.inversion.steps import landscape_of
from wplus.models import Machine, load_generator, load_perceptual
from wplus.optimisation import Adam, Objective, Pixel, Projector, QuasiNewton, Settings
from wplus.optimisation.methods import Evaluation, Problem
from wplus.optimisation.preconditioner import Trust, from_factor
from wplus.optimisation.progress import load_progress, save_progress

PIXEL = Objective((Pixel(),))
METHODS = (Adam(), Projector(), QuasiNewton(), QuasiNewton(directions=0, history=3))


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("WPLUS_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def pictures(generator, *seeds):
    return torch.cat([generator(generator.sample(seed)).clamp(-1, 1) for seed in seeds])


def crops(images):
    quad = ((0.0, 0.0), (0.0, 9.0), (9.0, 9.0), (9.0, 0.0))
    return [Crop(image, Alignment(quad, (10, 10), image.shape[1])) for image in images]


class Valley:
    """Rosenbrock's function of two numbers a picture, shifted so that every picture has its own least point."""

    def __init__(self, count):
        self.least = torch.stack([torch.tensor([1.0, 1.0]) + 0.1 * index for index in range(count)])

    def __call__(self, step, code):
        code = code.detach().requires_grad_(True)
        x, y = (code - self.least + 1).unbind(1)
        losses = (1 - x).square() + 100 * (y - x * x).square()
        (gradient,) = torch.autograd.grad(losses.sum(), code)
        return Evaluation(step, code.detach(), losses.detach(), gradient)


def descend(update, valley, code, count):
    memory, losses = {}, []
    for step in range(count):
        at = valley(step, code)
        losses.append(at.losses)
        code, memory = update(at, memory)
    return torch.stack(losses)


@pytest.fixture
def problem(mini):
    return Problem(120, 0, landscape_of(mini, PIXEL, WPlus()))


def test_quasi_newton_finds_the_bottom_of_a_curved_valley_where_adam_is_far_from_it(problem):
    code = torch.tensor([[-1.2, 1.0], [3.0, -2.0], [0.0, 0.0]])
    found = descend(QuasiNewton(directions=0).on(problem), Valley(3), code, 120)
    assert found.amin(dim=0).max() < 1e-6
    adam = descend(Adam(learning_rate=0.02).on(problem), Valley(3), code, 120)
    assert adam.amin(dim=0).max() > 1e-2


def test_every_picture_has_a_history_and_a_line_search_of_its_own(problem):
    code = torch.tensor([[-1.2, 1.0], [30.0, -20.0], [0.0, 0.0]])
    together = descend(QuasiNewton(directions=0).on(problem), Valley(3), code, 40)
    for index in range(3):
        valley = Valley(3)
        valley.least = valley.least[index : index + 1]
        alone = descend(QuasiNewton(directions=0).on(problem), valley, code[index : index + 1], 40)
        assert torch.allclose(together[:, index], alone[:, 0], rtol=1e-3, atol=1e-7)


def test_quasi_newton_goes_the_same_way_whatever_the_unit_of_the_loss(mini):
    crop, settings = crops(pictures(mini, 1)), Settings(steps=6)
    found = [
        invert(mini, crop, objective=Objective((Pixel(weight),)), settings=settings, compute="fast")
        for weight in (1.0, 1e-8)
    ]
    assert [1e-8 * loss for loss in found[0].history[0]] == pytest.approx(found[1].history[0], rel=1e-3)


def test_a_trial_that_is_not_finite_is_taken_back(problem):
    update = QuasiNewton(directions=0).on(problem)
    first = Evaluation(0, torch.zeros(1, 2), torch.tensor([1.0]), torch.tensor([[1.0, 0.0]]))
    trial, memory = update(first, {})
    bad = Evaluation(1, trial, torch.tensor([math.nan]), torch.full((1, 2), math.nan))
    shorter, memory = update(bad, memory)
    assert torch.isfinite(shorter).all()
    assert 0 < shorter.norm() < trial.norm()
    assert torch.isfinite(memory["code"]).all()


def test_adam_is_torchs(mini):
    target = pictures(mini, 1, 2)
    code = Mean().ws(mini, target, seed=0).requires_grad_(True)
    optimiser = torch.optim.Adam([code], lr=0.05)
    method = Settings(steps=20, method=Adam(learning_rate=0.05, final_rate=1.0))
    for record in steps(mini, target, PIXEL, space=WPlus(), start=Mean(), settings=method):
        assert torch.allclose(record.ws, code, atol=1e-5)
        optimiser.zero_grad()
        (mini(code) - target).square().mean(dim=(1, 2, 3)).sum().backward()
        optimiser.step()


@pytest.mark.parametrize("method", METHODS, ids=lambda method: f"{method.name}-{getattr(method, 'directions', '')}")
@pytest.mark.parametrize(("compute", "rounding"), [("fast", 2e-3), ("mixed", 2e-2)])
def test_a_batch_gives_what_its_pictures_give_alone(mini, method, compute, rounding):
    target, settings = pictures(mini, 1, 2, 3), Settings(steps=6, method=method)
    together = invert(mini, crops(target), objective=PIXEL, settings=settings, compute=compute)
    for crop, history in zip(crops(target), together.history, strict=True):
        alone = invert(mini, crop, objective=PIXEL, settings=settings, compute=compute)
        assert alone.history[0] == pytest.approx(history, rel=rounding)


def test_gradients_in_bf16_end_a_descent_where_those_in_fp32_do(mini):
    target, settings = pictures(mini, 1, 2, 3), Settings(steps=80)
    ends = [
        torch.tensor(invert(mini, crops(target), objective=PIXEL, settings=settings, compute=compute).history)[:, -1]
        for compute in ("mixed", "fast")
    ]
    assert float((ends[0] / ends[1]).log().mean().exp()) < 1.02


@pytest.mark.parametrize("method", METHODS, ids=lambda method: f"{method.name}-{getattr(method, 'directions', '')}")
def test_a_run_that_was_broken_off_ends_as_if_it_had_not_been(mini, method, tmp_path):
    crop, settings = crops(pictures(mini, 1))[0], Settings(steps=12, method=method)
    whole = invert(mini, crop, objective=PIXEL, settings=settings)

    first = invert(mini, crop, objective=PIXEL, settings=settings, stop=lambda record: record.step == 7)
    save_progress(tmp_path / "p.safetensors", first.progress, index=0, key="k")
    resume = load_progress(tmp_path / "p.safetensors", key="k")
    rest = invert(mini, crop, objective=PIXEL, settings=settings, resume=resume)
    assert torch.equal(rest.latent.ws, whole.latent.ws)
    assert first.history[0] + rest.history[0] == whole.history[0]


@pytest.mark.skipif(not Machine.here().onednn, reason="no oneDNN for x86 here")
@pytest.mark.parametrize("last", [3, 4, 5, 7])
def test_a_run_in_bf16_that_was_broken_off_ends_as_if_it_had_not_been(mini, last, tmp_path):
    crop, settings = crops(pictures(mini, 1))[0], Settings(steps=10)
    whole = invert(mini, crop, objective=PIXEL, settings=settings, compute="bf16")

    first = invert(
        mini, crop, objective=PIXEL, settings=settings, compute="bf16", stop=lambda record: record.step == last
    )
    save_progress(tmp_path / "p.safetensors", first.progress, index=0, key="k")
    resume = load_progress(tmp_path / "p.safetensors", key="k")
    rest = invert(mini, crop, objective=PIXEL, settings=settings, compute="bf16", resume=resume)
    assert torch.equal(rest.latent.ws, whole.latent.ws)
    assert first.history[0] + rest.history[0] == whole.history[0]


@pytest.mark.skipif(not Machine.here().onednn, reason="no oneDNN for x86 here")
@pytest.mark.parametrize("ends", [{"target_loss": 1e9}, {"plateau": 0.999}, {}])
def test_what_bf16_found_is_told_in_fp32(mini, ends):
    crop = crops(pictures(mini, 1))[0]
    found = invert(mini, crop, objective=PIXEL, settings=Settings(steps=60, **ends), compute="bf16")
    exact = (mini(found.latent.ws) - crop.picture).square().mean()
    assert sum(found.latent.origin.losses.values()) == pytest.approx(float(exact), rel=1e-4)


def test_what_reached_the_loss_asked_for_leaves_the_batch_and_the_others_go_on(mini):
    easy, hard = mini(Mean().ws(mini, torch.zeros(1, 3, 16, 16), seed=0)), torch.rand(1, 3, 16, 16)
    settings = Settings(steps=15, target_loss=1e-3, method=Adam())
    rendered = []
    plain = type(mini).__call__
    try:
        type(mini).__call__ = lambda self, ws, **more: (rendered.append(len(ws)), plain(self, ws, **more))[1]
        found = invert(mini, crops(torch.cat([easy, hard])), objective=PIXEL, settings=settings, compute="fast")
    finally:
        type(mini).__call__ = plain
    assert rendered[0] == 2
    assert set(rendered[1:]) == {1}
    alone = invert(mini, crops(hard), objective=PIXEL, settings=settings, compute="fast")
    assert found.history[1] == pytest.approx(alone.history[0], rel=1e-4)
    assert found.latents[0].origin.losses["pixel"] < 1e-3


def test_a_plateau_ends_a_picture(mini):
    picture = mini(Mean().ws(mini, torch.zeros(1, 3, 16, 16), seed=0)) + 1
    settings = Settings(steps=2000, plateau=0.5, method=QuasiNewton(directions=0))
    found = invert(mini, crops(picture), objective=PIXEL, settings=settings)
    assert len(found.history[0]) < 500
    assert found.stopped == (None,)


def test_the_time_given_is_kept_and_the_best_codes_are_the_answer(mini, monkeypatch):
    ticks = itertools.count(step=0.1)  # a clock that goes on a tenth of a second whenever it is looked at
    monkeypatch.setattr(time, "monotonic", lambda: next(ticks))
    found = invert(mini, crops(pictures(mini, 1)), objective=PIXEL, settings=Settings(steps=10**6, seconds=5))
    assert len(found.history[0]) < 100
    assert found.latent.origin.losses["pixel"] == pytest.approx(min(found.history[0]), rel=1e-6)


@pytest.mark.parametrize("trust", [Trust(-0.5, 1.0), Trust(-0.65, 0.1)])
def test_the_preconditioner_is_a_power_of_a_damped_matrix(trust):
    factor = torch.randn(5, 3, 4, generator=torch.Generator().manual_seed(0))
    flat = factor.flatten(1).double()
    matrix = flat.T @ flat
    damped = matrix + trust.damping * matrix.diagonal().mean() * torch.eye(12)
    values, vectors = torch.linalg.eigh(damped)
    gradient = torch.randn(2, 12, generator=torch.Generator().manual_seed(1))
    expected = gradient.double() @ (vectors * values**trust.power) @ vectors.T
    assert torch.allclose(from_factor(factor, trust).apply(gradient), expected.float(), atol=1e-5)


def test_many_random_directions_measure_the_gauss_newton_matrix(mini):
    found = measure(mini, None, 2000).flatten(1)
    draw = torch.Generator().manual_seed(0)
    total = torch.zeros(found.shape[1], found.shape[1])
    for _ in range(20):
        code = mini.map(torch.randn(1, mini.z_dim, generator=draw), 0.7)
        jacobian = torch.autograd.functional.jacobian(lambda ws: mini(ws).flatten(), code).flatten(1)
        total += 2 * jacobian.T @ jacobian / len(jacobian) / 20
    matrix = found.T @ found
    assert float((matrix - total).norm() / total.norm()) < 0.3


def test_a_factor_is_condensed_to_what_counts(monkeypatch):
    monkeypatch.setattr("wplus.inversion.curvature.AXES", 4)
    draw = torch.Generator().manual_seed(0)
    factor = (torch.randn(30, 3, generator=draw) @ torch.randn(3, 12, generator=draw)).unflatten(1, (3, 4))
    found = condensed(factor)
    assert len(found) == 3  # no more are needed
    assert torch.allclose(product(found), product(factor), rtol=1e-4, atol=1e-3)
    noisy = factor + 0.01 * torch.randn(30, 3, 4, generator=draw)
    assert len(condensed(noisy)) == 4
    assert float((product(condensed(noisy)) - product(noisy)).norm() / product(noisy).norm()) < 1e-3
    assert torch.equal(condensed(factor[:4]), factor[:4])


def product(factor):
    return factor.flatten(1).T @ factor.flatten(1)


def test_a_preconditioner_is_measured_once_and_a_damaged_file_is_measured_again(mini, cache):
    first = preconditioner_for(mini, PIXEL, WPlus(), 16)
    (file,) = (cache / "preconditioners").iterdir()
    written = file.read_bytes()
    assert torch.equal(preconditioner_for(mini, PIXEL, WPlus(), 16).axes, first.axes)
    file.write_bytes(written[:100])
    assert torch.equal(preconditioner_for(mini, PIXEL, WPlus(), 16).axes, first.axes)
    assert file.read_bytes() == written
    write_tensors(file, {"factor": torch.zeros(1)}, {"kind": "preconditioner", "key": "another"})
    assert torch.equal(preconditioner_for(mini, PIXEL, WPlus(), 16).axes, first.axes)
    assert preconditioner_for(mini, PIXEL, W(), 16).axes.shape[1] == mini.w_dim
    assert preconditioner_for(mini, PIXEL, WPlus(), 0) is None


def test_measuring_tells_how_far_it_is_and_keeps_quiet_where_there_is_nothing_to_measure(mini, cache):
    told = []
    watch = lambda done, total: told.append((done, total))
    first = factor_for(mini, PIXEL, WPlus(), 20, watch=watch)
    assert told == [(8, 20), (16, 20), (20, 20)]
    assert torch.equal(factor_for(mini, PIXEL, WPlus(), 20, watch=watch), first)
    assert len(told) == 3
    assert factor_for(mini, PIXEL, WPlus(), 0, watch=watch) is None


def test_a_matrix_is_trusted_as_far_as_it_was_measured_and_less_with_penalties(mini, cache, monkeypatch):
    def scale(*penalties):
        return preconditioner_for(mini, Objective(PIXEL.terms, penalties), WPlus(), 16).free

    monkeypatch.setattr("wplus.inversion.curvature.AXES", 17)
    sparse = scale()
    assert scale(PNNorm(0.1)) == sparse
    monkeypatch.setattr("wplus.inversion.curvature.AXES", 16)
    assert len({sparse, scale(), scale(PNNorm(0.1))}) == 3


def test_the_shipped_preconditioner_belongs_to_the_shipped_generator(cache):
    generator = load_generator("faces-64")
    objective = image2stylegan(load_perceptual(generator.card.perceptual))
    assert preconditioner_for(generator, objective, WPlus(), QuasiNewton().directions) is not None
    assert not cache.exists()  # nothing was measured


def test_another_number_of_directions_is_measured_where_a_preconditioner_ships(cache, monkeypatch):
    generator, asked = load_generator("faces-64"), []
    objective = image2stylegan(load_perceptual(generator.card.perceptual))

    def measured(generator, network, directions, *, watch):
        asked.append(directions)
        return torch.randn(directions, generator.layers, generator.w_dim)

    monkeypatch.setattr("wplus.inversion.curvature.measure", measured)
    shipped = factor_for(generator, objective, WPlus(), QuasiNewton().directions)
    other = QuasiNewton().directions - 1
    for number in (other, 1, other):
        found = factor_for(generator, objective, WPlus(), number)
        assert len(found) == number and not torch.equal(found, shipped)
    assert asked == [other, 1]  # and each once


def test_presets_go_from_short_to_long():
    counts = [preset.settings.steps for preset in PRESETS.values()]
    assert counts == sorted(counts)
    assert PRESETS["paper"].settings == Settings.image2stylegan()
