"""StyleGAN2 against NVIDIA's own numbers, and against what must hold where there are none."""

import json
from dataclasses import asdict, replace
from pathlib import Path

import pytest
import torch

from wplus.models import Card, Generator, StyleGAN2, StyleGAN2Config
from wplus.models.ops import fir, upsample

GOLDEN = Path(__file__).parent / "golden"
TINY = StyleGAN2Config(channels=(8, 8, 4), z_dim=6, w_dim=5, mapping_layers=2)


def network_of(config, seed=0):
    torch.manual_seed(seed)
    network = StyleGAN2(config).requires_grad_(False)
    for block in network.synthesis.blocks:
        for conv in block.convs:
            conv.bias.normal_()
            if config.noise:
                conv.noise_strength.fill_(0.3)
    return network


def codes(config, count=2):
    return torch.randn(count, config.layers, config.w_dim, generator=torch.Generator().manual_seed(1))


def check_parity(network, arrays, relative):
    generator = Generator(network, Card("golden"))
    features = {}
    for block, name in zip(generator.network.synthesis.blocks, ("b4", "b8", "b16", "b32"), strict=False):
        block.register_forward_hook(lambda _, __, out, name=name: features.update({f"feat/{name}.x": out[:1]}))
    z = arrays["in/z"]
    assert relative(generator.map(z), arrays["out/ws"]) < 1e-5
    assert relative(generator.map(z, 0.5), arrays["out/ws_psi0.5"]) < 1e-5
    assert relative(generator.map(z, 0.7, cutoff=4), arrays["out/ws_psi0.7_cutoff4"]) < 1e-5
    assert relative(generator(arrays["out/ws"]), arrays["out/image"]) < 1e-5
    assert all(relative(value, arrays[name]) < 1e-5 for name, value in features.items())
    ws = arrays["in/ws_plus"].requires_grad_(True)
    image = generator(ws)
    assert relative(image, arrays["out/image_ws_plus"]) < 1e-5
    image.square().mean().backward()
    assert relative(ws.grad, arrays["out/grad_ws_plus_of_mean_square"]) < 1e-5
    assert relative(network.float().synthesis(ws.detach().float()), image) < 1e-5


def test_a_mini_network_agrees_with_upstream(golden_network, relative):
    check_parity(*golden_network(GOLDEN / "sg2ada_mini_16.npz"), relative)


@pytest.mark.parametrize("name", ["sg2ada_skip_32", "sg2ada_orig_32", "sg2ada_resnet_32", "sg3repo_sg2_32"])
def test_shared_networks_agree_with_upstream(shared, golden_network, relative, name):
    network, arrays = golden_network(shared / "golden" / f"{name}.npz")
    assert network.config.architecture == (name.split("_")[1] if name.startswith("sg2ada") else "skip")
    check_parity(network, arrays, relative)


def test_noise_can_be_left_out_as_upstream_does(shared, golden_network, relative):
    network, arrays = golden_network(shared / "golden" / "sg2ada_skip_32.npz")
    image = network.synthesis(arrays["out/ws"], noise="none")
    assert relative(image, arrays["out/image_noise_none"]) < 1e-5
    generator = Generator(network, Card("golden"))
    image = generator(generator.map(arrays["in/z"], 0.7))
    assert relative(image, arrays["out/image_G_call_psi0.7"]) < 1e-5


def test_noise_maps_that_are_given_take_the_place_of_the_constant_ones(mini):
    ws = mini.map(torch.randn(2, 16))
    shapes = mini.network.synthesis.noise_shapes
    layers = [conv for block in mini.network.synthesis.blocks for conv in block.convs]
    own = tuple(conv.noise_const.expand(2, 1, *shape) for conv, shape in zip(layers, shapes, strict=True))
    assert torch.equal(mini.network.synthesis(ws, noise=own), mini(ws))
    other = tuple(item + 1 for item in own)
    assert not torch.equal(mini.network.synthesis(ws, noise=other), mini(ws))
    with pytest.raises(ValueError, match="1 noise maps given, the network takes 5"):
        mini.network.synthesis(ws, noise=own[:1])


