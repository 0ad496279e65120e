"""Metrics by known answers: what is the same, what is known in closed form, and what other programs say."""

import csv
import math
import warnings
from pathlib import Path

import lpips
import numpy as np
import pytest
import torch
import torchvision
from safetensors.torch import save_file
from skimage import data
from skimage.metrics import structural_similarity
from torch import nn

from wplus.core import GeneratorError, ImageError, WeightsError, WplusError
from wplus.core.images import from_bytes
from wplus.metrics import (
    METRICS,
    OFFLINE,
    Measure,
    Metric,
    Quantity,
    bootstrap,
    dci,
    distance_to_mean,
    editing_consistency,
    figures,
    find_metric,
    linear_separability,
    load_lpips,
    measure,
    ms_ssim,
    mse,
    path_lengths,
    perceptual_loss,
    pn_norm,
    psnr,
    same_size,
    ssim,
    write_measures,
)
from wplus.metrics.disentanglement import purity
from wplus.metrics.path import slerp
from wplus.metrics.reconstruction import scales
from wplus.models import (
    Card,
    Generator,
    StyleGAN2,
    StyleGAN2Config,
    StyleMapGAN,
    StyleMapGANConfig,
    load_generator,
    load_perceptual,
)
from wplus.models.catalogue import find
from wplus.models.pn import PNSpace, fit_pn
from wplus.models.trunks import trunk_weights

VALUES = Quantity("mse", "pixels in [-1, 1]")


