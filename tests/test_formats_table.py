"""docs/formats.md says what a run of this file finds: every format is made, opened, poisoned and written again.

    WPLUS_WRITE_DOCS=1 pytest tests/test_formats_table.py

writes it anew.
"""

import importlib.util
import os
import pickle
import zipfile
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import torch

from wplus.core import GeneratorError, LatentError, OutputError
from wplus.models import (
    StyleGAN1,
    StyleGAN1Config,
    StyleGAN2,
    StyleGAN2Config,
    StyleGAN3,
    StyleGAN3Config,
    StyleMapGAN,
    StyleMapGANConfig,
    load_generator,
)
from wplus.models.checkpoints import FORMATS, read_checkpoint
from wplus.models.checkpoints.latents import read_codes, write_codes
from wplus.models.checkpoints.writing import WRITERS, write_checkpoint
from wplus.models.generator import Card, Generator
from wplus.models.stylemap import to_rows

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "formats.md"
SHARED = ROOT.parent / "shared" / "golden"

specification = importlib.util.spec_from_file_location("foreign", ROOT / "benchmarks" / "foreign.py")
foreign = importlib.util.module_from_spec(specification)
specification.loader.exec_module(foreign)

ONE = StyleGAN1Config((12, 8, 4), 10, 10, 3)
TWO = StyleGAN2Config((12, 8, 4), 10, 10, 3)
THREE = StyleGAN3Config(16, 6, 5, channel_base=64, channel_max=8, num_layers=5, margin_size=4)
MAP = StyleMapGANConfig((12, 8, 6), 10, 9, 4, 3)
KINDS = {
    StyleGAN1Config: StyleGAN1,
    StyleGAN2Config: StyleGAN2,
    StyleGAN3Config: StyleGAN3,
    StyleMapGANConfig: StyleMapGAN,
}


@dataclass(frozen=True)
class Row:
    """A line of the table.

    `golden` are upstream files whose pictures must come out; without any, weights are compared bit for bit with those
    that a file of documented layout was made from, except biases whose one is taken away and added.
    """

    title: str
    form: str
    config: object
    write: object
    golden: tuple[str, ...] = ()
    tolerance: float = 1e-5


def save_own(path, config, state):
    Generator(made(config), Card("own")).save(path)


def snapshot(path, config, state):
    write_checkpoint(path, config, state, form="nvidia")


def rosinality(path, config, state):
    write_checkpoint(path, config, state, form="rosinality")


def weights(path, config, state):
    torch.save(dict(state), path)


ROWS = (
    Row("wplus safetensors, StyleGAN1", "wplus", ONE, save_own),
    Row("wplus safetensors, StyleGAN2", "wplus", TWO, save_own),
    Row("wplus safetensors, StyleGAN3", "wplus", THREE, save_own),
    Row("wplus safetensors, StyleMapGAN", "wplus", MAP, save_own),
    Row(
        "NVIDIA snapshot `.pkl`, StyleGAN2-ADA and StyleGAN2 of StyleGAN3's code", "nvidia", TWO, snapshot,
        ("sg2ada_mini_16.nosrc.pkl", "sg2ada_skip_32.nosrc.pkl", "sg3repo_sg2_32.nosrc.pkl"),
    ),
    Row("NVIDIA snapshot `.pkl`, residual", "nvidia", replace(TWO, architecture="resnet"), snapshot),
    Row("NVIDIA snapshot `.pkl`, original architecture", "nvidia", replace(TWO, architecture="orig"), snapshot),
    Row("NVIDIA snapshot `.pkl`, class-conditional", "nvidia", replace(TWO, labels=3), snapshot),
    Row(
        "NVIDIA snapshot `.pkl`, StyleGAN3 t and r", "nvidia", THREE, snapshot,
        ("sg3_t_32.nosrc.pkl", "sg3_r_32.nosrc.pkl"), 1e-4,
    ),
    Row("state dict in NVIDIA's names, StyleGAN2", "nvidia", TWO, weights),
    Row("state dict in NVIDIA's names, StyleGAN3", "nvidia", THREE, weights),
    Row("TensorFlow `.pkl`, StyleGAN1", "tensorflow", ONE, foreign.write_tensorflow),
    Row("TensorFlow `.pkl`, StyleGAN2", "tensorflow", TWO, foreign.write_tensorflow),
    Row("rosinality `.pt`", "rosinality", TWO, rosinality, ("ros_32.pt",)),
    Row("pSp, e4e, ReStyle, HyperStyle `.pt` (their generator)", "rosinality", TWO, foreign.write_bundle),
    Row("GenForce `.pth`, StyleGAN1", "genforce", ONE, foreign.write_genforce),
    Row("GenForce `.pth`, StyleGAN2", "genforce", TWO, foreign.write_genforce),
    Row("lernapparat `.pt`, StyleGAN1", "lernapparat", ONE, foreign.write_lernapparat, ("sg1_32.pt",), 2e-5),
    Row(
        "StyleMapGAN `.pt` of torch 1.4, LayerNorm", "stylemapgan", MAP, foreign.write_stylemap,
        ("stylemap/ln_full_64.pt",),
    ),
    Row(
        "StyleMapGAN `.pt`, small, BatchNorm2d", "stylemapgan",
        replace(MAP, small=True, normalisation="BatchNorm2d"), foreign.write_stylemap,
    ),
)  # fmt: skip


