"""Shape checks at run time for all of wplus, and what several tests share."""

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


@pytest.fixture(scope="session")
def mini():
    """A StyleGAN2 of 16 px with random weights, frozen."""
    from wplus.models import Card, Generator

    network, _ = _golden_network(GOLDEN / "sg2ada_mini_16.npz")
    return Generator(network, Card("mini"))


@pytest.fixture(scope="session")
def golden_network():
    """A function: path of a golden file -> StyleGAN2 with its weights, and its arrays as tensors."""
    return _golden_network


def _golden_network(path: Path):
    from wplus.models import StyleGAN2, StyleGAN2Config

    with np.load(path) as file:
        arrays = {name: torch.from_numpy(file[name]) for name in file.files if name != "meta"}
    weights = {
        name.split("/", 1)[1]: array
        for name, array in arrays.items()
        if name.startswith(("param/", "buffer/")) and "resample_filter" not in name
    }
    network = StyleGAN2(StyleGAN2Config.from_weights(weights))
    network.load_state_dict(weights, strict=True)
    return network, arrays
