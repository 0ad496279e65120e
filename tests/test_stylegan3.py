"""StyleGAN3 against NVIDIA's own numbers, and against what must hold where there are none."""

import json
import math
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
import scipy.signal
import torch

from wplus.core import Latent, LatentError
from wplus.models import Card, Generator, StyleGAN3, StyleGAN3Config
from wplus.models.filters import lowpass, radial_lowpass
from wplus.models.generator import read_generator
from wplus.models.stylegan3 import SynthesisInput, SynthesisLayer

GOLDEN = Path(__file__).parent / "golden"
T32 = StyleGAN3Config(32, 64, 64, channel_base=512, channel_max=64)
R32 = replace(T32, channel_base=1024, channel_max=128, conv_kernel=1, use_radial_filters=True)
TINY = StyleGAN3Config(16, 6, 5, channel_base=64, channel_max=8, num_layers=5, margin_size=4)
T1024 = StyleGAN3Config(1024)
R1024 = StyleGAN3Config(1024, channel_base=65536, channel_max=1024, conv_kernel=1, use_radial_filters=True)


@pytest.fixture(scope="module")
def parts():
    with np.load(GOLDEN / "sg3_parts.npz") as file:
        return {name: torch.from_numpy(file[name]) for name in file.files if not name.startswith("meta")}


def network_of(config):
    torch.manual_seed(0)
    network = StyleGAN3(config).requires_grad_(False)
    network.synthesis.input.affine.weight.normal_()
    return network


def codes(config, count=2):
    return torch.randn(count, config.layers, config.w_dim, generator=torch.Generator().manual_seed(1))


