"""The fast path gives what the reference gives."""

import copy
import importlib
import statistics
from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch

from wplus.models import (
    IMAGE2STYLEGAN_TAPS,
    VGG,
    Card,
    Compute,
    Generator,
    Machine,
    StyleGAN2,
    StyleGAN2Config,
    compute_for,
    fast,
    load_generator,
    load_perceptual,
)
from wplus.models.fast import PRECISIONS, trial
from wplus.models.fast.convolution import FP32, Convolution, UpConvolution
from wplus.models.fast.winograd import Winograd
from wplus.models.ops import fir
from wplus.models.vgg import VGGConfig
from wplus.optimisation import squared_error

TINY = StyleGAN2Config(channels=(16, 16, 8), z_dim=6, w_dim=5, mapping_layers=2)
CONFIGS = {
    "skip": TINY,
    "without noise": replace(TINY, noise=False),
    "clamped": replace(TINY, conv_clamp=0.8),
    "orig": replace(TINY, architecture="orig"),
    "odd channels": replace(TINY, channels=(13, 7, 5)),
    "grey": replace(TINY, colours=1),
    "long filter": replace(TINY, taps=(1.0, 2.0, 5.0, 5.0, 2.0, 1.0)),
    "wide": StyleGAN2Config(channels=(32, 32, 256, 256), z_dim=6, w_dim=32, mapping_layers=1),  # Winograd's
}
FAST, MIXED, BF16 = (Compute(path, "tested") for path in ("fast", "mixed", "bf16"))
NEEDS_BF16 = pytest.mark.skipif(not Machine.here().takes_bf16, reason="oneDNN has no bf16 here")
WAYS = [FAST, *(pytest.param(way, marks=NEEDS_BF16) for way in (MIXED, BF16))]

pytestmark = pytest.mark.skipif(not Machine.here().onednn, reason="no oneDNN for x86 here")


def generator_of(config, seed=0):
    torch.manual_seed(seed)
    network = StyleGAN2(config)
    for block in network.synthesis.blocks:
        for conv in block.convs:
            conv.bias.data.normal_()
            if config.noise:
                conv.noise_strength.data.fill_(0.3)
        if hasattr(block, "torgb"):
            block.torgb.bias.data.normal_()
    return Generator(network, Card("random"))


def codes(generator, count, seed=1):
    return torch.randn(count, generator.layers, generator.w_dim, generator=torch.Generator().manual_seed(seed))


def gradients(render, inputs, cotangent):
    """Output, and the gradients of its product with `cotangent`."""
    inputs = [item.clone().requires_grad_(True) for item in inputs]
    output = render(*inputs)
    return output.detach(), torch.autograd.grad(output, inputs, cotangent.to(output.dtype))


def differ(ours, theirs):
    return float((ours - theirs).norm() / theirs.norm())


def of_range(ours, theirs):
    return float((ours - theirs).abs().max() / (theirs.max() - theirs.min()))


@pytest.mark.parametrize("count", [1, 3])
@pytest.mark.parametrize("name", CONFIGS)
def test_pictures_and_gradients_are_those_of_the_reference(name, count):
    apart = []
    for seed in range(3):
        reference = generator_of(CONFIGS[name], seed)
        ours = fast(reference, FAST)
        ws = codes(reference, count, seed)
        cotangent = torch.randn_like(reference.network.synthesis(ws))
        for noise in ("const", "none"):
            given, (slope,) = gradients(lambda x, n=noise, g=ours: g.network.synthesis(x, noise=n), [ws], cotangent)
            wanted, (true,) = gradients(
                lambda x, n=noise, g=reference: g.network.synthesis(x, noise=n), [ws], cotangent
            )
            assert of_range(given, wanted) < 2e-5
            apart += map(differ, slope, true)
    # not of each: where a sum is zero but for rounding, the leaky ReLU has one slope here and another there
    assert statistics.median(apart) < 1e-4


@pytest.mark.parametrize("shared_map", [False, True])
def test_noise_maps_have_the_gradient_of_the_reference(shared_map):
    reference = generator_of(TINY)
    ours = fast(reference, FAST)
    shapes = reference.network.synthesis.noise_shapes
    inputs = [codes(reference, 2), *(torch.randn(1 if shared_map else 2, 1, *shape) for shape in shapes)]
    cotangent = torch.randn(2, 3, 16, 16)
    given, found = gradients(lambda ws, *maps: ours.network.synthesis(ws, noise=maps), inputs, cotangent)
    wanted, true = gradients(lambda ws, *maps: reference.network.synthesis(ws, noise=maps), inputs, cotangent)
    assert of_range(given, wanted) < 2e-5
    assert all(differ(a, b) < 1e-4 for a, b in zip(found, true, strict=True))


