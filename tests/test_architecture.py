"""The house keeps its floors, and the package holds what the disk holds."""

import ast
import types
from importlib import import_module
from pathlib import Path

import pytest

try:
    import tomllib
except ModuleNotFoundError:  # Python 3.10
    import tomli as tomllib

ROOT = Path(__file__).parents[1]

FLOORS = [
    {"core"},
    {"alignment", "models"},
    {"optimisation"},
    {"inversion", "editing", "metrics"},
    {"pipelines"},
    {"training", "studies"},
    {"cli"},
]
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


def test_no_module_imports_itself_through_others():
    graph = {}
    for path in (path for room in ROOMS for path in (ROOT / room).rglob("*.py")):
        module = ".".join(("wplus", *path.relative_to(ROOT).with_suffix("").parts)).removesuffix(".__init__")
        graph[module] = set(imports_of_modules(path))
    known = set(graph)
    edges = {
        module: {target for name in names if (target := resolved(name, known)) not in (None, module)}
        for module, names in graph.items()
    }
    done, path = set(), []

    def visit(module):
        if module in path:
            raise AssertionError(" -> ".join([*path[path.index(module) :], module]))
        if module not in done:
            path.append(module)
            for other in sorted(edges[module]):
                visit(other)
            path.pop()
            done.add(module)

    for module in sorted(edges):
        visit(module)


def imports_of_modules(path):
    """What is imported when a module is, names of modules within packages included."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def resolved(name, known):
    """The module that `name` is, or is a member of."""
    return name if name in known else parent if (parent := name.rpartition(".")[0]) in known else None


def test_the_package_list_is_the_disk():
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]
    packages = {
        ".".join(("wplus", *path.parent.relative_to(ROOT).parts))
        for room in ROOMS
        for path in (ROOT / room).rglob("__init__.py")
    }
    assert set(settings["packages"]) == packages | {"wplus"}
    assert settings["package-dir"] == {"wplus": "wplus"} | {f"wplus.{room}": room for room in ROOMS}
    assert not list(ROOT.glob("*.py"))


def test_type_checkers_see_the_rooms_where_they_are_installed():
    links = {link.name: link.resolve() for link in (ROOT / ".typings" / "wplus").iterdir()}
    rooms = {room: ROOT / room for room in ROOMS}
    assert links == rooms | {name: ROOT / "wplus" / name for name in ("__init__.py", "py.typed")}


@pytest.mark.parametrize("room", [room for room in ROOMS if room not in {"cli", "training", "pipelines"}])
def test_public_names_exist_and_are_documented(room):
    module = import_module(f"wplus.{room}")
    for name in module.__all__:
        value = getattr(module, name)
        assert not isinstance(value, type | types.FunctionType) or value.__doc__, name


def test_the_contract_of_names_stands():
    from wplus.alignment import Crop, Face, align, detect, restore
    from wplus.core import Latent
    from wplus.editing import crossover, morph, transfer_expression
    from wplus.inversion import Inversion, Mean, WPlus, invert, steps
    from wplus.models import Generator, load_generator
    from wplus.optimisation import Settings

    names = [Crop, Face, align, detect, restore, Latent.save, Latent.load, crossover, morph, transfer_expression]
    names += [Inversion, Mean, Settings, WPlus, invert, steps, Generator, load_generator]
    assert all(names)
    assert {"resolution", "layers", "w_dim", "mean_ws", "map"} <= set(dir(Generator))
