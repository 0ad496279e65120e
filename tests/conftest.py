"""Shape checks at run time for all of wplus, and what several tests share."""

import json
import re
import sys
import types
from pathlib import Path

import numpy as np
import pytest
import torch
from beartype import BeartypeConf, beartype
from jaxtyping import install_import_hook

# ints may stand for floats, as the type system says; the hook takes its checker by name, so it gets a module
checker = types.ModuleType("wplus_test_checker")
checker.check = beartype(conf=BeartypeConf(is_pep484_tower=True))  # type: ignore[attr-defined]
sys.modules[checker.__name__] = checker
install_import_hook(["wplus"], "wplus_test_checker.check")

ROOT = Path(__file__).parents[1]
SHARED = ROOT.parent / "shared"
GOLDEN = ROOT / "tests" / "golden"


def pytest_report_header() -> str:
    return f"shared material: {'present' if SHARED.is_dir() else 'absent, tests that need it are skipped by name'}"


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of photographs, networks and golden arrays beside the checkout."""
    if not SHARED.is_dir():
        pytest.skip("needs ../shared")
    return SHARED


@pytest.fixture
def wplus(monkeypatch, capsys):
    """Run the command in this process; gives exit code, standard output, standard error."""

    from wplus.cli.main import main

    def run(*words):
        monkeypatch.setattr(sys, "argv", ["wplus", *map(str, words)])
        with pytest.raises(SystemExit) as caught:
            main()
        out, err = capsys.readouterr()
        return caught.value.code, out, err

    return run


@pytest.fixture(scope="session")
def mini():
    """A StyleGAN2 of 16 px with random weights, frozen."""
    from wplus.models import Card, Generator

    network, _ = _golden_network(GOLDEN / "sg2ada_mini_16.npz", torch.float32)
    return Generator(network, Card("mini"))


@pytest.fixture(scope="session")
def golden_network():
    """A function: path of a golden file -> the network with its weights, and its arrays as tensors.

    In double precision unless told otherwise: then formulas are compared, not how processors round, and what differs
    is what the upstream program rounded.
    """
    return _golden_network


@pytest.fixture(scope="session")
def relative():
    """A function: the largest difference of two tensors over the standard deviation of the second."""
    return lambda ours, theirs: float(((ours - theirs).abs().max() / theirs.std()).detach())


def _golden_network(path: Path, dtype: torch.dtype = torch.float64):
    from wplus.models import StyleGAN1, StyleGAN1Config, StyleGAN2, StyleGAN2Config, StyleGAN3

    with np.load(path) as file:
        meta = json.loads(str(file["meta"]))
        arrays = {name: torch.from_numpy(file[name]) for name in file.files if name != "meta"}
    weights = {name.split("/", 1)[1]: x for name, x in arrays.items() if name.startswith(("param/", "buffer/"))}
    if "synthesis.input.weight" in weights:
        network = StyleGAN3(_stylegan3_config(meta["init_kwargs"]))
    elif "fmap_base" in meta:
        weights = _stylegan1_weights(weights, arrays)
        network = StyleGAN1(StyleGAN1Config.from_weights(weights, epsilon=1e-5))  # that port's
    else:
        weights = {name: array for name, array in weights.items() if "resample_filter" not in name}
        network = StyleGAN2(StyleGAN2Config.from_weights(weights))
    network.load_state_dict(weights, strict=True)
    return network.requires_grad_(False).to(dtype), {name: array.to(dtype) for name, array in arrays.items()}


def _stylegan3_config(arguments):
    from wplus.models import StyleGAN3Config

    keys = ("channel_base", "channel_max", "conv_kernel", "use_radial_filters")
    same = {key: arguments[key] for key in keys if key in arguments}
    depth = arguments["mapping_kwargs"]["num_layers"]
    return StyleGAN3Config(arguments["img_resolution"], arguments["z_dim"], arguments["w_dim"], depth, **same)


def _stylegan1_weights(weights, arrays):
    """The port's weights under this project's names."""
    pairs = [
        ("g_mapping.dense", "mapping.fc"),
        ("g_synthesis.", "synthesis."),
        ("epi1", "conv0"),
        ("epi2", "conv1"),
        ("conv0_up.", "conv0."),
        ("4x4.conv.", "4x4.conv1."),
        ("4x4.bias", "4x4.conv0.bias"),
        ("style_mod.lin", "affine"),
        ("top_epi.noise.weight", "noise_strength"),
    ]
    renamed = {"mapping.w_avg": torch.zeros(64)}
    maps = {name: array[0, 0] for name, array in arrays.items() if name.startswith("in/noise/")}
    noises = {f"synthesis.blocks.{name[9:]}.noise_const": array for name, array in maps.items()}
    for name, array in (weights | noises).items():
        for theirs, ours in pairs:
            name = name.replace(theirs, ours)
        name = re.sub(r"blocks\.(\d+)x\d+", r"b\1", name)
        if not name.endswith("intermediate.kernel"):
            renamed[name] = array[0] if name.endswith("const") and array.ndim == 4 else array
    return renamed
