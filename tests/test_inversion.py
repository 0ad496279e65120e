"""The descent loop on problems with known answers, and its laws."""

import functools
import math
import re
import signal

import pytest
import torch
from torch import nn

from wplus.alignment import Alignment, Crop
from wplus.core import GeneratorError
from wplus.inversion import Given, Mean, Random, W, WPlus, Z, image2stylegan, invert, steps
from wplus.models import Card, Generator, StyleGAN2, StyleGAN2Config, load_perceptual
from wplus.optimisation import Adam, Objective, Perceptual, Pixel, Projector, QuasiNewton, Settings
from wplus.optimisation.losses.term import WholePicture
from wplus.optimisation.progress import load_progress, save_progress
from wplus.pipelines.folder import Recipe

PIXEL = Objective((Pixel(),))


class OrthogonalSynthesis(nn.Module):
    """A fixed orthogonal map from codes to pixels: the best codes are the transpose of the picture."""

    def __init__(self, layers, w_dim, resolution):
        super().__init__()
        size = 3 * resolution**2
        matrix = torch.linalg.qr(torch.randn(size, size, generator=torch.Generator().manual_seed(1))).Q
        self.matrix = nn.Parameter(matrix[: layers * w_dim])
        self.resolution = resolution
        self.noise_shapes = []

    def forward(self, ws, noise="const"):
        return (ws.flatten(1) @ self.matrix).reshape(-1, 3, self.resolution, self.resolution)


@pytest.fixture(scope="module")
def toy():
    torch.manual_seed(0)
    network = StyleGAN2(StyleGAN2Config(channels=(4, 4), z_dim=8, w_dim=8, mapping_layers=1))
    network.synthesis = OrthogonalSynthesis(4, 8, 8)
    return Generator(network, Card("toy", perceptual="none"))


def crop_of(picture):
    size = picture.shape[1]
    quad = ((0.0, 0.0), (0.0, 9.0), (9.0, 9.0), (9.0, 0.0))
    return Crop(picture, Alignment(quad, (10, 10), size))


def codes(count, layers=4, seed=5):
    return torch.randn(count, layers, 8, generator=torch.Generator().manual_seed(seed))


def test_the_known_codes_are_found(toy):
    wanted = codes(1)
    found = invert(toy, crop_of(toy(wanted)[0]), objective=PIXEL, settings=Settings(steps=400))
    assert torch.allclose(found.latent.ws, wanted, atol=1e-3)
    assert found.stopped == (None,)
    assert found.history[0][-1] < 1e-6 * found.history[0][0]


def test_in_w_the_nearest_single_vector_is_found(toy):
    picture = toy(codes(1))
    found = invert(toy, crop_of(picture[0]), objective=PIXEL, space=W(), settings=Settings(steps=400))
    # with an orthogonal map the nearest equal rows are the mean of the rows
    assert torch.allclose(found.latent.ws, codes(1).mean(dim=1, keepdim=True).expand(-1, 4, -1), atol=1e-3)
    assert found.latent.origin.settings["space"] == "W"


def test_in_z_the_code_is_one_that_the_mapping_network_gives(toy):
    z = torch.randn(1, 8, generator=torch.Generator().manual_seed(9))
    wanted = toy.map(z)
    found = invert(toy, crop_of(toy(wanted)[0]), objective=PIXEL, space=Z(), settings=Settings(steps=400))
    assert found.history[0][-1] < 1e-3 * found.history[0][0]
    assert found.latent.origin.settings["space"] == "Z"
    beyond = 10 * wanted + torch.arange(4)[None, :, None]
    free = invert(toy, crop_of(toy(beyond)[0]), objective=PIXEL, settings=Settings(steps=100))
    bound = invert(toy, crop_of(toy(beyond)[0]), objective=PIXEL, space=Z(), settings=Settings(steps=100))
    assert torch.equal(bound.latent.ws[:, 0], bound.latent.ws[:, -1])
    assert bound.history[0][-1] > free.history[0][-1]


def test_z_begins_at_the_nearest_draw_and_refuses_classes(mini):
    drawn = torch.randn(1000, mini.z_dim, generator=torch.Generator().manual_seed(0))
    assert torch.equal(Z().code(mini.map(drawn[[3, 700]]), mini), drawn[[3, 700]])
    network = StyleGAN2(StyleGAN2Config(channels=(4,), z_dim=8, w_dim=8, mapping_layers=1, labels=2))
    classes = Generator(network, Card("classes"))
    with pytest.raises(GeneratorError, match="invert in W or W"):
        Z().code(torch.zeros(1, 2, 8), classes)


