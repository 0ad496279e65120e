"""W, W+ and S, against the network itself."""

from pathlib import Path

import pytest
import torch

from wplus.core import LatentError
from wplus.models.stylespace import affines, fit_rows, from_styles, render_styles, repeat_rows, to_styles

GOLDEN = Path(__file__).parent / "golden"


@pytest.fixture(scope="module")
def network(mini):
    return mini.network


def codes(network, count=2, seed=0):
    shape = (count, network.config.layers, network.config.w_dim)
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def watched(network, ws):
    """What every affine map of the network reads and gives while it renders: name -> (input, output)."""
    seen = {}
    hooks = [
        module.register_forward_hook(lambda _, given, style, name=name: seen.__setitem__(name, (given[0], style)))
        for name, module in network.synthesis.named_modules()
        if name.endswith(".affine")
    ]
    network.synthesis(ws)
    for hook in hooks:
        hook.remove()
    return seen


def check_against(network):
    ws = codes(network)
    seen = watched(network, ws)
    styles = to_styles(network, ws)
    assert [f"{name}.affine" for name in styles] == list(seen)
    for item in affines(network.synthesis):
        read, style = seen[f"{item.name}.affine"]
        assert torch.equal(read, ws[:, item.row]), item.name
        assert torch.equal(style, styles[item.name]), item.name


def test_styles_are_what_the_network_computes_from_the_rows_that_it_reads(network):
    check_against(network)


def random_network(name):
    from wplus.models import stylegan1, stylegan2, stylegan3

    torch.manual_seed(0)
    if name == "stylegan1":
        return stylegan1.StyleGAN1(stylegan1.StyleGAN1Config((16, 12, 8), 8, 16, 2))
    if name == "stylegan3":
        small = {"channel_base": 256, "channel_max": 16, "num_layers": 5, "margin_size": 2}
        return stylegan3.StyleGAN3(stylegan3.StyleGAN3Config(16, 8, 16, **small))
    return stylegan2.StyleGAN2(stylegan2.StyleGAN2Config((16, 12, 8), 8, 16, 2, architecture=name))


@pytest.mark.parametrize("name", ["skip", "resnet", "orig", "stylegan1", "stylegan3"])
def test_every_architecture_has_its_styles(name):
    network = random_network(name).requires_grad_(False)
    check_against(network)
    ws = codes(network, 1)
    styles = to_styles(network, ws)
    assert torch.equal(render_styles(network, styles), network.synthesis(ws))
    solution = from_styles(network, styles)
    assert float(solution.residual.max()) < 1e-4
    torch.testing.assert_close(to_styles(network, solution.ws), styles, atol=1e-3, rtol=1e-3)


def test_colours_read_the_row_that_the_next_block_reads_first(network):
    rows = {item.name: item.row for item in affines(network.synthesis)}
    assert rows == {
        "b4.conv1": 0,
        "b4.torgb": 1,
        "b8.conv0": 1,
        "b8.conv1": 2,
        "b8.torgb": 3,  # block i from 8 px on: 2 i + 3, not the 2 i + 2 of its last convolution
        "b16.conv0": 3,
        "b16.conv1": 4,
        "b16.torgb": 5,
    }


def test_a_1024_px_network_has_9088_styles():
    from wplus.models import StyleGAN2, StyleGAN2Config

    with torch.device("meta"):
        network = StyleGAN2(StyleGAN2Config((512, 512, 512, 512, 512, 256, 128, 64, 32), 512, 512, 8))
    maps = affines(network.synthesis)
    assert sum(item.channels for item in maps) == 9088  # Wu et al. 2021: 6048 of convolutions, 3040 of colours
    assert sum(item.channels for item in maps if item.name.endswith("torgb")) == 3040
    assert [item.row for item in maps if item.name.endswith("torgb")] == list(range(1, 18, 2))


def test_rendering_styles_is_rendering_their_codes_bit_for_bit(network):
    ws = codes(network)
    assert torch.equal(render_styles(network, to_styles(network, ws)), network.synthesis(ws))
    assert not any(module._forward_hooks for module in network.modules())


def test_one_style_can_be_moved_alone_and_has_a_gradient(network):
    styles = {name: style.clone().requires_grad_(True) for name, style in to_styles(network, codes(network, 1)).items()}
    picture = render_styles(network, styles, noise="none")
    picture.square().mean().backward()
    assert all(bool(style.grad.abs().sum() > 0) for style in styles.values())
    moved = {name: style.detach() for name, style in styles.items()}
    moved["b16.torgb"] = moved["b16.torgb"] + 1
    assert not torch.equal(render_styles(network, moved, noise="none"), picture)


