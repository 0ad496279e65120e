"""Spaces, penalties, noise maps and masks of inversions: known answers, round trips, and what is refused."""

import functools
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from wplus.alignment import Alignment, Crop
from wplus.alignment.painted import mask_file, mask_sums, painted_mask
from wplus.core import GeneratorError, ImageError, Latent
from wplus.inversion import (
    PN,
    Codes,
    Given,
    Mean,
    NoiseCorrelation,
    P,
    PNNorm,
    Still,
    W,
    WithNoise,
    WPlus,
    image2stylegan,
    invert,
    refine_noise,
)
from wplus.inversion.noise import own_noise
from wplus.metrics import pn_norm
from wplus.models import (
    Card,
    Generator,
    StyleGAN2,
    StyleGAN2Config,
    StyleMapGAN,
    StyleMapGANConfig,
    fast,
    load_perceptual,
)
from wplus.models.pn import pn_of
from wplus.optimisation import Adam, Objective, Perceptual, Pixel, QuasiNewton, Settings, Towards
from wplus.optimisation.losses.gram import Gram
from wplus.optimisation.progress import load_progress, save_progress

PIXEL = Objective((Pixel(),))


class NoisySynthesis(nn.Module):
    """Codes to pictures of 8 px by an orthogonal map onto all of them, and a grey noise map on top."""

    def __init__(self):
        super().__init__()
        matrix = torch.linalg.qr(torch.randn(192, 192, generator=torch.Generator().manual_seed(1))).Q
        self.matrix = nn.Parameter(matrix)
        self.register_buffer("noise_const", torch.randn(8, 8, generator=torch.Generator().manual_seed(2)))
        self.noise_shapes = [(8, 8)]

    def forward(self, ws, noise="const"):
        maps = self.noise_const if noise == "const" else noise[0]
        return (ws.flatten(1) @ self.matrix).reshape(-1, 3, 8, 8) + 0.1 * maps


class Toy(nn.Module):
    """The mapping network of a small StyleGAN2 before another synthesis."""

    def __init__(self):
        super().__init__()
        network = StyleGAN2(StyleGAN2Config(channels=(4, 4), z_dim=48, w_dim=48, mapping_layers=1))
        self.config, self.mapping, self.synthesis = network.config, network.mapping, NoisySynthesis()


def codes(ws, noise, generator):
    """What penalties look at; they see no pictures."""
    return Codes(torch.zeros(len(ws), 3, 1, 1), ws, None if noise is None else tuple(noise), generator)


@pytest.fixture(scope="module")
def toy():
    torch.manual_seed(0)
    return Generator(Toy(), Card("toy", perceptual="none"))


@pytest.fixture(scope="module")
def maps():
    """A generator of stylemaps, which takes no noise."""
    return Generator(StyleMapGAN(StyleMapGANConfig((4, 4), z_dim=4, w_dim=4, side=4, mapping_layers=1)), Card("maps"))


def draws(*shape, seed=5):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def crop_of(picture):
    return Crop(picture, Alignment(((0.0, 0.0), (0.0, 9.0), (9.0, 9.0), (9.0, 0.0)), (10, 10), picture.shape[1]))


def mse(a, b):
    return (a - b).square().mean(dim=(1, 2, 3))


# P and P_N


@pytest.mark.parametrize("space", [P(), PN()])
def test_codes_come_back_from_p_and_pn_and_gradients_pass(mini, space):
    ws = draws(2, mini.layers, mini.w_dim)
    code = space.code(ws, mini).requires_grad_()
    assert torch.allclose(space.ws(code, mini), ws, atol=1e-3)
    space.ws(code, mini).sum().backward()
    assert bool((code.grad != 0).all())


@pytest.mark.parametrize("space", [P(), PN()])
def test_in_p_and_pn_the_known_codes_are_found(toy, space):
    wanted = toy.map(draws(1, 48))
    found = invert(toy, crop_of(toy(wanted)[0]), objective=PIXEL, space=space, settings=Settings(steps=400))
    assert found.history[0][-1] < 1e-3 * found.history[0][0]
    assert found.latent.origin.settings["space"] == space.name


def test_the_origin_of_pn_is_the_mean_of_p_and_it_is_fitted_once(mini):
    middle = PN().ws(torch.zeros(1, mini.layers, mini.w_dim), mini)
    assert torch.allclose(P().code(middle, mini)[0, 0], pn_of(mini).mean, atol=1e-6)
    assert pn_of(mini) is pn_of(fast(mini))


