"""Packages that only part of wplus needs: each belongs to an extra, `pip install "wplus[EXTRA]"`."""

from importlib import import_module
from importlib.util import find_spec
from typing import Any

from wplus.core.errors import ExtraError

EXTRAS = {
    "av": "video",
    "jinja2": "study",
    "lpips": "metrics",
    "matplotlib": "study",
    "onnx": "export",
    "pillow_heif": "heic",
    "onnxscript": "export",
    "sklearn": "metrics",
    "torch_fidelity": "metrics",
}
"""Modules by the extra that installs them."""

PACKAGES = {"pillow_heif": "pillow-heif", "sklearn": "scikit-learn", "torch_fidelity": "torch-fidelity"}
"""Modules whose packages have other names."""


def need(*modules: str) -> None:
    """Check that modules of extras can be imported, before any work.

    Raises:
        ExtraError: one is not installed; the message says how to install it.
    """
    for module in modules:
        if find_spec(module) is None:
            raise ExtraError(f'needs the package {PACKAGES.get(module, module)}: pip install "wplus[{EXTRAS[module]}]"')


def load(module: str) -> Any:
    """A module of an extra, such as "sklearn.svm".

    Raises:
        ExtraError: its package is not installed.
    """
    need(module.partition(".")[0])
    return import_module(module)