def test_codes_come_back_from_their_styles_where_the_styles_are_as_many(network):
    ws = codes(network)
    solution = from_styles(network, to_styles(network, ws))
    channels = torch.zeros(network.config.layers)
    for item in affines(network.synthesis):
        channels[item.row] += item.channels
    whole = channels >= network.config.w_dim
    assert bool(whole.any())
    torch.testing.assert_close(solution.ws[:, whole], ws[:, whole], atol=1e-3, rtol=1e-3)
    assert float(solution.residual.max()) < 1e-4


def test_styles_come_back_even_from_rows_that_they_do_not_fix():
    from wplus.models import StyleGAN2, StyleGAN2Config

    torch.manual_seed(0)
    network = StyleGAN2(StyleGAN2Config((16, 8, 4), 16, 32, 2)).requires_grad_(False)
    network.mapping.w_avg.normal_()
    ws = codes(network)
    styles = to_styles(network, ws)
    solution = from_styles(network, styles)
    again = to_styles(network, solution.ws)
    for name in styles:
        torch.testing.assert_close(again[name], styles[name], atol=1e-4, rtol=1e-4)
    mean = network.mapping.w_avg
    assert bool(((solution.ws - mean).norm(dim=2) <= (ws - mean).norm(dim=2) * 1.0001).all())  # the nearest of many
    torch.testing.assert_close(from_styles(network, to_styles(network, mean.expand(1, 6, -1))).ws[0, 0], mean)


def test_styles_of_no_code_leave_a_residual_in_their_row_and_no_other(network):
    styles = to_styles(network, codes(network, 1))
    styles["b8.conv0"] = styles["b8.conv0"] + 1  # row 1, which b4.torgb reads too
    solution = from_styles(network, styles)
    assert float(solution.residual[0, 1]) > 0.1
    assert float(solution.residual[0, [0, 2, 3, 4, 5]].max()) < 1e-4
    here = [item for item in affines(network.synthesis) if item.row == 1]
    explained = to_styles(network, solution.ws)
    left = torch.cat([explained[item.name] - styles[item.name] for item in here], dim=1)
    torch.testing.assert_close(left.square().mean(dim=1).sqrt(), solution.residual[:, 1], atol=1e-4, rtol=1e-4)


def test_a_code_of_w_is_repeated_for_every_layer():
    w = torch.randn(2, 16)
    ws = repeat_rows(w, rows=18)
    assert ws.shape == (2, 18, 16)
    assert torch.equal(fit_rows(w[:, None], rows=18), ws)


def test_rows_of_a_smaller_generator_become_those_of_a_larger_one_and_back():
    ws = torch.randn(2, 14, 16)
    larger = fit_rows(ws, rows=18)
    assert larger.shape == (2, 18, 16)
    assert torch.equal(larger[:, 14:], ws[:, 13:].expand(-1, 4, -1))
    assert torch.equal(fit_rows(larger, rows=14), ws)
    assert torch.equal(fit_rows(ws, rows=14), ws)


@pytest.mark.parametrize(("have", "rows", "culprit"), [(14, 1, 1), (15, 18, 15), (18, 15, 15), (14, 40, 40)])
def test_rows_that_do_not_pair_with_resolutions_are_refused(have, rows, culprit):
    with pytest.raises(
        LatentError, match=f"{have} rows cannot become {rows}: {culprit} rows are not two for each size"
    ):
        fit_rows(torch.randn(1, have, 64), rows=rows)


def test_codes_and_styles_of_another_network_are_refused(network):
    with pytest.raises(LatentError, match="codes have 4 layers of 16, the network 6 of 16"):
        to_styles(network, torch.zeros(1, 4, 16))
    styles = to_styles(network, codes(network))
    with pytest.raises(LatentError, match=r"the styles lack \['b4.conv1'\] and have unknown \['b4.conv0'\]"):
        render_styles(network, {("b4.conv0" if name == "b4.conv1" else name): style for name, style in styles.items()})
    with pytest.raises(LatentError, match=r"the style of b8.torgb has shape \(1, 16\), expected \(2, 16\)"):
        from_styles(network, {**styles, "b8.torgb": styles["b8.torgb"][:1]})