def test_stylemaps_have_no_p_and_no_pn(maps):
    ws = maps.sample(0).ws
    for call in (
        lambda: P().code(ws, maps),
        lambda: PN().code(ws, maps),
        lambda: PNNorm().losses(codes(ws, None, maps)),
    ):
        with pytest.raises(GeneratorError, match=r"^maps maps to a stylemap; P.* is for generators with W$"):
            call()


# penalties


def test_mapped_codes_cost_about_the_weight_and_the_middle_nothing(mini):
    mapped = mini.map(draws(200, mini.z_dim))
    assert float(PNNorm(0.5).losses(codes(mapped, None, mini)).mean()) == pytest.approx(0.5, rel=0.1)
    middle = PN().ws(torch.zeros(1, mini.layers, mini.w_dim), mini)
    assert float(PNNorm().losses(codes(middle, None, mini))) == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize("method", [Adam(), QuasiNewton(directions=0)])
def test_a_heavier_penalty_gives_likelier_codes_and_a_worse_picture(toy, method):
    crop = crop_of(toy(3 * draws(1, 4, 48))[0])
    found = []
    for weight in (0.0, 0.01, 0.1, 1.0):
        objective = replace(PIXEL, penalties=(PNNorm(weight),))
        latent = invert(toy, crop, objective=objective, settings=Settings(steps=100, method=method)).latent
        assert set(latent.origin.losses) == {"pixel", "P_N norm"}
        found.append((float(pn_norm(latent.ws, pn_of(toy))), latent.origin.losses["pixel"]))
    norms, errors = zip(*found, strict=True)
    assert list(norms) == sorted(norms, reverse=True)
    assert list(errors) == sorted(errors)


def test_noise_that_is_part_of_a_picture_costs_and_true_noise_does_not(toy):
    ws = torch.zeros(1, 4, 8)

    def cost(item):
        return float(NoiseCorrelation(1.0).losses(codes(ws, (item,), toy)))

    assert cost(torch.ones(1, 1, 8, 8)) == 2  # across and down
    assert cost(torch.ones(1, 1, 32, 32)) == 6  # at 32, 16 and 8 px
    stripes = torch.ones(16, 16)
    stripes[:, 1::2] = -1
    assert cost(stripes[None, None]) == 2  # -1 across, 1 down; nothing is left at 8 px
    assert cost(draws(1, 1, 64, 64)) < 0.01


def test_each_picture_pays_for_its_own_noise(toy):
    noise = (draws(3, 1, 16, 16), draws(3, 1, 4, 4))
    together = NoiseCorrelation().losses(codes(torch.zeros(3, 4, 8), noise, toy))
    alone = [
        NoiseCorrelation().losses(codes(torch.zeros(1, 4, 8), [x[i : i + 1] for x in noise], toy)) for i in range(3)
    ]
    assert torch.allclose(together, torch.cat(alone))
    with pytest.raises(ValueError, match="take a space that has some"):
        NoiseCorrelation().losses(codes(torch.zeros(1, 4, 8), None, toy))


# noise maps


@pytest.mark.parametrize("scale", [1.0, 8.0])
@pytest.mark.parametrize("codes", [WPlus(), W(), PN(), Still()])
def test_noise_begins_at_the_generators_own(mini, codes, scale):
    space, ws = WithNoise(codes, scale=scale), mini.map(draws(2, mini.z_dim))
    code = space.code(ws, mini)
    assert torch.allclose(space.ws(code, mini), ws, atol=1e-3)
    assert torch.equal(space.noise(code, mini)[-1][0], own_noise(mini)[-1][0])
    assert torch.allclose(mini(ws, noise=space.noise(code, mini)), mini(ws), atol=1e-5)


def test_noise_shows_what_is_left_of_the_picture_when_codes_stay(toy):
    start = Latent(draws(2, 4, 48), origin=toy.origin())
    left = 0.2 * draws(2, 3, 8, 8, seed=6)
    target = toy(start.ws) + left
    found = refine_noise(toy, list(map(crop_of, target)), start, objective=PIXEL, settings=Settings(steps=300))
    assert torch.equal(found.latent.ws, start.ws)
    best = own_noise(toy)[0] + left.mean(dim=1, keepdim=True) / 0.1  # a grey map explains the mean of the colours
    assert torch.allclose(found.latent.noise[0], best, atol=1e-2)


