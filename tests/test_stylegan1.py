"""StyleGAN1 against a port's numbers, and against what must hold where there are none."""

import json
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import functional

from wplus.models import Card, Generator, StyleGAN1, StyleGAN1Config
from wplus.models.generator import read_generator
from wplus.models.stylegan1 import Block, SynthesisLayer

GOLDEN = Path(__file__).parent / "golden"
TINY = StyleGAN1Config(channels=(6, 6, 4), z_dim=5, w_dim=5, mapping_layers=2)


@pytest.fixture(scope="module")
def tiny():
    torch.manual_seed(0)
    network = StyleGAN1(TINY).requires_grad_(False)
    for name, weight in network.named_parameters():
        if name.endswith(("bias", "noise_strength", "const")):
            weight.normal_()
    return network


def codes(count=2):
    return torch.randn(count, 6, 5, generator=torch.Generator().manual_seed(1))


def test_a_network_agrees_with_upstream(shared, golden_network):
    """By the root mean square: instance norms make much of roundings, single pixels of the port are off by 4e-5."""

    def relative(ours, theirs):
        return float((ours - theirs).detach().square().mean().sqrt() / theirs.std())

    network, arrays = golden_network(shared / "golden" / "sg1_32.npz", torch.float32)
    generator = Generator(network, Card("golden"))
    features = {}
    for index, block in enumerate(generator.network.synthesis.blocks):
        name = f"feat/{4 << index}x{4 << index}"
        block.register_forward_hook(lambda _, __, out, name=name: features.update({name: out[:1]}))
    ws = generator.map(arrays["in/z"])
    assert relative(ws[:, 0], arrays["out/w"]) < 3e-6
    assert relative(generator(ws), arrays["out/image"]) < 3e-6
    assert len(features) == 4 and all(relative(value, arrays[name]) < 3e-6 for name, value in features.items())
    given = tuple(array.expand(2, -1, -1, -1) for name, array in arrays.items() if name.startswith("in/noise"))
    assert torch.equal(network.synthesis(ws, noise=given), generator(ws))
    ws = arrays["in/ws_plus"].requires_grad_(True)
    image = generator(ws)
    assert relative(image, arrays["out/image_ws_plus"]) < 3e-6
    image.square().mean().backward()
    assert relative(ws.grad, arrays["out/grad_ws_plus_of_mean_square"]) < 3e-6


def test_the_last_block_agrees_with_upstream(relative):
    with np.load(GOLDEN / "sg1_parts.npz") as file:
        arrays = {name.split("32x32.", 1)[-1]: torch.from_numpy(file[name]) for name in file.files if name != "meta"}
    block = Block(3, StyleGAN1Config((64, 64, 64, 32), 64, 64, epsilon=1e-5)).requires_grad_(False)
    wide, conv1 = block.conv0, SynthesisLayer(32, 8, 32, StyleGAN1Config((8,), 64, 64, epsilon=1e-5), up=False)
    block.conv1 = conv1.requires_grad_(False)  # 8 of its 32 channels are kept
    for layer, conv, epilogue in ((wide, "conv0_up", "epi1"), (conv1, "conv1", "epi2")):
        layer.weight.copy_(arrays[f"{conv}.weight"])
        layer.bias.copy_(arrays[f"{conv}.bias"])
        layer.noise_strength.copy_(arrays[f"{epilogue}.top_epi.noise.weight"])
        layer.affine.weight.copy_(arrays[f"{epilogue}.style_mod.lin.weight"])
        layer.affine.bias.copy_(arrays[f"{epilogue}.style_mod.lin.bias"])
    ws = arrays["out/w"][:, None].expand(-1, 2, -1)
    out = block(arrays["feat/16x16"], ws, [arrays["epi1"], arrays["epi2"]])
    assert relative(out, arrays["feat/32x32"]) < 1e-5


def test_fused_upsampling_is_the_unfused_with_mirrored_weights():
    unfused, fused = (SynthesisLayer(3, 4, 8, replace(TINY, fused_from=n), up=True) for n in (128, 8))
    fused.load_state_dict(unfused.state_dict())
    fused.weight.data = unfused.weight.data.flip(2, 3)
    x, w = torch.randn(2, 3, 4, 4), torch.randn(2, 5)
    assert torch.allclose(fused(x, w, None), unfused(x, w, None), atol=1e-5)