def test_a_gradient_to_noise_alone_is_that_of_the_reference():
    reference = generator_of(TINY)
    ws = codes(reference, 1)
    maps = [torch.randn(1, 1, *shape) for shape in reference.network.synthesis.noise_shapes]
    cotangent = torch.randn(1, 3, 16, 16)
    pairs = [
        gradients(lambda *maps, g=g: g.network.synthesis(ws, noise=maps), maps, cotangent)[1]
        for g in (fast(reference, FAST), reference)
    ]
    assert all(differ(a, b) < 1e-4 for a, b in zip(*pairs, strict=True))


@pytest.mark.parametrize("after_relu", [False, True])
@pytest.mark.parametrize("taps", [IMAGE2STYLEGAN_TAPS, ("conv2_1",), ("conv1_1", "conv3_3")])
@pytest.mark.parametrize(("size", "count"), [(32, 3), (44, 1), (300, 1)])
def test_taps_and_their_gradient_are_those_of_the_reference(taps, after_relu, size, count):
    torch.manual_seed(0)
    reference = VGG(VGGConfig(widths=(6, 8, 10, 12), heads=("conv1_2", "conv3_3")), name="tiny")
    ours = fast(reference, FAST)
    images = torch.rand(count, 3, size, size) * 2 - 1
    cotangents = [torch.randn_like(item) for item in reference(images, taps, after_relu=after_relu).values()]
    results = []
    for network in (ours, reference):
        given = images.clone().requires_grad_(True)
        found = network(given, taps, after_relu=after_relu)
        slope = torch.autograd.grad(list(found.values()), given, cotangents)[0]
        results.append(({tap: maps.detach() for tap, maps in found.items()}, slope))
    (found, slope), (wanted, true) = results
    assert list(found) == list(wanted)
    assert all(of_range(found[tap], wanted[tap]) < 2e-5 for tap in wanted)
    assert differ(slope, true) < 1e-4


def test_the_networks_that_ship_render_and_compare_as_the_reference_does():
    generator, network = load_generator("faces-64"), load_perceptual("vgg-slim")
    ws = generator.map(torch.randn(7, generator.z_dim, generator=torch.Generator().manual_seed(0)), 0.7)
    cotangent = torch.randn(7, 3, 64, 64, generator=torch.Generator().manual_seed(1))
    given, (slope,) = gradients(fast(generator, FAST), [ws], cotangent)
    wanted, (true,) = gradients(generator, [ws], cotangent)
    assert of_range(given, wanted) < 2e-5
    assert statistics.median(map(differ, slope, true)) < 1e-4

    def far(network):
        return lambda images: sum(maps.square().mean() for maps in network(images, IMAGE2STYLEGAN_TAPS).values())

    _, (slope,) = gradients(far(fast(network, FAST)), [wanted], torch.tensor(1.0))
    _, (true,) = gradients(far(network), [wanted], torch.tensor(1.0))
    assert statistics.median(map(differ, slope, true)) < 1e-4


@NEEDS_BF16
@pytest.mark.parametrize(("way", "cosine", "loss_error"), [(MIXED, 0.99995, 1e-5), (BF16, 0.995, 0.01)])
def test_bf16_points_the_same_way(way, cosine, loss_error):
    generator, network = load_generator("faces-64"), load_perceptual("vgg-slim")
    ws = generator.map(torch.randn(1, generator.z_dim, generator=torch.Generator().manual_seed(0)), 0.7)
    target = generator(generator.mean_ws).detach()

    def loss(path):
        render, compare = (fast(item, path) for item in (generator, network))
        wanted = compare(target, IMAGE2STYLEGAN_TAPS)

        def of(ws):
            given = compare(render(ws), IMAGE2STYLEGAN_TAPS)
            return sum(squared_error(given[tap], wanted[tap]).sum() for tap in wanted)

        return of

    ways = (way, Compute("reference", "tested"))
    (given, (slope,)), (wanted, (true,)) = (gradients(loss(way), [ws], torch.tensor(1.0)) for way in ways)
    assert torch.cosine_similarity(slope.flatten(), true.flatten(), dim=0) > cosine
    assert float(given) == pytest.approx(float(wanted), rel=loss_error)


