"""What the README and the guide tell people to type works, block by block."""

import re
import shlex
import sys
from functools import partial
from pathlib import Path

import pytest
from PIL import Image
from skimage import data

from wplus.cli.main import COMMANDS, main
from wplus.inversion import invert
from wplus.optimisation import Settings
from wplus.pipelines.edit import Nearness, subject

ROOT = Path(__file__).parents[1]
README, GUIDE = ((ROOT / name).read_text() for name in ("README.md", "docs/guide.md"))
PEOPLE = ("portrait", "me", "her", "him", "her_neutral", "her_smile")


def blocks(text, language):
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.DOTALL | re.MULTILINE)


@pytest.fixture(scope="module")
def photographs(tmp_path_factory):
    """The photographs that the texts speak of, all of one person, and the code of the first."""
    folder = tmp_path_factory.mktemp("photographs")
    for name in PEOPLE:
        Image.fromarray(data.astronaut()).save(folder / f"{name}.jpg", quality=95)
    return folder


@pytest.fixture
def folder(photographs, tmp_path, monkeypatch):
    for path in photographs.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(line, monkeypatch):
    words = shlex.split(line, comments=True)
    if (words[1] == "invert" and "encoder" not in words) or (words[1] == "edit" and "--list" not in words):
        words += ["--steps", "4"]
    monkeypatch.setattr("wplus.cli.morph.subject", partial(subject, nearness=Nearness(steps=4)))
    monkeypatch.setattr(sys, "argv", words)
    with pytest.raises(SystemExit) as caught:
        main()
    assert caught.value.code == 0, line


@pytest.mark.parametrize("text", [README, GUIDE], ids=["README.md", "guide.md"])
def test_the_python_blocks_run(text, folder, monkeypatch):
    quick = lambda *arguments, **options: invert(*arguments, settings=Settings(steps=4), **options)
    monkeypatch.setattr("wplus.inversion.invert", quick)
    for block in blocks(text, "python"):
        exec(compile(block, "README.md", "exec"), {})


def test_the_five_commands_of_the_readme_run_in_order(folder, monkeypatch):
    lines = [line for block in blocks(README, "sh") for line in block.splitlines() if line.startswith("wplus")]
    assert len(lines) == 5
    for line in lines:
        run(line, monkeypatch)
    made = {path.name for path in folder.iterdir()}
    assert {"smiling.jpg", "morph.webp", "eyes.jpg", "codes", "figures.csv"} <= made


def test_the_commands_of_the_guide_run_in_order(folder, monkeypatch):
    lines = [line for block in blocks(GUIDE, "sh") for line in block.splitlines() if line.startswith("wplus")]
    assert len(lines) > 12
    for line in lines:
        run(line, monkeypatch)
    made = {path.name for path in folder.iterdir()}
    assert {"smile.png", "mouth.jpg", "both.jpg", "mine.pkl", "figures.csv"} <= made


def test_a_short_readme_shows_its_pictures_and_names_every_command():
    for name in re.findall(r"!\[[^]]*]\(([^)]+)\)", README):
        assert (ROOT / name).is_file(), name
    for name in re.findall(r"\]\(((?!http)[^)#]+)\)", README):
        assert (ROOT / name).exists(), name
    assert all(f"`{name}`" in README for name in COMMANDS)
    assert len(README.splitlines()) <= 150


def test_the_first_block_is_the_two_commands():
    targets = re.findall(r"^make (\w+)", blocks(README, "sh")[0], re.MULTILINE)
    assert targets == ["demo", "test"]
    assert all(f"\n{target}:" in (ROOT / "Makefile").read_text() for target in targets)