def test_where_codes_and_noise_move_together_both_do(toy):
    target = toy(draws(1, 4, 48))
    for space in (WithNoise(), WithNoise(normalised=True)):
        found = invert(toy, crop_of(target[0]), objective=PIXEL, space=space, settings=Settings(steps=300)).latent
        assert found.origin.losses["pixel"] < 1e-4
        assert found.origin.settings["space"] == "W+ and noise"
        assert not torch.allclose(found.noise[0], own_noise(toy)[0], atol=1e-3)
    assert float(found.noise[0].mean()) == pytest.approx(0, abs=1e-6)
    assert float(found.noise[0].square().mean()) == pytest.approx(1, abs=1e-5)
    single = invert(toy, crop_of(target[0]), objective=PIXEL, space=WithNoise(W()), settings=Settings(steps=3)).latent
    assert torch.equal(single.ws[:, 0], single.ws[:, 3])


def test_what_noise_was_fitted_to_is_what_the_saved_file_shows(mini, tmp_path):
    target = (mini(mini.sample(1)) + 0.1 * draws(1, 3, 16, 16)).clamp(-1, 1)
    crop = crop_of(target[0])
    first = invert(mini, crop, objective=PIXEL, settings=Settings(steps=20))
    found = refine_noise(mini, crop, first.latents, objective=PIXEL, scale=10, settings=Settings(steps=40)).latent
    found.save(tmp_path / "a.safetensors")
    again = Latent.load(tmp_path / "a.safetensors")
    assert torch.equal(mini(again), mini(found))
    assert float(mse(mini(again), target)) == pytest.approx(found.origin.losses["pixel"], rel=1e-5)
    assert found.origin.losses["pixel"] < first.latent.origin.losses["pixel"]
    assert torch.equal(found.ws, first.latent.ws)
    assert found.origin.settings["space"] == "noise"
    assert found.origin.settings["codes"] == first.latent.origin.settings


def test_noise_of_a_latent_is_gone_on_from(mini):
    crop, start = crop_of(mini(mini.sample(1)).clamp(-1, 1)[0]), mini.sample(2)
    first = refine_noise(mini, crop, start, objective=PIXEL, scale=10, settings=Settings(steps=20))
    more = refine_noise(mini, crop, first.latent, objective=PIXEL, scale=10, settings=Settings(steps=5))
    assert more.history[0][0] == pytest.approx(first.latent.origin.losses["pixel"], rel=1e-5)
    both = WithNoise(maps=first.latent.noise)
    moved = invert(
        mini, crop, objective=PIXEL, space=both, start=Given(first.latent), settings=Settings(steps=0)
    ).latent
    assert all(torch.equal(a, b) for a, b in zip(moved.noise, first.latent.noise, strict=True))


@pytest.mark.parametrize("space", [WithNoise(), WithNoise(Still(), scale=10), WithNoise(W(), normalised=True)])
def test_a_batch_with_noise_gives_what_its_pictures_give_alone(mini, space):
    pictures = torch.cat([mini(mini.sample(seed)) for seed in range(3)]).clamp(-1, 1)
    objective = replace(PIXEL, penalties=(NoiseCorrelation(0.01), PNNorm()))
    run = functools.partial(invert, mini, objective=objective, space=space, settings=Settings(steps=6), compute="fast")
    together = run(list(map(crop_of, pictures)))
    for index, picture in enumerate(pictures):
        alone = run(crop_of(picture))
        assert together.history[index] == pytest.approx(alone.history[0], rel=1e-4)
        for ours, theirs in zip(together.latents[index].noise, alone.latent.noise, strict=True):
            assert torch.allclose(ours, theirs, atol=1e-2)


@pytest.mark.parametrize("method", [Adam(), QuasiNewton()])
def test_noise_that_was_broken_off_ends_as_if_it_had_not_been(mini, tmp_path, method):
    crop, start = crop_of(mini(mini.sample(1)).clamp(-1, 1)[0]), mini.sample(2)
    settings = Settings(steps=8, method=method)
    whole = refine_noise(mini, crop, start, objective=PIXEL, settings=settings)

    first = refine_noise(mini, crop, start, objective=PIXEL, settings=settings, stop=lambda record: record.step == 3)
    save_progress(tmp_path / "p.safetensors", first.progress, index=0, key="k")
    resume = load_progress(tmp_path / "p.safetensors", key="k")
    rest = refine_noise(mini, crop, start, objective=PIXEL, settings=settings, resume=resume)
    assert torch.equal(rest.latent.ws, start.ws)
    assert all(torch.equal(a, b) for a, b in zip(rest.latent.noise, whole.latent.noise, strict=True))