class Scaled(WholePicture):
    """An objective made tiny: Adam would hide a loss that is divided by the batch, its epsilon does not."""

    def __init__(self, term, scale):
        self.term, self.scale, self.name = term, scale, term.name

    def against(self, target):
        compare = self.term.against(target)
        return lambda images: compare(images) * self.scale

    def to_json(self):
        return {}


def test_a_batch_gives_what_its_images_give_alone(mini):
    network = load_perceptual("vgg-slim")
    objective = Objective((Scaled(Perceptual(network), 1e-8), Scaled(Pixel(), 1e-8)))
    pictures = torch.cat([mini(mini.sample(seed)) for seed in range(3)]).clamp(-1, 1)
    for start in (Mean(), Random()):
        settings = Settings(steps=8, method=Adam())
        run = functools.partial(invert, mini, objective=objective, start=start, settings=settings, compute="fast")
        together = run([crop_of(p) for p in pictures])
        for index, picture in enumerate(pictures):
            alone = run(crop_of(picture))
            assert torch.allclose(together.latents[index].ws, alone.latent.ws, atol=1e-4)
            assert together.history[index] == pytest.approx(alone.history[0], rel=1e-4)


def test_a_record_belongs_to_one_moment(mini):
    target = mini(mini.sample(1)).clamp(-1, 1)
    compare = PIXEL.against(target)
    for record in steps(mini, target, PIXEL, space=WPlus(), start=Mean(), settings=Settings(steps=3)):
        assert torch.equal(compare(mini(record.ws))["pixel"], record.losses["pixel"])


def test_the_best_codes_are_kept_not_the_last(toy):
    picture = toy(codes(1))
    wild = Settings(steps=30, method=Adam(learning_rate=0.8, final_rate=1.0))
    found = invert(toy, crop_of(picture[0]), objective=PIXEL, settings=wild)
    loss = float((toy(found.latent.ws) - picture).square().mean())
    assert loss == pytest.approx(min(found.history[0]), rel=1e-5)
    assert found.latent.origin.losses["pixel"] == pytest.approx(loss, rel=1e-5)


def test_a_run_that_was_broken_off_ends_as_if_it_had_not_been(mini, tmp_path):
    crop = crop_of(mini(mini.sample(1)).clamp(-1, 1)[0])
    settings = Settings(steps=12)
    whole = invert(mini, crop, objective=PIXEL, settings=settings)

    first = invert(mini, crop, objective=PIXEL, settings=settings, stop=lambda record: record.step == 5)
    assert first.interrupted
    assert len(first.history[0]) == 6
    save_progress(tmp_path / "p.safetensors", first.progress, index=0, key="k")
    assert load_progress(tmp_path / "p.safetensors", key="other") is None
    resume = load_progress(tmp_path / "p.safetensors", key="k")
    rest = invert(mini, crop, objective=PIXEL, settings=settings, resume=resume)
    assert torch.equal(rest.latent.ws, whole.latent.ws)
    assert first.history[0] + rest.history[0] == whole.history[0]


def test_a_picture_that_is_not_finite_stops_alone(toy):
    good, bad = toy(codes(1))[0], torch.full((3, 8, 8), math.nan)
    found = invert(toy, [crop_of(bad), crop_of(good)], objective=PIXEL, settings=Settings(steps=300))
    assert "is not finite" in found.stopped[0]
    assert found.stopped[1] is None
    assert torch.isfinite(found.latents[0].ws).all()
    assert torch.allclose(found.latents[1].ws, codes(1), atol=1e-2)


def test_a_descent_that_diverges_keeps_its_best_codes(toy):
    picture = toy(codes(1))
    found = invert(
        toy, crop_of(picture[0]), objective=PIXEL, settings=Settings(steps=50, method=Adam(learning_rate=100.0))
    )
    assert "diverged" in found.stopped[0]
    assert len(found.history[0]) < 51
    start = float((toy(Mean().ws(toy, picture, seed=0)) - picture).square().mean())
    assert float((toy(found.latent.ws) - picture).square().mean()) <= start


def test_the_papers_preset_is_the_papers():
    paper = Settings.image2stylegan()
    assert paper.steps == 5000
    adam = paper.method
    assert (adam.learning_rate, adam.beta1, adam.beta2, adam.epsilon) == (0.01, 0.9, 0.999, 1e-8)
    assert adam.rate(0, 5000) == adam.rate(4999, 5000) == 0.01
    perceptual, pixel = image2stylegan(load_perceptual("vgg-slim")).terms
    assert perceptual.taps == ("conv1_1", "conv1_2", "conv3_2", "conv4_2")
    assert perceptual.weight == pixel.weight == 1
    assert not perceptual.after_relu
    assert Mean().samples == 10_000


