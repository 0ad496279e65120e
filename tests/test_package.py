"""The wheel holds what it must, and works by itself."""

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from wplus.models.entries import SHIPPED

ROOT = Path(__file__).parents[1]
ROOMS = {
    "alignment", "cli", "core", "editing", "inversion", "metrics", "models", "optimisation", "pipelines", "studies",
    "training",
}  # fmt: skip


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wheel")
    shutil.rmtree(ROOT / "build", ignore_errors=True)  # setuptools would pack modules that are no more
    command = [sys.executable, "-m", "pip", "wheel", "--no-build-isolation", "--no-deps", "--quiet", "-w", folder, ROOT]
    subprocess.run([*map(str, command), "--disable-pip-version-check"], check=True, capture_output=True)
    return next(folder.glob("*.whl"))


def test_the_wheel_holds_code_weights_and_licence_and_nothing_else(wheel):
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    rooms = {name.split("/")[1] for name in names if name.startswith("wplus/")}
    assert rooms == {*ROOMS, "__init__.py", "py.typed"}
    assert {f"wplus/models/weights/{name}" for name in (*(entry.file for entry in SHIPPED), "README.md")} <= names
    assert "wplus/studies/report.html.jinja" in names
    assert any(name.endswith("licenses/LICENSE") for name in names)
    assert {name.split("/")[0] for name in names if not name.startswith("wplus-")} == {"wplus"}


def test_the_wheel_works_away_from_the_checkout(wheel, tmp_path):
    command = [sys.executable, "-m", "pip", "install", "--no-deps", "--quiet", "--target", tmp_path / "site", wheel]
    subprocess.run([*map(str, command), "--disable-pip-version-check"], check=True, capture_output=True)
    code = "import wplus.models.catalogue as c, sys; from wplus.cli.main import main; print(c.__file__); main()"
    shown = subprocess.run(
        [sys.executable, "-c", code, "sample", "-o", "faces", "--count", "1"],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(tmp_path / "site")},
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert shown.startswith(str(tmp_path / "site"))
    assert (tmp_path / "faces" / "seed0000.png").exists()
