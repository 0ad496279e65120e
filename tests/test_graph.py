"""A step that a GPU may capture asks nothing of the host; where there is a GPU, its replay is the step."""

import contextlib
import types

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from wplus.inversion import Mean, Objective, P, Settings, W, WithNoise, WPlus, Z, image2stylegan, steps
from wplus.inversion.graph import captured
from wplus.inversion.masked import image2stylegan_pp
from wplus.inversion.optimise import _Descent
from wplus.inversion.penalties import NoiseCorrelation
from wplus.models import (
    VGG,
    Card,
    Generator,
    Machine,
    StyleGAN1,
    StyleGAN1Config,
    StyleGAN2,
    StyleGAN2Config,
    StyleGAN3,
    StyleGAN3Config,
    StyleMapGAN,
    StyleMapGANConfig,
    compute_for,
)
from wplus.models.vgg import VGGConfig

TINY = {
    "StyleGAN1": lambda: StyleGAN1(StyleGAN1Config(channels=(6, 6, 4), z_dim=6, w_dim=5, mapping_layers=2)),
    "StyleGAN2": lambda: StyleGAN2(StyleGAN2Config(channels=(16, 8, 8), z_dim=6, w_dim=5, mapping_layers=2)),
    "StyleGAN3": lambda: StyleGAN3(
        StyleGAN3Config(16, 6, 5, channel_base=64, channel_max=8, num_layers=5, margin_size=4)
    ),
    "StyleMapGAN": lambda: StyleMapGAN(StyleMapGANConfig((12, 8, 6), z_dim=6, w_dim=9, side=4, mapping_layers=3)),
}


def tiny(device, kind="StyleGAN2"):
    torch.manual_seed(0)
    network = VGG(VGGConfig(widths=(6, 8, 10, 12), heads=("conv1_2",)), name="tiny")
    return Generator(TINY[kind](), Card("tiny")).to(device), network.to(device)


class OnlyOn(TorchDispatchMode):
    """Refuses operations of tensors on other devices."""

    def __init__(self, device):
        super().__init__()
        self.device = device

    def __torch_dispatch__(self, operation, types, args=(), kwargs=None):
        found = operation(*args, **(kwargs or {}))
        seen = [item.device.type for item in tree_leaves((args, kwargs, found)) if isinstance(item, torch.Tensor)]
        assert set(seen) <= {self.device}, f"{operation} of tensors on {seen}"
        return found


@pytest.fixture
def no_values_from_python(monkeypatch):
    def refuse(*args, **kwargs):
        raise AssertionError("a tensor made of Python's numbers: a copy from the host at every step")

    def set_up():
        for name in ("tensor", "as_tensor", "from_numpy"):
            monkeypatch.setattr(torch, name, refuse)

    return set_up


@pytest.mark.parametrize(
    ("kind", "space"),
    [*((kind, WPlus()) for kind in TINY), *(("StyleGAN2", space) for space in (W(), Z(), P(), WithNoise()))],
    ids=lambda value: value if isinstance(value, str) else value.name,
)
def test_a_step_asks_nothing_of_the_host(kind, space, no_values_from_python):
    generator, network = tiny("meta", kind)
    objective = image2stylegan(network)
    if isinstance(space, WithNoise):
        objective = Objective(objective.terms, (NoiseCorrelation(),))
    side = generator.resolution
    target = torch.zeros(2, 3, side, side, device="meta")
    start = generator.mean_ws.expand(2, -1, -1)
    code = target[:, 0, 0, : generator.z_dim] if isinstance(space, Z) else space.code(start, generator)
    descent = _Descent(generator, target, objective, space, graph=False)
    no_values_from_python()
    with OnlyOn("meta"):
        losses, gradient = descent.evaluated(code)
    assert gradient.shape == code.shape
    assert all(item.shape == (2,) for item in losses.values())


def test_a_masked_step_asks_nothing_of_the_host(no_values_from_python):
    generator, network = tiny("meta")
    mask, reference = torch.rand(16, 16), torch.zeros(1, 3, 16, 16)
    objective = image2stylegan_pp(network, reference, mask, style_weight=0.1)
    descent = _Descent(generator, torch.zeros(2, 3, 16, 16, device="meta"), objective, WPlus(), graph=False)
    no_values_from_python()
    with OnlyOn("meta"):
        losses, _ = descent.evaluated(generator.mean_ws.expand(2, -1, -1))
    assert "style inside" in losses