def test_settings_refuse_nonsense():
    for record, wrong in (
        (Settings, {"steps": -1}),
        (Settings, {"plateau": 1.0}),
        (Settings, {"seconds": -1.0}),
        (Adam, {"learning_rate": 0.0}),
        (Adam, {"final_rate": 0.0}),
        (Projector, {"peak_rate": 0.0}),
        (QuasiNewton, {"history": 0}),
    ):
        with pytest.raises(ValueError, match="must"):
            record(**wrong)


def test_starts_are_what_they_say(mini):
    mean = Mean().ws(mini, torch.zeros(2, 3, 16, 16), seed=0)
    z = torch.randn(10_000, 16, generator=torch.Generator().manual_seed(0))
    assert torch.allclose(mean[0, 0], mini.map(z).mean(dim=0)[0], atol=1e-5)
    assert torch.equal(mean[0], mean[1])
    random = Random().ws(mini, torch.zeros(1, 3, 16, 16), seed=1)
    assert random.min() >= -1
    assert random.max() <= 1
    assert random.std() == pytest.approx(1 / math.sqrt(3), rel=0.2)
    given = mini.sample(4)
    assert torch.equal(Given(given).ws(mini, torch.zeros(2, 3, 16, 16), seed=0), given.ws.expand(2, -1, -1))


def test_a_crop_of_another_size_is_refused(mini):
    with pytest.raises(ValueError, match="expected 16 px square"):
        invert(mini, crop_of(torch.zeros(3, 8, 8)), objective=PIXEL)


def test_the_perceptual_term_is_the_mean_square_at_each_tap():
    network = load_perceptual("vgg-slim")
    a, b = torch.rand(2, 3, 32, 32) * 2 - 1, torch.rand(2, 3, 32, 32) * 2 - 1
    term = Perceptual(network, weight=3.0)
    features = [network(x, term.taps) for x in (a, b)]
    expected = sum((features[0][tap] - features[1][tap]).pow(2).flatten(1).mean(1) for tap in term.taps)
    assert torch.allclose(term.against(b)(a), 3 * expected, rtol=1e-5)
    assert term.against(a)(a).abs().max() == 0


def test_a_finished_run_can_be_resumed_and_stays_as_it_is(mini):
    crop = crop_of(mini(mini.sample(1)).clamp(-1, 1)[0])
    done = invert(mini, crop, objective=PIXEL, settings=Settings(steps=4))
    again = invert(mini, crop, objective=PIXEL, settings=Settings(steps=4), resume=done.progress)
    assert torch.equal(again.latent.ws, done.latent.ws)


def test_a_start_at_the_optimum_does_not_count_as_diverging(toy):
    from wplus.core import Latent

    found = invert(
        toy, crop_of(toy(codes(1))[0]), objective=PIXEL, start=Given(Latent(codes(1))), settings=Settings(steps=5)
    )
    assert found.stopped == (None,)
    assert torch.equal(found.latent.ws, codes(1))


def test_terms_refuse_nonsense():
    with pytest.raises(ValueError, match="finite and not negative"):
        Pixel(weight=math.nan)
    with pytest.raises(ValueError, match="vgg-slim has no conv5_1"):
        Perceptual(load_perceptual("vgg-slim"), ("conv5_1",))
    with pytest.raises(ValueError, match="different names"):
        Objective((Pixel(), Pixel()))


def test_a_perceptual_term_without_taps_says_which_there_are():
    with pytest.raises(ValueError, match="a perceptual term needs taps; vgg-slim has conv1_1, conv1_2, "):
        Perceptual(load_perceptual("vgg-slim"), ())


def test_a_recipe_in_a_space_of_no_such_name_says_which_there_are():
    for name in ("w+", "stylemap", ""):
        with pytest.raises(ValueError, match=rf"no space is named '{re.escape(name)}'; they are W\+, W, Z"):
            Recipe("faces-64", space=name).on("cpu")


def test_ctrl_c_ends_a_loop_of_inversions_at_once(mini):
    begun = []

    def press(record):
        signal.raise_signal(signal.SIGINT)

    def loop():
        for index, picture in enumerate(torch.cat([mini(mini.sample(seed)) for seed in range(3)])):
            begun.append(index)
            invert(mini, crop_of(picture), objective=PIXEL, settings=Settings(steps=9), watch=press)

    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # a background job may ignore Ctrl-C
    try:
        with pytest.raises(KeyboardInterrupt):
            loop()
    finally:
        signal.signal(signal.SIGINT, before)
    assert begun == [0]