def test_what_takes_no_noise_says_so_and_wrong_maps_are_refused(mini, maps):
    with pytest.raises(GeneratorError, match=r"^maps takes no noise; use a space without$"):
        refine_noise(maps, crop_of(torch.zeros(3, 8, 8)), maps.sample(0), objective=PIXEL)
    ws, own = mini.map(draws(3, mini.z_dim)), own_noise(mini)
    with pytest.raises(ValueError, match="noise maps of 2 pictures, expected 1 or 3"):
        WithNoise(maps=tuple(item.expand(2, -1, -1, -1) for item in own)).code(ws, mini)
    with pytest.raises(ValueError, match="mini takes"):
        WithNoise(maps=own[:-1]).code(ws, mini)
    with pytest.raises(ValueError, match="scale must be positive"):
        WithNoise(scale=0.0)


# masks


def test_a_mask_of_ones_is_no_mask():
    network = load_perceptual("vgg-slim")
    a, b = draws(2, 3, 40, 40).clamp(-1, 1), draws(2, 3, 40, 40, seed=6).clamp(-1, 1)
    objective = image2stylegan(network)
    plain = objective.against(a)(b)
    for ones in (torch.ones(40, 40), torch.ones(2, 40, 40), torch.ones(7, 9)):
        masked = objective.within(ones).against(a)(b)
        assert all(torch.equal(masked[name], plain[name]) for name in plain)


def test_only_what_counts_is_fitted(toy):
    target = toy(draws(1, 4, 48))
    mask = torch.zeros(8, 8)
    mask[:, :4] = 1
    settings = Settings(steps=20, method=QuasiNewton(directions=0))  # Adam would turn the gradient
    found = invert(toy, crop_of(target[0]), objective=PIXEL.within(mask), settings=settings).latent
    before = toy(Mean().ws(toy, target, seed=0))  # pixels of this toy are free of each other
    assert torch.allclose(toy(found)[..., :4], target[..., :4], atol=1e-2)
    assert torch.allclose(toy(found)[..., 4:], before[..., 4:], atol=1e-4)
    assert found.origin.settings["objective"]["pixel"]["area"] == 0.5


def test_every_picture_has_its_own_mask(mini):
    network = load_perceptual("vgg-slim")
    pictures = torch.cat([mini(mini.sample(seed)) for seed in range(3)]).clamp(-1, 1)
    masks = (draws(3, 16, 16) > 0).float()
    objective = image2stylegan(network)
    run = functools.partial(invert, mini, settings=Settings(steps=3), compute="fast")
    together = run(list(map(crop_of, pictures)), objective=objective.within(masks))
    for index, picture in enumerate(pictures):
        alone = run(crop_of(picture), objective=objective.within(masks[index]))
        assert together.history[index] == pytest.approx(alone.history[0], rel=1e-4)


def test_masks_and_references_go_along_with_the_pictures_that_remain():
    network, rows = load_perceptual("vgg-slim"), torch.tensor([0, 2])
    target, images, references = (draws(3, 3, 16, 16, seed=seed).clamp(-1, 1) for seed in range(3))
    masks = (draws(3, 16, 16) > 0).float()
    mask = Pixel(mask=masks)
    terms = (Perceptual(network, mask=masks), mask, Towards(mask, references, "one each"), Pixel(name="plain"))
    objective = Objective((*terms, Towards(Pixel(), references[:1], "one for all")))
    whole, some = objective.against(target)(images), objective.select(rows).against(target[rows])(images[rows])
    assert all(torch.allclose(some[name], whole[name][rows], rtol=1e-4) for name in whole)
    with pytest.raises(ValueError, match="masks of 3 pictures for 2"):
        objective.against(target[rows])


def test_a_mask_of_the_picture_leaves_a_terms_own_in_force():
    network = load_perceptual("vgg-slim")
    images, target = (draws(2, 3, 16, 16, seed=seed).clamp(-1, 1) for seed in range(2))
    left, top = torch.zeros(16, 16), torch.zeros(16, 16)
    left[:, :8], top[:8] = 1, 1
    makes = [
        lambda mask: Pixel(mask=mask),
        lambda mask: Perceptual(network, mask=mask),
        lambda mask: Gram(network, mask=mask),
        lambda mask: Towards(Pixel(mask=mask), target[:1], "towards"),
    ]
    for make in makes:
        own, both = Objective((make(left),)).within(top), Objective((make(left * top),))
        (found,), (expected,) = (item.against(target)(images).values() for item in (own, both))
        assert torch.allclose(found, expected, rtol=1e-5), make(left).name
    nowhere = Objective((Pixel(mask=1 - left),)).within(left)  # what a term must not see it does not see
    assert float(nowhere.against(target)(images)["pixel"].abs().max()) == 0


