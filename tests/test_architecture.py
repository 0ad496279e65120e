"""The house keeps its floors, and the package holds what the disk holds."""

import ast
from importlib import import_module
from pathlib import Path

import pytest

try:
    import tomllib
except ModuleNotFoundError:  # Python 3.10
    import tomli as tomllib

ROOT = Path(__file__).parents[1]

FLOORS = [{"core"}, {"alignment", "models"}, {"inversion", "editing", "metrics"}, {"training", "studies"}, {"cli"}]
ROOMS = sorted(set().union(*FLOORS))


def floor(room):
    return next(number for number, rooms in enumerate(FLOORS) if room in rooms)


def imports(path):
    for node in ast.walk(ast.parse(path.read_text())):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        yield from (name for name in names if name.startswith("wplus."))


@pytest.mark.parametrize("room", ROOMS)
def test_imports_point_down_and_rooms_of_one_floor_are_apart(room):
    for path in sorted((ROOT / room).rglob("*.py")):
        for name in imports(path):
            other = name.split(".")[1]
            assert other == room or floor(other) < floor(room), f"{path.relative_to(ROOT)} imports {name}"


def test_the_package_list_is_the_disk():
    listed = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]
    found = {
        ".".join(("wplus", *path.parent.relative_to(ROOT).parts))
        for room in ROOMS
        for path in (ROOT / room).rglob("__init__.py")
    }
    assert set(listed) == found
    assert not list(ROOT.glob("*.py"))


@pytest.mark.parametrize("room", [room for room in ROOMS if room not in {"cli", "training"}])
def test_public_names_exist_and_are_documented(room):
    module = import_module(f"wplus.{room}")
    for name in module.__all__:
        value = getattr(module, name)
        assert not callable(value) or value.__doc__, name


def test_the_contract_of_names_stands():
    from wplus.alignment import Crop, Face, align, detect, restore
    from wplus.core import Latent
    from wplus.editing import crossover, morph, transfer_expression
    from wplus.inversion import Inversion, Mean, Settings, WPlus, invert, steps
    from wplus.models import Generator, load_generator

    names = [Crop, Face, align, detect, restore, Latent.save, Latent.load, crossover, morph, transfer_expression]
    names += [Inversion, Mean, Settings, WPlus, invert, steps, Generator, load_generator]
    assert all(names)
    assert {"resolution", "layers", "w_dim", "mean_ws", "map"} <= set(dir(Generator))