def test_upsampling_is_doubled_pixels_a_convolution_and_a_blur():
    layer = SynthesisLayer(3, 4, 8, TINY, up=True)
    x, w = torch.randn(1, 3, 4, 4), torch.zeros(1, 5)
    kernel = layer.weight * (2 / 27) ** 0.5
    y = functional.conv2d(functional.interpolate(x, scale_factor=2), kernel, padding=1)
    blur = torch.outer(torch.tensor([1.0, 2.0, 1.0]), torch.tensor([1.0, 2.0, 1.0])) / 16
    y = functional.leaky_relu(functional.conv2d(y, blur.expand(4, 1, 3, 3), padding=1, groups=4), 0.2)
    y = (y - y.mean(dim=(2, 3), keepdim=True)) / y.std(dim=(2, 3), keepdim=True, correction=0)
    assert torch.allclose(layer(x, w, None), y, atol=1e-5)


def test_styles_set_mean_and_deviation_of_every_channel(tiny):
    layer = tiny.synthesis.b8.conv1
    w = torch.randn(2, 5)
    out = layer(torch.randn(2, 6, 8, 8), w, None)
    scale, shift = layer.affine(w).chunk(2, dim=1)
    assert torch.allclose(out.mean(dim=(2, 3)), shift, atol=1e-5)
    assert torch.allclose(out.std(dim=(2, 3), correction=0), (scale + 1).abs(), atol=1e-4)


def test_noise_follows_its_mode(tiny):
    ws = codes()
    torch.manual_seed(3)
    drawn = tiny.synthesis(ws, noise="random")
    torch.manual_seed(3)
    given = tuple(torch.randn(2, 1, *shape) for shape in tiny.synthesis.noise_shapes)
    assert torch.equal(tiny.synthesis(ws, noise=given), drawn)
    zeros = tuple(torch.zeros_like(item) for item in given)
    assert torch.equal(tiny.synthesis(ws, noise=zeros), tiny.synthesis(ws, noise="none"))
    assert not torch.equal(tiny.synthesis(ws), tiny.synthesis(ws, noise="none"))
    with pytest.raises(ValueError, match="1 noise maps given, the network takes 6"):
        tiny.synthesis(ws, noise=given[:1])


def test_a_batch_renders_as_its_codes_do_alone(tiny):
    ws = codes(3)
    alone = torch.cat([tiny.synthesis(item[None]) for item in ws])
    assert torch.allclose(tiny.synthesis(ws), alone, atol=1e-5)


def test_half_precision_stays_close(tiny, relative):
    assert relative(tiny.synthesis(codes(), dtype=torch.bfloat16), tiny.synthesis(codes())) < 0.3


def test_sizes_are_deduced_and_come_back_from_json(tiny):
    assert StyleGAN1Config.from_weights(tiny.state_dict()) == TINY
    assert StyleGAN1Config.from_json(json.loads(json.dumps(asdict(TINY)))) == TINY
    with pytest.raises(ValueError, match="sizes must be positive"):
        replace(TINY, z_dim=0)


def test_a_saved_generator_comes_back(tiny, tmp_path):
    generator = Generator(tiny, Card("tiny"))
    generator.save(tmp_path / "tiny.safetensors")
    again = read_generator(tmp_path / "tiny.safetensors")
    assert again.fingerprint == generator.fingerprint
    assert torch.equal(again(codes()), generator(codes()))


def test_the_largest_published_size_has_its_published_number_of_parameters():
    widths = (512, 512, 512, 512, 256, 128, 64, 32, 16)
    with torch.device("meta"):
        network = StyleGAN1(StyleGAN1Config(widths, 512, 512))
    of_growing = sum(3 * width + 3 for width in widths[:-1])  # colours at lower resolutions, which only training needs
    assert sum(weight.numel() for weight in network.parameters()) == 26_219_627 - of_growing