def test_masks_refuse_nonsense_and_tell_themselves_apart():
    for wrong in (-torch.ones(4, 4), 2 * torch.ones(4, 4), torch.full((4, 4), math.nan), torch.ones(1, 1, 4, 4)):
        with pytest.raises(ValueError, match="a mask has weights in"):
            Pixel(mask=wrong)
    left, right = torch.eye(4), torch.eye(4).flip(0)
    assert Pixel(mask=left).to_json()["mask"] != Pixel(mask=right).to_json()["mask"]
    assert Pixel().to_json() == {"weight": 1.0}


def write_grey(path, array):
    Image.fromarray(np.asarray(array, dtype=np.uint8)).save(path)
    return path


def upright(left, top, side, *, photo, size):
    """The alignment of an upright square of the photograph's pixels."""
    a, b, c, d = (left - 0.5, top - 0.5), (left - 0.5, top + side - 0.5), (left + side - 0.5,) * 2, (0.0, 0.0)
    c, d = (left + side - 0.5, top + side - 0.5), (left + side - 0.5, top - 0.5)
    return Alignment((a, b, c, d), photo, size)


@pytest.mark.parametrize("reduced", [1, 2])
def test_a_mask_over_the_photograph_is_seen_in_the_crop(tmp_path, reduced):
    painted = np.zeros((120, 160))
    painted[:, :80] = 255  # the square lies from 40 to 104: its part left of 80 is marked
    path = write_grey(tmp_path / "mask.png", painted[::reduced, ::reduced])
    mask = painted_mask(path, upright(40, 30, 64, photo=(160, 120), size=32))
    assert mask.shape == (32, 32)
    assert mask[:, :19].min() > 0.99
    assert mask[:, 21:].max() < 0.01


def test_a_square_mask_lies_over_the_crop(tmp_path):
    painted = np.zeros((64, 64))
    painted[:32] = 255
    path = write_grey(tmp_path / "mask.png", painted)
    mask = painted_mask(path, upright(40, 30, 64, photo=(160, 120), size=16))
    assert torch.equal(mask.round(), torch.cat([torch.ones(8, 16), torch.zeros(8, 16)]))


def test_masks_that_fit_nothing_are_refused_in_one_line(tmp_path):
    alignment = upright(40, 30, 64, photo=(160, 120), size=16)
    beside = np.zeros((120, 160))
    beside[:, 140:] = 255
    for name, array, message in (
        ("black", np.zeros((120, 160)), "an empty mask; paint"),
        ("photo", np.random.default_rng(0).integers(0, 255, (120, 160, 3)), "a picture in colours; a mask is black"),
        ("dark", np.full((16, 16), 9), "an empty mask; paint"),
        ("beside", beside, "marks nothing of the face; paint"),
        ("odd", np.ones((50, 160)), "160 x 50 is neither of the shape of the photograph, 160 x 120, nor square"),
    ):
        path = write_grey(tmp_path / f"{name}.png", array)
        with pytest.raises(ImageError, match=message) as caught:
            painted_mask(path, alignment)
        assert str(caught.value).startswith(str(path))
        assert "\n" not in str(caught.value)
    with pytest.raises(ImageError, match="no such file"):
        painted_mask(tmp_path / "none.png", alignment)


def test_a_new_mask_in_a_folder_is_news_for_its_photograph_alone(tmp_path):
    me, her, him = (Path(f"photos/{name}.jpg") for name in ("me", "her", "him"))
    for name in ("me", "her"):
        write_grey(tmp_path / f"{name}.png", np.ones((4, 4)))
    before = [mask_sums(tmp_path)(photo) for photo in (me, her, him)]
    write_grey(tmp_path / "him.png", np.ones((4, 4)))
    write_grey(tmp_path / "her.png", np.eye(4))
    after = [mask_sums(tmp_path)(photo) for photo in (me, her, him)]
    assert [one == other for one, other in zip(before, after, strict=True)] == [True, False, False]
    assert mask_sums(None)(me) == {}
    assert mask_sums(tmp_path / "me.png")(her) == after[0]


def test_a_folder_of_masks_has_one_for_each_photograph_by_name(tmp_path):
    mask = write_grey(tmp_path / "me.png", np.ones((4, 4)))
    assert mask_file(mask, Path("holiday/her.jpg")) == mask
    assert mask_file(tmp_path, Path("holiday/me.jpg")) == mask
    with pytest.raises(ImageError, match=r"no masks for her\.jpg; give it one, her\.png"):
        mask_file(tmp_path, Path("her.jpg"))
    write_grey(tmp_path / "me.webp", np.ones((4, 4)))
    with pytest.raises(ImageError, match=r"2 masks for me\.jpg"):
        mask_file(tmp_path, Path("me.jpg"))