@pytest.mark.parametrize("way", WAYS)
def test_a_batch_gives_what_its_codes_give_alone_and_a_second_call_the_same_bits(way):
    ours = fast(generator_of(TINY), way)
    ws, cotangent = codes(ours, 3), torch.randn(3, 3, 16, 16)
    together, (slope,) = gradients(ours, [ws], cotangent)
    again, (same,) = gradients(ours, [ws], cotangent)
    assert torch.equal(together, again) and torch.equal(slope, same)
    for index in range(3):
        one = slice(index, index + 1)
        alone, (single,) = gradients(ours, [ws[one]], cotangent[one])
        assert of_range(alone, together[one]) < (1e-2 if way is BF16 else 1e-6)
        assert differ(single, slope[one]) < (1e-5 if way is FAST else 0.05)


def test_the_fast_generator_is_the_same_generator(tmp_path):
    reference = generator_of(TINY)
    ours = fast(reference, FAST)
    assert (ours.fingerprint, ours.card, ours.origin()) == (reference.fingerprint, reference.card, reference.origin())
    ours.save(tmp_path / "ours.safetensors")
    reference.save(tmp_path / "reference.safetensors")
    assert (tmp_path / "ours.safetensors").read_bytes() == (tmp_path / "reference.safetensors").read_bytes()
    assert fast(reference, Compute("reference", "tested")) is reference
    assert fast(ours) is ours
    assert fast(fast(reference, BF16)).network.synthesis.precision.forward == torch.bfloat16


def test_a_copy_of_the_fast_network_is_the_reference_and_hooks_work_there():
    reference = generator_of(TINY)
    copied = copy.deepcopy(fast(reference, FAST).network)
    ws, seen = codes(reference, 1), []
    copied.synthesis.blocks[1].register_forward_hook(lambda *_: seen.append(1))
    assert torch.equal(copied.synthesis(ws), reference.network.synthesis(ws))
    assert seen


def test_the_graph_is_freed_with_the_gradient():
    ours = fast(generator_of(TINY), FAST)
    ws = codes(ours, 1).requires_grad_(True)
    total = ours(ws).sum()
    total.backward()
    with pytest.raises(RuntimeError, match="second time"):
        total.backward()


@pytest.mark.parametrize("way", WAYS)
def test_gradients_of_convolutions_are_their_adjoints(way):
    draw, precision = torch.Generator().manual_seed(0), PRECISIONS[way.path]
    weight = torch.randn(8, 12, 3, 3, generator=draw)
    up = UpConvolution(weight, (1, 3, 3, 1), precision=precision)
    for conv, side in ((Convolution(weight, precision=precision), 8), (up, 16)):
        x = torch.randn(2, 8, 8, 12, generator=draw).to(precision.forward)
        y = torch.randn(2, side, side, 8, generator=draw).to(precision.forward)
        there, back = conv.forward(x), conv.backward(y)
        assert there.dtype == back.dtype == precision.forward
        found, wanted = float((there.double() * y).sum()), float((back.double() * x).sum())
        assert found == pytest.approx(wanted, abs=1e-4 if way is FAST else 3)


def test_an_up_convolution_is_the_transposed_convolution_and_the_filter():
    weight, x = torch.randn(8, 12, 3, 3), torch.randn(1, 6, 6, 12)
    full = torch.nn.functional.conv_transpose2d(x.permute(0, 3, 1, 2), weight.transpose(0, 1), stride=2)
    wanted = fir(full, gain=4.0, padding=1).permute(0, 2, 3, 1)
    assert torch.allclose(UpConvolution(weight, (1, 3, 3, 1), precision=FP32).forward(x), wanted, atol=1e-4)


@pytest.mark.parametrize("shape", [(1, 4, 4), (2, 8, 12), (1, 96, 96)])
def test_winograd_is_the_convolution(shape):
    draw = torch.Generator().manual_seed(0)
    weight, x = torch.randn(40, 600, 3, 3, generator=draw), torch.randn(*shape, 600, generator=draw)
    scale = torch.rand(shape[0], 600, generator=draw)
    scaled = (x * scale[:, None, None]).permute(0, 3, 1, 2).double()
    wanted = torch.nn.functional.conv2d(scaled, weight.double(), padding=1).permute(0, 2, 3, 1)
    assert of_range(Winograd(weight, tiles=9)(x, scale).double(), wanted) < 5e-6


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("masked", [False, True])
def test_the_mean_square_and_its_gradient_are_torchs(layout, masked):
    given, wanted = (torch.randn(2, 5, 700, 60).contiguous(memory_format=layout) for _ in range(2))
    mask = torch.rand(1, 1, 700, 60) if masked else None
    cotangent = torch.tensor([1.0, -2.0])
    ours, (slope,) = gradients(lambda x: squared_error(x, wanted, mask), [given], cotangent)
    plain = lambda x: ((x - wanted).square() * (1 if mask is None else mask)).mean(dim=(1, 2, 3))
    theirs, (true,) = gradients(plain, [given], cotangent)
    assert torch.allclose(ours, theirs, rtol=1e-5)
    assert differ(slope, true) < 1e-6