def made(config):
    torch.manual_seed(0)
    network = KINDS[type(config)](config).requires_grad_(False)
    for name, weight in network.state_dict().items():
        if not name.endswith(("filter", "transform", "magnitude_ema")):
            weight.copy_(torch.randn(weight.shape))
    return network


def poisoned(path, canary):
    """The same file with a call of code of its own at its beginning."""
    call = b"cbuiltins\nexec\n" + pickle.dumps((f"open({str(canary)!r}, 'w')",), 2)[2:-1] + b"R0"
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            parts = {name: archive.read(name) for name in archive.namelist()}
        with zipfile.ZipFile(path, "w") as archive:
            for name, data in parts.items():
                archive.writestr(name, data[:2] + call + data[2:] if name.endswith("data.pkl") else data)
    else:
        data = path.read_bytes()
        path.write_bytes(data[:2] + call + data[2:])


def opens(row, path):
    try:
        return read_checkpoint(path).format == row.form and load_generator(path).resolution == row.config.resolution
    except GeneratorError:
        return False


def agrees(row, path, state, relative):
    if row.golden and SHARED.is_dir():
        return all(renders(SHARED / name, row.tolerance, relative) for name in row.golden)
    found = read_checkpoint(path).state
    added = tuple(name for name in found if name.endswith("affine.bias"))
    exact = all(
        torch.equal(found[name], state[name]) for name in found if name not in added and "noise_const" not in name
    )
    return exact and all(torch.allclose(found[name], state[name], atol=1e-6) for name in added)


def renders(path, tolerance, relative):
    with np.load(path.with_name(f"{path.name.partition('.')[0]}.npz")) as file:
        arrays = {key: torch.from_numpy(file[key]).double() for key in file.files if key != "meta"}
    generator = load_generator(path)
    generator.network.double()
    noise = tuple(array for name, array in arrays.items() if name.startswith("in/noise/")) or "const"
    if "out/stylemap" in arrays:
        return relative(generator(to_rows(arrays["out/stylemap"])), arrays["out/image"]) < tolerance
    ws = arrays["in/w_plus" if "in/w_plus" in arrays else "in/ws_plus"]
    image = arrays["out/image_w_plus" if "in/w_plus" in arrays else "out/image_ws_plus"]
    return relative(generator.network.synthesis(ws, noise=noise), image) < tolerance


def refuses(path, canary):
    poisoned(path, canary)
    assert b"cbuiltins\nexec\n" in path.read_bytes()
    try:
        read_checkpoint(path)
    except GeneratorError as error:
        return "\n" not in str(error) and not canary.exists()
    return False


def converts(config, folder):
    """The forms that give the same weights back."""
    state, found = made(config).state_dict(), ["wplus"]
    for form in WRITERS:
        try:
            write_checkpoint(folder / form, config, state, form=form)
        except OutputError:
            continue
        again = read_checkpoint(folder / form)
        if again.config == config and all(torch.equal(again.state[name], state[name]) for name in state):
            found.append(form)
    return [*found, "onnx", "torchscript"]  # tests/test_convert.py


def line(row, folder, relative):
    folder.mkdir()
    state = made(row.config).state_dict()
    row.write(folder / "file", row.config, state)
    word = "golden" if row.golden else "made"
    cells = [
        row.title,
        "yes" if opens(row, folder / "file") else "no",
        f"{word}, {row.tolerance:g}" if row.golden else "bit for bit" if row.form == "wplus" else INVERSE,
        "yes" if refuses(folder / "file", folder / "canary") else "no",
        ", ".join(converts(row.config, folder)),
    ]
    row.write(folder / "file", row.config, state)
    if not agrees(row, folder / "file", state, relative):
        cells[2] = "no"
    return f"| {' | '.join(cells)} |"


INVERSE = "own inverse only"

HEAD = """# Formats of generators

Written by `WPLUS_WRITE_DOCS=1 pytest tests/test_formats_table.py`, which makes, opens, poisons and writes a small file
of every kind; a test sees that this page is what the run finds.

- **opens**: its format is recognised by its contents, its sizes are deduced, it renders.
- **parity**: `golden`: pictures of files from the upstream programs come out, to this difference over the standard
  deviation, in double precision: what is left is what those programs rounded. `bit for bit`: a file of wplus gives back
  every weight. `own inverse only`: no file of the upstream program was at hand; the reader is proven only against files
  that these tests write by the documented layout the other way round, which shows that both agree, not that the
  layout is right. The weights come back bit for bit, but for style biases of TensorFlow and GenForce, which lose their
  last bit to an added one.
- **refuses hostile**: with a call of code in its pickle it is refused in one line, and the code is not run.
- **converts to**: what its generator can be written as; wplus, nvidia and rosinality give every bit back.

| format | opens | parity | refuses hostile | converts to |
|---|---|---|---|---|
"""

