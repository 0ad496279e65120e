"""StyleGAN2 against NVIDIA's own numbers."""

from pathlib import Path

import pytest
import torch

from wplus.models import Card, Generator, StyleGAN2Config

GOLDEN = Path(__file__).parent / "golden"


def relative(ours, theirs):
    return float(((ours - theirs).abs().max() / theirs.std()).detach())


def check_parity(network, arrays):
    generator = Generator(network, Card("golden"))
    z = arrays["in/z"]
    assert relative(generator.map(z), arrays["out/ws"]) < 1e-5
    assert relative(generator.map(z, 0.5), arrays["out/ws_psi0.5"]) < 1e-5
    assert relative(generator(arrays["out/ws"]), arrays["out/image"]) < 1e-5
    ws = arrays["in/ws_plus"].requires_grad_(True)
    image = generator(ws)
    assert relative(image, arrays["out/image_ws_plus"]) < 1e-5
    image.square().mean().backward()
    assert relative(ws.grad, arrays["out/grad_ws_plus_of_mean_square"]) < 1e-5


def test_a_mini_network_agrees_with_upstream(golden_network):
    check_parity(*golden_network(GOLDEN / "sg2ada_mini_16.npz"))


@pytest.mark.parametrize("name", ["sg2ada_skip_32", "sg3repo_sg2_32"])
def test_shared_networks_agree_with_upstream(shared, golden_network, name):
    check_parity(*golden_network(shared / "golden" / f"{name}.npz"))


def test_noise_can_be_left_out_as_upstream_does(shared, golden_network):
    network, arrays = golden_network(shared / "golden" / "sg2ada_skip_32.npz")
    image = network.synthesis(arrays["out/ws"], noise="none")
    assert relative(image, arrays["out/image_noise_none"]) < 1e-5


def test_noise_maps_that_are_given_take_the_place_of_the_constant_ones(mini):
    ws = mini.map(torch.randn(2, 16))
    shapes = mini.network.synthesis.noise_shapes
    layers = [conv for block in mini.network.synthesis.blocks for conv in block.convs]
    own = tuple(conv.noise_const.expand(2, 1, *shape) for conv, shape in zip(layers, shapes, strict=True))
    assert torch.equal(mini.network.synthesis(ws, noise=own), mini(ws))
    other = tuple(item + 1 for item in own)
    assert not torch.equal(mini.network.synthesis(ws, noise=other), mini(ws))


def test_half_precision_convolutions_stay_close(mini):
    ws = mini.map(torch.randn(2, 16, generator=torch.Generator().manual_seed(0)))
    exact, fast = mini(ws), mini.network.synthesis(ws, dtype=torch.bfloat16)
    assert fast.dtype == torch.float32
    assert relative(fast, exact) < 0.2


def test_sizes_must_be_positive():
    with pytest.raises(ValueError, match="sizes must be positive"):
        StyleGAN2Config(channels=(16, 0), z_dim=16, w_dim=16, mapping_layers=2)