def test_paths_on_a_gpu():
    here = Machine(2, 2, (), onednn=True, cuda="some", mps=False)
    assert compute_for(device="cuda", machine=here).path == "reference"  # nothing else was measured
    for path in ("fast", "bf16"):
        assert "CUDA graphs" in compute_for(device="cuda", wanted=path, machine=here).why


class Tape(TorchDispatchMode):
    """What a CUDA graph does, on the CPU: the same operations again on the very memory that they were captured with."""

    def __init__(self):
        super().__init__()
        self.calls = []

    def __torch_dispatch__(self, operation, types, args=(), kwargs=None):
        found = operation(*args, **(kwargs or {}))
        self.calls.append((operation, args, kwargs or {}, found))
        return found

    @torch.no_grad()
    def replay(self):
        for operation, args, kwargs, found in self.calls:
            for place, value in zip(tree_leaves(found), tree_leaves(operation(*args, **kwargs)), strict=True):
                if isinstance(place, torch.Tensor) and place.data_ptr() != value.data_ptr():
                    place.copy_(value)


@pytest.fixture
def taped(monkeypatch):
    """Tapes in the place of a GPU's graphs."""
    stream = types.SimpleNamespace(wait_stream=lambda other: None)
    stand_ins = {"CUDAGraph": Tape, "graph": lambda tape, stream: tape, "current_stream": lambda: stream}
    stand_ins |= {"stream": contextlib.nullcontext, "device": contextlib.nullcontext}
    for name, stand_in in stand_ins.items():
        monkeypatch.setattr(torch.cuda, name, stand_in)
    monkeypatch.setattr("wplus.inversion.graph._stream", lambda device: stream)


def descend(device, *, graph):
    """Three pictures, of which one is done before the others."""
    generator, network = tiny(device)
    target = torch.cat([generator(generator.sample(seed)).clamp(-1, 1) for seed in range(3)])
    settings = Settings(steps=30, target_loss=0.5)
    run = steps(generator, target, image2stylegan(network), space=WPlus(), start=Mean(), settings=settings, graph=graph)
    return [(record.total, record.ws, record.progress.running) for record in run]


@pytest.mark.filterwarnings("error")
def test_a_replayed_descent_is_the_plain_one(taped):
    plain, ours = (descend("cpu", graph=graph) for graph in (False, True))
    for mine, other in zip(ours, plain, strict=True):
        assert all(map(torch.equal, mine, other))
    assert len({int(running.sum()) for *_, running in plain}) > 1, "none left the batch, so nothing was captured anew"


def test_what_cannot_be_captured_runs_as_usual(taped, monkeypatch):
    evaluate = lambda code: ({"loss": code.square().sum(dim=1)}, 2 * code)
    code = torch.tensor([[1.0, -2.0]])
    monkeypatch.setattr(Tape, "replay", lambda self: None)
    with pytest.warns(UserWarning, match="a replay gave something else"):
        assert captured(evaluate, code) is evaluate

    def refuse(tape, stream):
        raise RuntimeError("operation not permitted when stream is capturing\nand more")

    monkeypatch.setattr(torch.cuda, "graph", refuse)
    with pytest.warns(UserWarning, match="not as a CUDA graph: operation not permitted when stream is capturing$"):
        assert captured(evaluate, code) is evaluate


def test_a_descent_goes_on_where_another_device_stopped():
    generator, network = tiny("cpu")
    target = generator(generator.sample(0)).clamp(-1, 1)
    run = steps(generator, target, image2stylegan(network), space=WPlus(), start=Mean(), settings=Settings(steps=3))
    *_, last = run
    moved = last.progress.to(torch.device("meta"))
    tensors = [item for item in tree_leaves(vars(moved)) if isinstance(item, torch.Tensor)]
    assert len(tensors) > len(moved.memory) and {item.device.type for item in tensors} == {"meta"}
    assert moved.step == last.progress.step


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.filterwarnings("error")
def test_a_descent_on_a_gpu_is_captured():
    plain, ours = (descend("cuda", graph=graph) for graph in (False, True))
    for (a, *_), (b, *_) in zip(plain[:5], ours[:5], strict=True):  # later ones go apart, for sums come in any order
        assert torch.allclose(a, b, rtol=1e-2)
