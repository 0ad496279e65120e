"""What a notebook's user types first: the package's own names, pictures in any form, arithmetic of latents."""

import copy
import pydoc
import subprocess
import sys

import numpy as np
import pytest
import torch
from PIL import Image
from skimage import data

import wplus as package
from wplus.core import ImageError, LatentError
from wplus.core.images import as_picture
from wplus.core.latent import join
from wplus.models import Card, Generator


def test_importing_the_package_loads_neither_torch_nor_any_room():
    seen = "[n for n in sys.modules if n in ('torch', 'numpy') or n[:6] == 'wplus.']"
    code = f"import sys, wplus; wplus.__version__; print({seen})"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


@pytest.mark.parametrize(
    ("module", "words", "line"),
    [
        ("av", ["morph", "{a}", "{b}", "-o", "{out}/m.mp4"], 'needs the package av: pip install "wplus[video]"'),
        ("matplotlib", ["study"], 'needs the package matplotlib: pip install "wplus[study]"'),
        ("lpips", ["measure", "{png}", "{png}", "--metric", "lpips-alex"], None),
        ("sklearn", ["measure", "{png}", "{png}"], None),
    ],
)
def test_what_an_extra_lacks_is_told_in_one_line_and_hinders_nothing_else(module, words, line, tmp_path):
    generator = package.load_generator("faces-64")
    places = {
        "a": tmp_path / "a.safetensors",
        "b": tmp_path / "b.safetensors",
        "out": tmp_path,
        "png": tmp_path / "p.png",
    }
    generator.sample(1).save(places["a"])
    generator.sample(2).save(places["b"])
    Image.fromarray(data.astronaut()[:64, :64]).save(places["png"])
    arguments = [word.format(**places) for word in words]
    hidden = f"import sys; sys.modules[{module!r}] = None; sys.argv[1:] = {arguments}"
    code = f"{hidden}; from wplus.cli.main import main; main()"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    if line is None:
        assert "Traceback" not in done.stderr
    else:
        assert (done.returncode, done.stderr) == (1, f"wplus: {line}\n")


def test_dir_and_help_name_what_people_need():
    assert {"load_generator", "align", "invert", "morph", "Latent", "models", "__version__"} <= set(dir(package))
    for name in package.__all__:
        assert getattr(package, name) is not None, name
    text = pydoc.render_doc(package, renderer=pydoc.plaintext)
    assert "load_generator" in text
    with pytest.raises(AttributeError, match="module 'wplus' has no attribute 'portrait'"):
        package.portrait  # noqa: B018


def test_a_photograph_comes_in_any_form():
    array = data.astronaut()[:64, :48]
    picture = as_picture(array)
    assert picture.shape == (3, 64, 48)
    for form in (
        Image.fromarray(array),
        array / 255.0,
        torch.from_numpy(array).permute(2, 0, 1),
        picture,
        picture[None],
    ):
        assert torch.allclose(as_picture(form), picture, atol=1e-6)
    grey = as_picture(array[:, :, 0])
    assert torch.equal(grey[0], grey[1])
    clear = np.zeros((4, 4, 4), dtype=np.uint8)
    assert float(as_picture(clear).min()) == 1  # transparent: over white


@pytest.mark.parametrize(
    ("form", "words"),
    [
        (np.zeros((3, 8, 8), np.uint8), r"an array of shape \(3, 8, 8\); expected \(height, width, 3\)"),
        (np.full((8, 8, 3), 200.0), r"floats from 200 to 200; an array's are in \[0, 1\]"),
        (np.zeros((8, 8, 3), np.int64), "an array of int64; expected uint8, or floats"),
        (torch.zeros(8, 8, 3), r"a tensor of shape \(8, 8, 3\); expected \(3, height, width\)"),
        (torch.full((3, 8, 8), 255.0), r"floats from 255 to 255; a tensor's are in \[-1, 1\]"),
    ],
)
def test_what_is_no_photograph_is_told_in_a_line(form, words):
    with pytest.raises(ImageError, match=words):
        as_picture(form)