def test_random_noise_is_what_the_seed_says(mini):
    ws = mini.map(torch.randn(1, 16))
    draws = []
    for seed in (0, 0, 1):
        torch.manual_seed(seed)
        draws.append(mini.network.synthesis(ws, noise="random"))
    assert torch.equal(draws[0], draws[1])
    assert not torch.equal(draws[0], draws[2])
    torch.manual_seed(0)
    given = tuple(torch.randn(1, 1, *shape) for shape in mini.network.synthesis.noise_shapes)
    assert torch.equal(mini.network.synthesis(ws, noise=given), draws[0])


def test_a_network_without_noise_renders_alike_in_every_mode():
    network = network_of(replace(TINY, noise=False))
    ws = codes(TINY)
    assert network.synthesis.noise_shapes == []
    assert torch.equal(network.synthesis(ws, noise="random"), network.synthesis(ws, noise="none"))
    with pytest.raises(ValueError, match="1 noise maps given, the network takes 0"):
        network.synthesis(ws, noise=(torch.zeros(1, 1, 4, 4),))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_convolutions_stay_close(mini, relative, dtype):
    ws = mini.map(torch.randn(2, 16, generator=torch.Generator().manual_seed(0)))
    exact, fast = mini(ws), mini.network.synthesis(ws, dtype=dtype)
    assert fast.dtype == torch.float32
    assert relative(fast, exact) < (0.2 if dtype == torch.bfloat16 else 0.02)


def test_large_styles_do_not_overflow_half_precision(relative):
    network = network_of(replace(TINY, architecture="orig"))
    for block in network.synthesis.blocks:
        for conv in block.convs:
            conv.affine.weight.mul_(1e6)
            conv.affine.bias.mul_(1e6)
    ws = codes(TINY)
    fast, exact = network.synthesis(ws, dtype=torch.float16), network.synthesis(ws)
    assert relative(fast, exact) < 0.05


def test_resolutions_in_half_precision_are_exact_on_the_cpu():
    ws = codes(TINY)
    exact = network_of(TINY).synthesis(ws)
    assert torch.equal(network_of(replace(TINY, half_resolutions=2)).synthesis(ws), exact)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_resolutions_in_half_precision_run_so_on_a_gpu(relative):
    ws = codes(TINY).cuda()
    exact, half = (network_of(replace(TINY, half_resolutions=n)).cuda().synthesis(ws) for n in (0, 2))
    assert 0 < relative(half, exact) < 0.02


@pytest.mark.parametrize("architecture", ["skip", "resnet", "orig"])
def test_the_clamp_bounds_every_convolution(architecture):
    config = replace(TINY, architecture=architecture)
    ws = codes(config)
    free = network_of(config).synthesis(ws)
    assert torch.equal(network_of(replace(config, conv_clamp=1e6)).synthesis(ws), free)
    bounded, largest = network_of(replace(config, conv_clamp=0.1)), []
    for block in bounded.synthesis.blocks:
        for conv in block.convs:
            conv.register_forward_hook(lambda _, __, out: largest.append(float(out.abs().max())))
    shares = 3 if architecture == "skip" else 1  # no upsampling of values within 0.1 leaves 0.1
    assert bounded.synthesis(ws).abs().max() <= 0.1 * shares + 1e-6
    assert largest == pytest.approx([0.1] * 5)


def test_classes_that_are_embedded_as_nothing_change_nothing():
    with_classes, without = network_of(replace(TINY, labels=4, embedding=3)).mapping, network_of(TINY).mapping
    with_classes.embed.weight.zero_()
    for ours, theirs in zip(with_classes.stack, without.stack, strict=True):
        theirs.bias.copy_(ours.bias)
    without.fc0.weight.copy_(
        with_classes.fc0.weight[:, :6] * (6 / 9) ** 0.5
    )  # weights are scaled by the inputs' number
    without.fc1.weight.copy_(with_classes.fc1.weight)
    z = torch.randn(4, 6)
    assert torch.allclose(with_classes(z, torch.eye(4)), without(z), atol=1e-6)


def test_classes_matter_whatever_the_length_of_their_embedding():
    mapping = network_of(replace(TINY, labels=2)).mapping
    z = torch.randn(1, 6).expand(2, -1)
    first, second = mapping(z, torch.eye(2))
    assert not torch.allclose(first, second)
    mapping.embed.weight.mul_(10)
    assert torch.allclose(mapping(z, torch.eye(2)), torch.stack([first, second]), atol=1e-6)
    with pytest.raises(ValueError, match="called without labels, the network knows 2 classes"):
        mapping(z)
    with pytest.raises(ValueError, match="called with labels, the network knows 0 classes"):
        network_of(TINY).mapping(z, torch.eye(2))