TAIL = """
Recognised and refused with the reason: lucidrains' `stylegan2-pytorch`, mmgeneration and mmagic, StyleGAN-XL.

A GenForce StyleGAN1 that was built with `fused_scale=True` opens as one that was not, and gives another picture:
nothing in its weights tells.

What other programs can do with what is written:

- `nvidia` (`.pkl`): a snapshot of persistent objects with the classes, attributes and names of StyleGAN3's code, and in
  place of their source one line that imports those classes. `legacy.load_network_pkl` opens it as it is: tried with
  NVIDIA's stylegan3 (StyleGAN2 and 3) and stylegan2-ada-pytorch (StyleGAN2), whose pictures differ from ours by less
  than 3e-6 of their range. `G` and `D` are the generator once more, which that reader asks for: there is nothing to
  train on.
- `rosinality` (`.pt`): `g_ema` with noise maps and filters, and `latent_avg`, for `Generator(size, w_dim, depth)`. His
  code knows widths by a table of its own, and no bound on activations: that lies beside, under `wplus`, for our reader.
  `wplus convert` prints the call that fits, or that none does.
"""


LATENTS = (
    ("NVIDIA's `projected_w.npz`", "nvidia", ".npz", lambda path, ws: np.savez(path, w=ws.numpy())),
    ("rosinality's projections, `.pt`", "rosinality", ".pt",
     lambda path, ws: torch.save({"a.png": {"latent": ws[0], "noise": []}}, path)),
    ("e4e's `latents.pt`, PTI's pivots", "plain", ".pt", lambda path, ws: torch.save(ws, path)),
    ("ReStyle's and pSp's dictionaries, `.npy`", "restyle", ".npy",
     lambda path, ws: np.save(path, {"a.png": [ws[0].numpy()]}, allow_pickle=True)),
    ("Puzer's and pbaylies' codes, `.npy`", "puzer", ".npy", lambda path, ws: np.save(path, ws[0].numpy())),
    ("arrays of 18 rows, `.npy`", "plain", ".npy", lambda path, ws: np.save(path, ws.numpy())),
)  # fmt: skip
"""What people have, the layout it is written back as, and how its writer writes one code of 18 rows."""

LATENTS_HEAD = """
# Formats of latents

- **opens**: the codes come out exactly, told apart by what the file holds.
- **written back**: `wplus convert --to` that layout gives a file with the same codes.
- **refuses hostile**: as above; files of bare numbers have no place for code.

| latents | opens | written back | refuses hostile |
|---|---|---|---|
"""


def latent_line(title, layout, suffix, write, folder):
    folder.mkdir()
    path, ws = folder / f"code{suffix}", torch.randn(1, 18, 32, generator=torch.Generator().manual_seed(0))
    write(path, ws)
    reading = read_codes(path)
    opens = reading.kind == "w+" and torch.equal(reading.latent.ws, ws)
    write_codes(folder / f"again{suffix}", reading.latent, layout=layout)
    back = torch.equal(read_codes(folder / f"again{suffix}").latent.ws, ws)
    refusal = "no code in it"
    if suffix == ".pt" or layout == "restyle":
        refusal = "yes" if refuses_codes(path, folder / "canary") else "no"
    return f"| {title} | {'yes' if opens else 'no'} | {layout if back else 'no'} | {refusal} |"


def refuses_codes(path, canary):
    """As `refuses`, also for a pickle behind NumPy's header."""
    data = path.read_bytes()
    if data.startswith(b"\x93NUMPY"):
        start = data.index(b"\n") + 1
        call = b"cbuiltins\nexec\n" + pickle.dumps((f"open({str(canary)!r}, 'w')",), 2)[2:-1] + b"R0"
        path.write_bytes(data[: start + 2] + call + data[start + 2 :])
    else:
        poisoned(path, canary)
    try:
        read_codes(path)
    except LatentError as error:
        return "exec" in str(error) and "\n" not in str(error) and not canary.exists()
    return False


def test_the_table_of_formats_is_current(tmp_path, relative):
    lines = [line(row, tmp_path / str(index), relative) for index, row in enumerate(ROWS)]
    latents = [latent_line(*row, tmp_path / f"latent{index}") for index, row in enumerate(LATENTS)]
    page = f"{HEAD}{chr(10).join(lines)}\n{TAIL}{LATENTS_HEAD}{chr(10).join(latents)}\n"
    if os.environ.get("WPLUS_WRITE_DOCS"):
        PAGE.write_text(page)
    assert PAGE.read_text() == page
    assert "| no |" not in page
    assert {row.form for row in ROWS} == {item.NAME for item in FORMATS} - {"strangers"}


@pytest.mark.parametrize("row", [row for row in ROWS if row.golden], ids=lambda row: row.golden[0])
def test_golden_files_of_the_table_are_there(shared, row):
    assert all((shared / "golden" / name).is_file() for name in row.golden)