def turned(angle):
    matrix = torch.eye(3)
    matrix[:2, :2] = torch.tensor([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    return matrix


@pytest.mark.parametrize("name", ["sg3_t_32", "sg3_r_32"])
def test_networks_agree_with_upstream(shared, golden_network, relative, name):
    network, arrays = golden_network(shared / "golden" / f"{name}.npz")
    generator = Generator(network, Card("golden"))
    features = {}
    for part in ("input", *network.synthesis.names):
        module = getattr(generator.network.synthesis, part)
        module.register_forward_hook(lambda _, __, out, part=part: features.update({f"feat/{part}": out[:1]}))
    z = arrays["in/z"]
    assert relative(generator.map(z), arrays["out/ws"]) < 1e-5
    assert relative(generator.map(z, 0.5), arrays["out/ws_psi0.5"]) < 1e-5
    assert relative(generator.map(z, 0.7, cutoff=4), arrays["out/ws_psi0.7_cutoff4"]) < 1e-5
    assert relative(generator(arrays["out/ws"]), arrays["out/image"]) < 1e-5
    assert len(features) == 16 and all(relative(value, arrays[name]) < 1e-4 for name, value in features.items())
    transformed = network.synthesis(arrays["out/ws"], transform=arrays["in/transform"])
    assert relative(transformed, arrays["out/image_transformed"]) < 1e-4
    ws = arrays["in/ws_plus"].requires_grad_(True)
    image = generator(ws)
    assert relative(image, arrays["out/image_ws_plus"]) < 1e-5
    image.square().mean().backward()
    assert relative(ws.grad, arrays["out/grad_ws_plus_of_mean_square"]) < 1e-4


@pytest.mark.parametrize("name", ["sg3_t_32", "sg3_r_32"])
def test_the_buffers_of_the_transform_is_its_argument(shared, golden_network, name):
    network, arrays = golden_network(shared / "golden" / f"{name}.npz")
    given = network.synthesis(arrays["out/ws"], transform=arrays["in/transform"])
    network.synthesis.input.transform.copy_(arrays["in/transform"])
    assert torch.equal(network.synthesis(arrays["out/ws"]), given)


def test_the_input_agrees_with_upstream(parts, relative):
    module = SynthesisInput(T32).requires_grad_(False)
    module.weight = torch.nn.Parameter(parts["param/synthesis.input.weight"])  # 8 of its 64 channels are kept
    for name in ("affine.weight", "affine.bias"):
        module.affine.get_parameter(name.split(".")[1]).copy_(parts[f"param/synthesis.input.{name}"])
    for name in ("transform", "freqs", "phases"):
        module.get_buffer(name).copy_(parts[f"buffer/synthesis.input.{name}"])
    assert relative(module(parts["out/ws"][:, 0], None), parts["feat/input"]) < 1e-5


def test_a_layer_agrees_with_upstream(parts, relative):
    layer, name = SynthesisLayer(13, T32).requires_grad_(False), "synthesis.L13_32_16"
    layer.weight = torch.nn.Parameter(parts[f"param/{name}.weight"])  # 4 of its 16 channels are kept
    layer.bias = torch.nn.Parameter(parts[f"param/{name}.bias"])
    layer.affine.weight.copy_(parts[f"param/{name}.affine.weight"])
    layer.affine.bias.copy_(parts[f"param/{name}.affine.bias"])
    layer.magnitude_ema.copy_(parts[f"buffer/{name}.magnitude_ema"])
    assert relative(layer(parts["feat/L12_52_16"], parts["out/ws"][:, 0]), parts["feat/L13_32_16"]) < 1e-5


@pytest.mark.parametrize(("letter", "config"), [("t", T32), ("r", R32)])
def test_filters_agree_with_upstream(parts, relative, letter, config):
    checked = 0
    for name, theirs in parts.items():
        if name.startswith(f"filter/{letter}"):
            index, kind = name.split("/")[2].split(".")
            ours = SynthesisLayer(int(index[1:]), config).get_buffer(kind)
            assert ours.shape == theirs.shape
            assert (ours - theirs).abs().max() < 1e-6 * theirs.abs().max()
            checked += 1
    assert checked > 10


@pytest.mark.parametrize(("taps", "width"), [(12, 8.0), (24, 3.0), (6, 0.1), (7, 60.0)])
def test_filters_are_those_of_the_window_method(taps, width):
    ours = lowpass(taps, cutoff=4.0, width=width, rate=128.0)
    theirs = scipy.signal.firwin(numtaps=taps, cutoff=4.0, width=width, fs=128.0)
    assert torch.allclose(ours, torch.from_numpy(theirs).float(), atol=1e-7)


def test_a_radial_filter_answers_alike_in_every_direction():
    answer = torch.fft.fft2(radial_lowpass(48, cutoff=5.0, width=8.0, rate=64.0).double(), s=(512, 512)).abs()
    assert float(answer[0, 0]) == pytest.approx(1, abs=1e-6)
    straight, oblique = float(answer[0, 40]), float(answer[24, 32])  # both 5 cycles from the origin: the cutoff
    assert straight == pytest.approx(oblique, abs=0.01)  # a separable one differs by 0.2
    assert straight == pytest.approx(0.5, abs=0.1)


def test_the_schedule_is_that_of_the_published_networks():
    assert [(s.size, s.channels) for s in T1024.stages] == [
        (36, 512), (36, 512), (52, 512), (52, 512), (84, 512), (148, 512), (148, 512), (276, 323), (276, 203),
        (532, 128), (1044, 81), (1044, 51), (1044, 32), (1024, 32), (1024, 3),
    ]  # fmt: skip
    assert [s.size for s in R1024.stages] == [s.size for s in T1024.stages]
    assert (T1024.layers, T1024.title, R1024.title) == (16, "StyleGAN3-t", "StyleGAN3-r")
    with torch.device("meta"):
        count = sum(weight.numel() for weight in StyleGAN3(T1024).parameters())
    assert round(count / 1e6, 1) == 22.3  # the paper's figure 5


@pytest.mark.parametrize("resolution", [16, 64, 256, 512])
@pytest.mark.parametrize("layers", [5, 14, 16])
@pytest.mark.parametrize("radial", [False, True])
def test_every_layer_gives_the_size_of_its_stage(resolution, layers, radial):
    config = StyleGAN3Config(
        resolution, 4, 4, channel_base=4 * resolution, channel_max=4, num_layers=layers,
        conv_kernel=1 if radial else 3, use_radial_filters=radial,
    )  # fmt: skip
    with torch.device("meta"):
        image = StyleGAN3(config).synthesis(torch.zeros(1, config.layers, 4))
        layer = SynthesisLayer(layers // 2, config)
        source, target = config.stages[layers // 2 - 1], config.stages[layers // 2]
        x = layer(torch.zeros(1, source.channels, source.size, source.size), torch.zeros(1, 4))
    assert image.shape == (1, 3, resolution, resolution)
    assert x.shape == (1, target.channels, target.size, target.size)


def test_a_shift_by_a_sample_shifts_the_input():
    module = network_of(TINY).synthesis.input
    w = torch.zeros(1, 5)
    shift = torch.eye(3)
    shift[0, 2] = 1 / module.rate
    moved = module(w, shift)
    assert torch.allclose(moved[..., :-1], module(w, None)[..., 1:], atol=1e-4)


def test_a_quarter_turn_turns_the_input():
    module = network_of(TINY).synthesis.input
    w = torch.randn(1, 5)
    module.affine.weight.zero_()
    turn = torch.rot90(module(w, None), 1, (2, 3))
    assert torch.allclose(module(w, turned(math.pi / 2)), turn, atol=1e-4)


def test_every_image_may_have_its_own_transform():
    network = network_of(TINY)
    ws = codes(TINY)
    both = network.synthesis(ws, transform=torch.stack([torch.eye(3), turned(0.3)]))
    assert torch.allclose(both[:1], network.synthesis(ws[:1]), atol=1e-5)
    assert torch.allclose(both[1:], network.synthesis(ws[1:], transform=turned(0.3)), atol=1e-5)


def test_a_batch_renders_as_its_codes_do_alone():
    network, ws = network_of(TINY), codes(TINY, 3)
    alone = torch.cat([network.synthesis(item[None]) for item in ws])
    assert torch.allclose(network.synthesis(ws), alone, atol=1e-5)


def test_the_clamp_bounds_the_picture():
    network = network_of(replace(TINY, conv_clamp=0.05))
    assert network.synthesis(codes(TINY)).abs().max() <= 0.05 * 0.25 + 1e-7


def test_it_takes_no_noise():
    network, ws = network_of(TINY), codes(TINY)
    assert network.synthesis.noise_shapes == []
    assert torch.equal(network.synthesis(ws, noise="random"), network.synthesis(ws, noise="none"))
    with pytest.raises(ValueError, match="1 noise maps given, StyleGAN3 takes none"):
        network.synthesis(ws, noise=(torch.zeros(2, 1, 4, 4),))
    with pytest.raises(LatentError, match="noise maps have shapes"):
        Generator(network, Card("tiny"))(Latent(ws, noise=(torch.zeros(2, 1, 4, 4),)))


def test_half_precision_stays_close_and_is_not_used_on_the_cpu(relative):
    network, ws = network_of(TINY), codes(TINY)
    exact = network.synthesis(ws)
    assert torch.equal(network_of(replace(TINY, half_resolutions=0)).synthesis(ws), exact)
    assert relative(network.synthesis(ws, dtype=torch.float16), exact) < 0.05


def test_a_saved_generator_with_classes_comes_back(tmp_path):
    config = replace(TINY, labels=3)
    generator = Generator(network_of(config), Card("tiny"))
    generator.save(tmp_path / "tiny.safetensors")
    again = read_generator(tmp_path / "tiny.safetensors")
    assert again.network.config == config == StyleGAN3Config.from_json(json.loads(json.dumps(asdict(config))))
    assert again.fingerprint == generator.fingerprint
    latent = generator.sample(5, label=2)
    assert torch.equal(again(latent), generator(latent))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"w_dim": 0}, "sizes must be positive"),
        ({"resolution": 48}, "must be a power of two"),
        ({"num_critical": 5}, "5 of 5 layers cannot sample critically"),
        ({"first_stopband": 1.0}, "below their stopbands"),
    ],
)
def test_sizes_that_make_no_network_are_refused(change, message):
    with pytest.raises(ValueError, match=message):
        replace(TINY, **change)