def test_a_linear_mapping_is_linear():
    mapping = network_of(replace(TINY, mapping_activation="linear", mapping_rate=1.0)).mapping
    z = torch.randn(1, 6)
    assert torch.allclose(mapping(-z), -mapping(z), atol=1e-6)
    assert (network_of(replace(TINY, mapping_activation="relu")).mapping(z) >= 0).all()


@pytest.mark.parametrize("taps", [(1, 1), (1, 2, 1), (1, 3, 3, 1), (4, 3, 2, 1, 0.5), (1, 2, 4, 4, 2, 1)])
def test_upsampling_is_zeros_between_pixels_and_then_a_filter(taps):
    x = torch.randn(1, 2, 5, 6)
    stuffed = torch.zeros(1, 2, 10, 12)
    stuffed[:, :, ::2, ::2] = x
    line = torch.tensor(taps, dtype=torch.float32).flip(0) / sum(taps) * 2
    before, after = (len(taps) + 1) // 2, (len(taps) - 2) // 2
    padded = torch.nn.functional.pad(stuffed, (before, after, before, after))
    kernel = torch.outer(line, line).expand(2, 1, -1, -1)
    expected = torch.nn.functional.conv2d(padded, kernel, groups=2)
    assert torch.allclose(upsample(x, taps), expected, atol=1e-5)


def test_a_filter_convolves():
    impulse = torch.zeros(1, 1, 7, 7)
    impulse[0, 0, 3, 3] = 1
    assert torch.allclose(
        fir(impulse, (1, 2, 5), gain=8.0, padding=1).sum(dim=2)[0, 0, 2:5], torch.tensor([1.0, 2.0, 5.0])
    )


@pytest.mark.parametrize("taps", [(1.0, 1.0), (1.0, 2.0, 1.0), (1.0, 2.0, 3.0, 3.0, 2.0, 1.0)])
def test_other_filters_keep_the_sizes(taps):
    network = network_of(replace(TINY, taps=taps, architecture="resnet"))
    assert network.synthesis(codes(TINY)).shape == (2, 3, 16, 16)


VARIANTS = [
    TINY,
    replace(TINY, architecture="resnet", labels=7),
    replace(TINY, architecture="orig", colours=1, noise=False, mapping_width=9),
    replace(TINY, colours=4, labels=3, embedding=2, mapping_layers=1),
    replace(TINY, channels=(4,)),
]


@pytest.mark.parametrize("config", VARIANTS)
def test_sizes_are_deduced_from_weights(config):
    assert StyleGAN2Config.from_weights(network_of(config).state_dict()) == config


@pytest.mark.parametrize(
    "config", [*VARIANTS, replace(TINY, conv_clamp=256.0, half_resolutions=4, taps=(1.0, 2.0, 1.0))]
)
def test_a_config_comes_back_from_json(config):
    assert StyleGAN2Config.from_json(json.loads(json.dumps(asdict(config)))) == config


@pytest.mark.parametrize("colours", [1, 4])
def test_grey_and_translucent_pictures_come_as_rgb(colours):
    network = network_of(replace(TINY, colours=colours))
    generator, ws = Generator(network, Card("grey")), codes(TINY)
    raw = network.synthesis(ws)
    assert raw.shape[1] == colours
    assert torch.equal(generator(ws), raw.expand(-1, 3, -1, -1) if colours == 1 else raw[:, :3])


def test_the_largest_published_size_has_its_published_number_of_parameters():
    widths = (512, 512, 512, 512, 512, 256, 128, 64, 32)
    with torch.device("meta"):
        network = StyleGAN2(StyleGAN2Config(widths, 512, 512, 8))
    assert (network.config.resolution, network.config.layers) == (1024, 18)
    assert sum(weight.numel() for weight in network.parameters()) == 30_370_060
    assert network.synthesis.noise_shapes[-1] == (1024, 1024)


def test_sizes_must_be_positive():
    with pytest.raises(ValueError, match="sizes must be positive"):
        StyleGAN2Config(channels=(16, 0), z_dim=16, w_dim=16, mapping_layers=2)
    with pytest.raises(ValueError, match="no low-pass filter"):
        replace(TINY, taps=(1.0,))