def draws(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


@pytest.fixture(scope="module")
def portrait():
    return from_bytes(data.astronaut()[:256, 100:356])[None]


@pytest.fixture(scope="module")
def waves(portrait):
    """The portrait with less contrast, under waves."""
    rows, columns = torch.arange(256.0)[:, None], torch.arange(256.0)[None]
    return (0.7 * portrait + 0.3 * torch.sin(rows / 3) * torch.cos(columns / 5)).clamp(-1, 1)


class Normalise(nn.Module):
    """A mapping network that only brings codes to one length: paths in Z are great circles in W."""

    def __init__(self, dims):
        super().__init__()
        self.register_buffer("w_avg", torch.zeros(dims))

    def forward(self, z, labels=None):
        return z * z.square().mean(dim=1, keepdim=True).rsqrt()


class Orthogonal(nn.Module):
    """A synthesis network that keeps lengths."""

    def __init__(self):
        super().__init__()
        self.matrix = nn.Parameter(torch.linalg.qr(draws(192, 192, seed=1)).Q[:32])
        self.noise_shapes = []

    def forward(self, ws, noise="const"):
        return (ws.flatten(1) @ self.matrix).reshape(-1, 3, 8, 8)


@pytest.fixture(scope="module")
def toy():
    """Z and W of 8 dimensions, four rows, pictures of 8 px: linear from W on, and lengths stay."""
    network = StyleGAN2(StyleGAN2Config(channels=(4, 4), z_dim=8, w_dim=8, mapping_layers=1))
    network.mapping, network.synthesis = Normalise(8), Orthogonal()
    return Generator(network, Card("toy"))


# what is the same


@pytest.mark.parametrize("metric", [find_metric(name) for name in OFFLINE], ids=OFFLINE)
def test_a_picture_compared_with_itself_is_perfect_exactly(metric, portrait):
    same = torch.empty(1, 3, 300, 300)[:, :, 20:276, 20:276].copy_(portrait)  # lies otherwise in memory
    for one, other in ((portrait, same), (same, portrait.clone())):
        assert measure("x", one, other, [metric])[0].value == metric.perfect
    flat = torch.full((1, 3, 64, 64), 0.37)
    if metric.name != "identity":
        assert measure("x", flat, flat.clone(), [metric])[0].value == metric.perfect


def test_better_values_lie_on_the_side_that_the_metric_says(portrait, waves):
    worse = (portrait + 3 * (waves - portrait)).clamp(-1, 1)
    for metric in map(find_metric, OFFLINE):
        if metric.name != "identity":
            near, far = (measure("x", portrait, other, [metric])[0].value for other in (waves, worse))
            assert (near < far) == (metric.better == "lower") and near != metric.perfect, metric.name


def test_metrics_are_per_image_and_the_same_in_any_batch(portrait, waves):
    a, b = torch.cat([portrait, waves]), torch.cat([waves, waves])
    network = load_perceptual("vgg-slim")
    for compare in (mse, psnr, ssim, ms_ssim, lambda a, b: perceptual_loss(network, a, b)):
        both = compare(a, b)
        assert both.shape == (2,)
        assert torch.allclose(both[:1], compare(portrait, waves), rtol=1e-4)


# reconstruction


def test_psnr_of_a_constant_offset_is_known():
    flat = torch.zeros(2, 3, 16, 16)
    assert mse(flat, flat + 0.2).tolist() == pytest.approx([0.04, 0.04])
    assert psnr(flat, flat + 0.2).tolist() == pytest.approx([20.0, 20.0], abs=1e-4)
    assert float(psnr(flat - 3, flat + 3)[0]) == pytest.approx(0.0)  # clamped to black and white: the peak itself


@pytest.mark.parametrize("size", [11, 64, 101])
def test_ssim_is_scikit_images(portrait, waves, size):
    a, b = portrait[..., 40 : 40 + size, 30 : 30 + size], waves[..., 40 : 40 + size, 30 : 30 + size]
    pictures = [(x[0].double().permute(1, 2, 0).numpy() + 1) / 2 for x in (a, b)]
    expected = structural_similarity(
        *pictures, data_range=1.0, channel_axis=2, gaussian_weights=True, sigma=1.5, use_sample_covariance=False
    )
    assert float(ssim(a, b)[0]) == pytest.approx(expected, abs=1e-6)


def test_ms_ssim_of_one_scale_is_ssim_and_of_five_what_pytorch_msssim_says(portrait, waves):
    a, b = portrait[..., 40:60, 30:50], waves[..., 40:60, 30:50]
    assert float(ms_ssim(a, b)[0]) == pytest.approx(float(ssim(a, b)[0]), abs=1e-6)
    assert float(ms_ssim(portrait, waves)[0]) == pytest.approx(0.656524, abs=1e-4)  # pytorch_msssim 1.0.0, on [0, 1]


def test_small_pictures_have_fewer_scales_and_the_figure_says_so():
    assert [scales(side, 999) for side in (11, 20, 21, 40, 41, 80, 81, 160, 161)] == [1, 1, 2, 2, 3, 3, 4, 4, 5]
    assert find_metric("ms-ssim").quantity(64, 64).size == "64 px, 3 of 5 scales"
    with pytest.raises(ValueError, match="SSIM needs 11 px, the pictures have 10x99"):
        ms_ssim(torch.zeros(1, 3, 10, 99), torch.zeros(1, 3, 10, 99))


def test_pictures_are_brought_to_the_smaller_ones_size_or_to_one_given(portrait):
    small = portrait[0, :, ::2, ::2]
    a, b = same_size(portrait[0], small)
    assert a.shape == b.shape == (1, 3, 128, 128)
    assert torch.equal(b[0], small)
    assert same_size(portrait[0], small, side=100)[0].shape == (1, 3, 100, 100)
    wide, narrow = portrait[0, :, :101, :], portrait[0, :, :50, :127]  # a pixel of rounding is allowed
    assert [x.shape for x in same_size(wide, narrow)] == [(1, 3, 50, 127)] * 2
    with pytest.raises(ImageError, match="256x128 and 256x256 px have other proportions; cut them alike first"):
        same_size(portrait[0, :, :128], portrait[0])


# the registry


def test_every_metric_says_range_and_network_and_has_a_name_of_its_own():
    assert len({metric.name for metric in METRICS}) == len(METRICS)
    for metric in METRICS:
        about = metric.quantity(256, 256)
        assert about.name == metric.name and "256 px" in about.size and about.range
        assert metric.network == "-" or metric.version != "-", metric.name
    assert {metric.name for metric in METRICS} > set(OFFLINE)


def test_mistakes_are_told_in_one_line(portrait):
    with pytest.raises(WplusError, match=r"^no metric is named 'ssmi'; did you mean 'ssim'\?$"):
        find_metric("ssmi")
    with pytest.raises(WeightsError, match=r"^psnr takes no file of weights; LPIPS does$"):
        find_metric("psnr", Path("x"))
    tiny = portrait[..., :8, :8]
    with pytest.raises(ImageError, match=r"^me: ssim needs pictures of 11 px, these have 8x8; leave it out"):
        measure("me", tiny, tiny, [find_metric("ssim")])
    with pytest.raises(ValueError, match="a pair of pictures of one size"):
        measure("me", portrait.expand(2, -1, -1, -1), portrait.expand(2, -1, -1, -1), [])


# LPIPS


@pytest.fixture(scope="module")
def squeezenet(tmp_path_factory):
    """A file of SqueezeNet's form with random weights, as safetensors and as torchvision has it."""
    state = torchvision.models.squeezenet1_1().state_dict()
    folder = tmp_path_factory.mktemp("trunk")
    save_file(state, folder / "squeezenet.safetensors")
    torch.save(state, folder / "squeezenet.pth")
    return folder / "squeezenet.safetensors"


def lpips_by_hand(path, a, b):
    """The package, its network filled slice by slice."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        metric = lpips.LPIPS(net="squeeze", pnet_rand=True, verbose=False)
    trunk = torchvision.models.squeezenet1_1()
    trunk.load_state_dict(trunk_weights("squeezenet", path))
    for slice_ in metric.net.children():
        for number, layer in slice_.named_children():
            layer.load_state_dict(trunk.features[int(number)].state_dict())
    return metric(a, b).flatten().detach()


def test_lpips_is_the_packages_with_the_weights_of_a_file(squeezenet, portrait, waves):
    a, b = torch.cat([portrait, waves]), torch.cat([waves, waves])
    distance = load_lpips("squeeze", squeezenet)
    assert torch.allclose(distance(a, b), lpips_by_hand(squeezenet, a, b), atol=1e-6)
    assert distance(a, b)[1] == 0 < distance(a, b)[0]
    assert torch.equal(load_lpips("squeeze", squeezenet.with_suffix(".pth"))(a, b), distance(a, b))
    assert load_lpips("squeeze", squeezenet) is distance  # one copy a process


def test_lpips_says_its_version_and_passes_gradients(squeezenet, portrait, waves):
    found = find_metric("lpips-squeeze", squeezenet)
    assert found.network == "LPIPS squeeze" and found.version.startswith("v0.1 (lpips 0.1.")
    assert "squeezenet.safetensors" in found.version
    moved = waves.clone().requires_grad_()
    found.load()(portrait, moved).sum().backward()
    assert float(moved.grad.abs().max()) > 0


def test_real_photographs_have_the_lpips_that_torchvisions_squeezenet_gives(shared, portrait, waves):
    path = shared / "networks" / "squeezenet1_1.safetensors"
    value = measure("x", portrait, waves, [find_metric("lpips-squeeze", path)])[0].value
    assert value == pytest.approx(float(lpips_by_hand(path, portrait, waves)), rel=1e-5)
    assert 0.05 < value < 0.5


def test_wrong_weights_are_refused_by_name(squeezenet, tmp_path):
    with pytest.raises(WeightsError, match=r"not the weights of LPIPS-alex: .* Unexpected key"):
        load_lpips("alex", squeezenet)
    state = {f"features.{name}": torch.zeros(2) for name in range(3)}
    save_file(state, tmp_path / "w.safetensors")
    with pytest.raises(WeightsError, match=r"Missing key\(s\)"):
        load_lpips("squeeze", tmp_path / "w.safetensors")
    state = torchvision.models.squeezenet1_1().state_dict() | {"features.0.weight": torch.zeros(3)}
    save_file(state, tmp_path / "shape.safetensors")
    with pytest.raises(WeightsError, match="size mismatch"):
        load_lpips("squeeze", tmp_path / "shape.safetensors")
    (tmp_path / "text").write_text("text")
    with pytest.raises(WeightsError, match="an unknown kind of file"):
        load_lpips("squeeze", tmp_path / "text")


def test_without_weights_one_line_says_how_to_get_them(tmp_path, monkeypatch):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    load_lpips.cache_clear()
    with pytest.raises(WeightsError, match=r"^alexnet is not here yet: fetch it with `wplus models fetch alexnet`$"):
        find_metric("lpips-alex").load()
    path = find("alexnet").path
    assert path.is_relative_to(tmp_path)
    path.parent.mkdir(parents=True)
    path.write_bytes(b"another file")
    with pytest.raises(WeightsError, match=r"damaged, its SHA-256 is .*, the catalogue has 7be5be79; fetch it"):
        find_metric("lpips-alex").load()


# figures


def test_the_interval_holds_the_mean_and_is_as_wide_as_theory_says():
    values = draws(400).double().tolist()
    low, high = bootstrap(values)
    assert low < sum(values) / 400 < high
    assert (high - low) / (2 * 1.96 * np.std(values) / 20) == pytest.approx(1, abs=0.1)
    assert bootstrap(values) == (low, high)
    assert bootstrap(values, level=0.5)[0] > low
    assert bootstrap([0.25, 0.25]) == (0.25, 0.25)
    assert bootstrap([math.inf, math.inf]) == (math.inf, math.inf)
    with pytest.raises(ValueError, match="two values"):
        bootstrap([1.0])


def test_a_figure_is_the_mean_of_what_could_be_measured_of_one_quantity():
    other = Quantity("mse", "pixels in [-1, 1]", "64 px")
    measures = [Measure("a", VALUES, 1.0), Measure("a", other, 5.0), Measure("b", VALUES, 3.0)]
    measures.append(Measure("c", VALUES, math.nan))
    first, second = figures(measures)
    assert (first.quantity, first.mean, first.count, first.missing) == (VALUES, 2.0, 2, 1)
    assert first.interval == (1.0, 3.0)
    assert (second.mean, second.interval, second.count) == (5.0, None, 1)
    assert math.isnan(figures([Measure("c", VALUES, math.nan)])[0].mean)


def test_a_trimmed_quantity_leaves_out_the_outer_hundredth():
    quantity = Quantity("ppl", "lengths", trim=0.01)
    found = figures([Measure(str(n), quantity, float(n)) for n in range(101)])[0]
    assert (found.mean, found.count) == (50.0, 99)
    skewed = figures([Measure(str(n), quantity, float(n == 0) * 1e9) for n in range(101)])[0]
    assert skewed.mean == 0
    for bad in ({"trim": 0.5}, {"range": ""}):
        with pytest.raises(ValueError, match="a quantity needs"):
            Quantity(**({"name": "ppl", "range": "lengths"} | bad))


def test_the_table_of_single_numbers_gives_the_figures_again(tmp_path, portrait, waves):
    measures = [
        item
        for name, other in (("one", waves), ("two", portrait))
        for item in measure(name, portrait, other, [find_metric("mse"), find_metric("psnr")])
    ]
    write_measures(tmp_path / "deep" / "t.csv", measures)
    with (tmp_path / "deep" / "t.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert {(row["metric"], row["range"], row["size"]) for row in rows} == {
        ("mse", "pixels in [-1, 1]; 0 to 4", "256 px"),
        ("psnr", "dB, peak 2 for pixels in [-1, 1]", "256 px"),
    }
    values = [float(row["value"]) for row in rows if row["metric"] == "mse"]
    assert sum(values) / 2 == figures(measures)[0].mean
    assert [row["value"] for row in rows if row["item"] == "two"] == ["0.0", "inf"]


# paths


def squares(a, b):
    return (a - b).square().sum(dim=(1, 2, 3))


def ends_of(seed):
    draw = torch.Generator().manual_seed(seed)
    return torch.randn(8, generator=draw)[None], torch.randn(8, generator=draw)[None]


@pytest.mark.parametrize("kind", ["w-end", "w-full"])
def test_a_straight_path_of_a_linear_generator_is_as_long_as_its_ends_are_apart(toy, kind):
    found = torch.cat(list(path_lengths(toy, squares, kind, samples=11)))
    expected = [float((toy.map(b) - toy.map(a)).square().sum()) for a, b in map(ends_of, range(11))]
    assert found.tolist() == pytest.approx(expected, rel=0.01)  # differences of 1e-4 in fp32


@pytest.mark.parametrize("kind", ["z-end", "z-full"])
def test_a_path_on_the_sphere_is_as_long_as_its_angle(toy, kind):
    found = torch.cat(list(path_lengths(toy, squares, kind, samples=5)))
    angles = [float(torch.cosine_similarity(a, b).acos()) for a, b in map(ends_of, range(5))]
    assert found.tolist() == pytest.approx([4 * 8 * angle**2 for angle in angles], rel=0.01)  # 4 rows of length^2 8


def test_every_path_has_a_seed_of_its_own(toy):
    many = torch.cat(list(path_lengths(toy, squares, "w-full", samples=10)))
    few = torch.cat(list(path_lengths(toy, squares, "w-full", samples=3, seed=2)))
    assert torch.allclose(few, many[2:5], rtol=0.02)
    with pytest.raises(ValueError, match="kinds are z-full, w-full, z-end, w-end with samples, got w-end with 0"):
        next(path_lengths(toy, squares, samples=0))


def test_slerp_keeps_to_the_great_circle():
    a, b = draws(1, 8), draws(1, 8, seed=1)
    third = slerp(a, b, torch.tensor([1 / 3]))
    whole = torch.cosine_similarity(a, b).acos()
    assert float(third.norm()) == pytest.approx(1)
    assert float(torch.cosine_similarity(a, third).acos()) == pytest.approx(float(whole) / 3, abs=1e-5)
    assert torch.allclose(slerp(a, b, torch.tensor([1.0])), b / b.norm(), atol=1e-6)


# codes


def test_mapped_codes_have_mean_nought_and_variance_one_in_pn(mini):
    space = fit_pn(mini, samples=2_000)
    v = space.to_pn(mini.mapped(2_000)[:, None])[:, 0].double()
    assert torch.allclose(v.mean(dim=0), torch.zeros(mini.w_dim, dtype=torch.double), atol=1e-3)
    assert torch.allclose(torch.cov(v.T), torch.eye(mini.w_dim, dtype=torch.double), atol=2e-3)
    assert float(pn_norm(mini.mapped(2_000)[:, None], space).square().mean()) == pytest.approx(1, abs=1e-3)


def test_the_way_to_pn_and_back_is_one_and_gradients_pass(mini):
    space = fit_pn(mini, samples=500)
    ws = draws(2, 3, mini.w_dim).requires_grad_()
    assert torch.allclose(space.from_pn(space.to_pn(ws)), ws, atol=1e-3)
    pn_norm(ws, space).sum().backward()
    assert bool((ws.grad != 0).any())
    assert float(pn_norm(space.from_pn(torch.zeros(1, 3, mini.w_dim)), space)) == pytest.approx(0, abs=1e-4)


def test_pn_tells_likely_codes_from_unlikely_ones():
    generator = load_generator("faces-64")
    space = fit_pn(generator)
    likely = torch.cat([generator.sample(seed).ws for seed in range(8)])
    assert pn_norm(likely, space).tolist() == pytest.approx([1] * 8, abs=0.25)
    assert float(pn_norm(likely[:1] + draws(*likely[:1].shape), space)) > 1.5


def test_pn_refuses_what_it_cannot_be_fitted_to(mini):
    with pytest.raises(ValueError, match="10 samples do not span"):
        fit_pn(mini, samples=10)
    maps = Generator(StyleMapGAN(StyleMapGANConfig((4, 4), z_dim=4, w_dim=4, side=4, mapping_layers=1)), Card("maps"))
    with pytest.raises(GeneratorError, match="maps maps to a stylemap; P_N is for generators with W"):
        fit_pn(maps)
    with pytest.raises(ValueError, match="no extent"):
        PNSpace(torch.zeros(2), torch.eye(2), torch.tensor([1.0, 0.0]))


def test_the_distance_to_the_mean_is_over_all_rows(toy):
    assert distance_to_mean(torch.ones(2, 4, 8), toy).tolist() == pytest.approx([math.sqrt(32)] * 2)


def test_a_perfect_encoder_is_consistent_and_a_biased_one_is_off_by_its_bias():
    square = torch.linalg.qr(draws(192, 192)).Q
    direction = draws(1, 24, 8, seed=2)

    def consistency(bias):
        return editing_consistency(
            draws(3, 3, 8, 8, seed=3),
            encode=lambda images: (images.flatten(1) @ square.T).reshape(-1, 24, 8) + bias,
            render=lambda ws: (ws.flatten(1) @ square).reshape(-1, 3, 8, 8),
            edit=lambda ws: ws + direction,
            undo=lambda ws: ws - direction,
        )

    assert consistency(0.0).tolist() == pytest.approx([0] * 3, abs=1e-4)
    assert consistency(0.5).tolist() == pytest.approx([math.sqrt(192 * 0.25)] * 3, rel=1e-4)


# attributes


def test_attributes_on_two_sides_of_a_plane_are_separable_and_noise_is_not():
    codes = draws(1000, 3).double()
    assert linear_separability(codes, codes[:, :2] * 5) == pytest.approx(1, abs=1e-6)
    noise = draws(1000, 1, seed=1).double()
    assert linear_separability(codes, noise) == pytest.approx(2, abs=0.05)  # ln 2 nats stay open
    assert linear_separability(codes, noise.expand(-1, 3)) == pytest.approx(8, abs=0.5)
    assert linear_separability(codes, noise.abs()) == 1  # all pictures have it: nothing is open
    with pytest.raises(ValueError, match="leaves too few"):
        linear_separability(codes[:2], noise[:2])


def test_the_entropy_of_a_known_table_of_answers_is_known():
    """On one side of the plane nobody smiles, on the other two of three."""
    codes = torch.tensor([[-1.0], [-1.0], [1.0], [1.0], [1.0]]).repeat(50, 1)
    logits = torch.tensor([[-1.0], [-1.0], [1.0], [1.0], [-1.0]]).repeat(50, 1)
    entropy = 3 / 5 * -(2 / 3 * math.log(2 / 3) + 1 / 3 * math.log(1 / 3))
    assert linear_separability(codes, logits, keep=1.0) == pytest.approx(math.exp(entropy), rel=1e-6)


def test_dci_of_a_permutation_is_one_and_of_an_even_mixture_nought():
    codes = draws(900, 4).double()
    found = dci(codes, codes[:, [2, 0, 3, 1]])
    assert (found.disentanglement, found.completeness) == pytest.approx((1, 1), abs=0.02)
    assert found.informativeness == pytest.approx(1, abs=0.001)
    assert found.importance.argmax(axis=0).tolist() == [2, 0, 3, 1]
    even = torch.tensor([[1, 1, 1, 1], [1, -1, 1, -1], [1, 1, -1, -1], [1, -1, -1, 1]], dtype=torch.double)
    mixed = dci(codes, codes @ even)
    assert mixed.disentanglement < 0.02 and mixed.completeness < 0.02
    assert mixed.informativeness == pytest.approx(1, abs=0.001)


def test_what_codes_do_not_tell_is_not_informative():
    codes = draws(900, 4).double()
    assert dci(codes, draws(900, 2, seed=5).double()).informativeness < 0.02
    with pytest.raises(ValueError, match="attribute 1 is the same for all pictures"):
        dci(codes, torch.stack([codes[:, 0], torch.ones(900)], dim=1))
    with pytest.raises(ValueError, match="too few for DCI"):
        dci(codes, codes[:, :1])


def test_purity_is_known_for_small_tables():
    assert purity(np.eye(3)) == 1
    assert purity(np.ones((2, 4))) == pytest.approx(0)
    assert purity(np.array([[3.0, 0.0], [1.0, 1.0]])) == pytest.approx(3 / 5)  # weighted by importance
    assert purity(np.zeros((2, 2))) == 0
    with pytest.raises(ValueError, match="not negative"):
        purity(-np.eye(2))


def test_a_metric_is_a_record_that_others_can_make(portrait, waves):
    mine = Metric("mine", "pixels in [-1, 1]", "lower", 0.0, lambda: lambda a, b: (a - b).abs().amax(dim=(1, 2, 3)))
    assert measure("x", portrait, waves, [mine])[0].value > 0