def machine(**changed):
    return replace(Machine(2, 2, ("avx2", "avx512_bf16"), onednn=True, cuda=None, mps=False), **changed)


def test_the_path_is_what_machine_and_network_allow():
    able = generator_of(TINY)
    assert compute_for(able, machine=machine()).path == "mixed"
    assert compute_for(able, machine=machine(instructions=("avx2",))).path == "fast"
    assert compute_for(able, wanted="fast", machine=machine()).path == "fast"
    assert compute_for(able, wanted="bf16", machine=machine()).path == "bf16"
    assert compute_for(able, wanted="reference", machine=machine()).path == "reference"
    assert compute_for(able, machine=machine(onednn=False)) == Compute("reference", "no oneDNN for x86 here")
    assert compute_for(able, "cuda", machine=machine(cuda="some")).path == "reference"
    assert compute_for(able, "cuda", "bf16", machine=machine(cuda="some")).path == "bf16"
    for path in ("mixed", "bf16"):
        assert "slow" in compute_for(able, wanted=path, machine=machine(instructions=("avx2", "avx512_f"))).why
        assert compute_for(able, wanted=path, machine=machine(instructions=("avx2",))).path == "fast"
    for odd in (replace(TINY, architecture="resnet"), replace(TINY, taps=(1.0, 2.0, 1.0))):
        network = generator_of(odd)
        assert compute_for(network, wanted="fast", machine=machine()).path == "reference"
        assert fast(network) is network


@pytest.mark.parametrize("name", ["_convolution_pointwise", "_reorder_linear_weight", "_linear_pointwise"])
@pytest.mark.parametrize("fate", ["lacks", "takes other arguments", "gives other numbers"])
def test_a_torch_that_lacks_or_changed_an_operator_takes_the_plain_path_with_one_line(
    monkeypatch, caplog, wplus, mini, name, fate
):
    class Changed:
        def __getattr__(self, asked):
            real = getattr(torch.ops.mkldnn, asked)
            if asked != name:
                return real
            if fate == "lacks":
                raise AttributeError(f"no operator {name}")
            change = (lambda: 0) if fate == "takes other arguments" else lambda *given: real(*given) + 1
            changed = SimpleNamespace(default=change)
            return changed if name == "_convolution_pointwise" else change

    if fate == "gives other numbers" and name == "_reorder_linear_weight":
        pytest.skip("packed weights are opaque: nothing can be added to them")
    for module in ("convolution", "winograd"):
        monkeypatch.setattr(importlib.import_module(f"wplus.models.fast.{module}"), "ONEDNN", Changed())
    trial.objection.cache_clear()
    try:
        if not Machine.here().onednn:
            pytest.skip("no oneDNN for x86 here")
        for wanted in ("auto", "fast", "bf16"):
            compute = compute_for(mini, wanted=wanted)
            assert compute.path == "reference"
            assert "are not those that the fast path knows" in compute.why
        assert fast(mini) is mini
        assert [record.message.endswith("; networks take the slower plain path") for record in caplog.records] == [True]
        assert "\n" not in caplog.records[0].message
        assert "auto on cpu   reference: oneDNN's operators of torch" in " ".join(
            wplus("info", "--machine")[1].split(" ")
        )
    finally:
        trial.objection.cache_clear()


def test_the_operators_of_this_torch_are_those_that_are_known():
    trial.objection.cache_clear()
    assert trial.objection() is None


def test_info_tells_the_machine(wplus):
    code, out, _ = wplus("info", "--machine")
    assert code == 0
    assert all(
        f"\n{word}" in f"\n{out}" for word in ("cores", "threads", "instructions", "bf16", "CUDA", "auto on cpu")
    )
    code, _, err = wplus("info")
    assert code == 2 and "Missing argument 'FILE'" in err