def test_the_notebook_lines_that_failed_work(tmp_path):
    generator = package.load_generator("faces-64")
    photo = Image.fromarray(data.astronaut())
    crop = package.align(photo, size=64)
    assert crop.to_pil().size == (64, 64)
    assert crop.numpy().shape == (64, 64, 3)
    assert "64 px of a photograph of 512 x 512" in repr(crop)
    photo.save(tmp_path / "me.png")
    inversion = package.invert(generator, tmp_path / "me.png", settings=package.Settings(steps=2))
    again = package.invert(generator, crop, settings=package.Settings(steps=2))
    assert torch.equal(inversion.latent.ws, again.latent.ws)
    assert repr(inversion).startswith("Inversion(loss ")
    assert len(generator.sample([1, 2, 3])) == 3
    assert torch.equal(generator.sample(np.int64(2)).ws, generator.sample([1, 2])[1].ws)
    assert repr(generator.sample(1)) == "Latent(1 code of 10 layers x 256, faces-64)"
    assert generator._repr_png_().startswith(b"\x89PNG")


def test_arithmetic_of_latents_is_that_of_codes_and_keeps_the_generator(mini):
    a, b, c = mini.sample([1, 2, 3]), mini.sample(4), mini.sample(5)
    assert torch.equal((a + 0.5 * (b - c)).ws, a.ws + 0.5 * (b.ws - c.ws))
    assert torch.equal((-(b / 2)).ws, b.ws * -0.5)
    assert (a + b).origin.fingerprint == mini.fingerprint
    assert (b - c).origin.edit == "difference"
    with pytest.raises(LatentError, match="latents of 3 and 2 codes do not match one to one"):
        a + mini.sample([1, 2])


def test_a_mean_is_no_photographs(mini):
    crop = {"quad": [[0, 0], [0, 9], [9, 9], [9, 0]], "photo": [10, 10], "size": 8}
    photos = [package.Latent(mini.sample(n).ws, origin=mini.origin(crop=crop, seed=n)) for n in range(2)]
    mean = join(photos).mean()
    assert torch.equal(mean.ws, (photos[0].ws + photos[1].ws) / 2)
    assert mean.origin.crop is None
    assert mean.origin.edit == "mean of 2"
    assert (photos[0] + photos[0]).origin.crop == crop


@pytest.mark.parametrize("curve", ["linear", "slerp", "catmull-rom"])
def test_a_path_passes_through_its_codes(mini, curve):
    points = mini.sample(range(3))
    track = package.path(points, 4, curve=curve)
    assert len(track) == 9
    assert torch.equal(track.ws[::4], points.ws)
    loop = package.path(points, 4, curve=curve, closed=True)
    assert len(loop) == 12
    assert torch.equal(loop.ws[::4], points.ws)
    assert float((loop.ws[1:] - loop.ws[:-1]).norm(dim=(1, 2)).max()) < float((points.ws[1] - points.ws[0]).norm())
    middle = package.path(points, 2, curve="linear").ws[1]
    assert torch.allclose(middle, (points.ws[0] + points.ws[1]) / 2, atol=1e-6)


def test_slerp_turns_evenly_and_keeps_length():
    ws = torch.tensor([[[1.0, 0.0]], [[0.0, 1.0]]])
    track = package.path(package.Latent(ws), 3, curve="slerp").ws[:, 0]
    assert torch.allclose(track.norm(dim=1), torch.ones(4), atol=1e-6)
    assert torch.allclose((track[1:] * track[:-1]).sum(dim=1).acos(), torch.full((3,), torch.pi / 6), atol=1e-5)


def test_a_child_renders_its_parents_codes_and_only_it_renders_its_own(mini):
    changed = Generator(_moved(mini.network), Card("child", parent=mini.fingerprint))
    assert changed.fingerprint != mini.fingerprint
    code = mini.sample(1)
    assert changed(code).shape == mini(code).shape
    assert code.origin.fingerprint == mini.fingerprint  # where it was found
    with pytest.raises(LatentError, match="the latent belongs to generator child"):
        mini(changed.sample(1))
    orphan = Generator(_moved(mini.network), Card("orphan"))
    with pytest.raises(LatentError, match="the latent belongs to generator mini"):
        orphan(code)


def test_a_generator_leaves_the_network_that_it_is_given_as_it_was(mini):
    network = copy.deepcopy(mini.network).train().requires_grad_(True)
    generator = Generator(network, Card("mine"))
    assert network.training
    assert all(weight.requires_grad for weight in network.parameters())
    assert not any(weight.requires_grad for weight in generator.network.parameters())
    pairs = zip(network.parameters(), generator.network.parameters(), strict=True)
    assert all(ours.data_ptr() == theirs.data_ptr() for ours, theirs in pairs)  # no second copy in memory
    moved = generator.to("meta")
    assert generator.device.type == "cpu"
    assert moved.device.type == "meta"


def _moved(network):
    moved = copy.deepcopy(network)
    with torch.no_grad():
        next(moved.synthesis.parameters()).add_(0.1)
    return moved
