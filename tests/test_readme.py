"""What the README tells a newcomer to type works."""

import re
import shlex
import sys
from pathlib import Path

import pytest
from PIL import Image
from skimage import data

from wplus.cli.main import COMMANDS, main

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()


def blocks(language, after):
    """The first block of a language after a heading."""
    return re.search(rf"```{language}\n(.*?)```", README.split(after, 1)[1], re.DOTALL)[1]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    Image.fromarray(data.astronaut()).save(tmp_path / "portrait.jpg", quality=95)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_python_block_runs(folder):
    names = {}
    exec(compile(blocks("python", "## In Python"), "README.md", "exec"), names)
    assert names["halfway"].shape == (1, 3, 64, 64)
    assert (folder / "portrait.safetensors").exists()
    for name in ("me.jpg", "her.jpg", "him.jpg"):
        (folder / name).write_bytes((folder / "portrait.jpg").read_bytes())
    exec(compile(blocks("python", "after a crash"), "README.md", "exec"), names)
    assert names["found"].photo == Path("him.jpg")
    assert names["found"].latent is not None


def test_the_commands_run_in_order(folder, monkeypatch):
    for name in ("her_neutral.jpg", "her_smile.jpg"):
        (folder / name).write_bytes((folder / "portrait.jpg").read_bytes())
    section = README.split("## On the command line", 1)[1].split("## In Python", 1)[0]
    lines = "".join(re.findall(r"```sh\n(.*?)```", section, re.DOTALL)).splitlines()
    assert len(lines) > 8
    for line in lines:
        words = shlex.split(line, comments=True)
        if words[:2] == ["wplus", "invert"]:
            words += ["--steps", "10"]
        monkeypatch.setattr(sys, "argv", words)
        with pytest.raises(SystemExit) as caught:
            main()
        assert caught.value.code == 0, line
    assert {"morph.gif", "mixed.png", "exact.npy", "pasted.png", "smile.png"} <= {
        path.name for path in folder.iterdir()
    }


def test_its_pictures_are_there_and_it_names_every_command():
    for name in re.findall(r"!\[[^]]*]\(([^)]+)\)", README):
        assert (ROOT / name).is_file(), name
    assert all(f"`{name}`" in README for name in COMMANDS)


def test_the_first_block_is_the_two_commands():
    targets = re.findall(r"^make (\w+)", blocks("sh", "# wplus"), re.MULTILINE)
    assert targets == ["demo", "test"]
    assert all(f"\n{target}:" in (ROOT / "Makefile").read_text() for target in targets)
