"""wplus convert and wplus info on generators, through every form."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from wplus.cli.convert import SUFFIXES
from wplus.models import StyleGAN2Config, load_generator
from wplus.models.checkpoints.latents import load_latent
from wplus.models.checkpoints.rosinality import constructor
from wplus.models.entries import SHIPPED

SCRIPT = Path(sys.executable).parent / "wplus"
GOLDEN = Path(__file__).parent / "golden"
SNAPSHOT = GOLDEN / "sg2ada_mini_16.nosrc.pkl"


def test_a_generator_goes_through_every_form_and_keeps_every_bit(wplus, tmp_path, mini):
    path = SNAPSHOT
    for suffix in (".safetensors", ".pt", ".pkl", ".pth", ".safetensors"):
        output = tmp_path / f"again{suffix}"
        code, out, err = wplus("convert", path, output)
        assert (code, out) == (0, f"{output}\n")
        assert not err or (suffix.startswith(".pt") and "rosinality" in err)
        again = load_generator(output)
        assert again.fingerprint == mini.fingerprint
        assert again.network.config == mini.network.config
        path = output


def test_a_name_of_the_catalogue_can_be_converted(wplus, tmp_path):
    assert wplus("convert", "faces-64", tmp_path / "faces.pkl")[0] == 0
    assert load_generator(tmp_path / "faces.pkl").fingerprint == load_generator("faces-64").fingerprint


def test_what_is_converted_keeps_its_card(wplus, tmp_path, mini):
    mini.save(tmp_path / "mini.safetensors")
    wplus("convert", tmp_path / "mini.safetensors", tmp_path / "other.safetensors")
    assert load_generator(tmp_path / "other.safetensors").card == mini.card


@pytest.mark.parametrize("suffix", [".pkl", ".pt"])
def test_terms_go_along_into_other_programs_files(wplus, tmp_path, suffix):
    assert wplus("convert", "faces-64", tmp_path / f"faces{suffix}")[0] == 0
    card, ours = load_generator(tmp_path / f"faces{suffix}").card, load_generator("faces-64").card
    assert (card.licence, card.terms, card.perceptual) == (ours.licence, ours.terms, "vgg-slim")


def test_info_tells_every_model_that_ships(wplus):
    for entry in SHIPPED:
        code, out, _ = wplus("info", entry.name)
        assert (code, out.splitlines()[0].split()[0]) == (0, entry.kind)


def test_a_file_is_not_converted_onto_itself(wplus, tmp_path):
    path = tmp_path / "snapshot.pkl"
    path.write_bytes(SNAPSHOT.read_bytes())
    code, _, err = wplus("convert", path, path)
    assert (code, err) == (1, f"wplus: cannot write over {path}: it is an input; give another name\n")
    assert path.read_bytes() == SNAPSHOT.read_bytes()


def test_names_in_a_file_cannot_break_or_colour_a_message(wplus, tmp_path):
    torch.save({"a\nb\x1b[31mX": torch.zeros(2, 2, 2, 2)}, tmp_path / "odd.pt")
    code, _, err = wplus("info", tmp_path / "odd.pt")
    assert code == 1
    assert err.count("\n") == 1
    assert "\x1b" not in err


def test_a_strangers_safetensors_holds_codes_for_info_and_convert_alike(wplus, tmp_path, mini):
    from safetensors.torch import save_file

    save_file({"w": mini.sample(0).ws.clone()}, tmp_path / "w.safetensors")
    assert "taken for" in wplus("info", tmp_path / "w.safetensors")[1]
    assert wplus("convert", tmp_path / "w.safetensors", tmp_path / "w.npz")[0] == 0


def test_sizes_that_no_generator_has_are_refused_before_they_cost(wplus, tmp_path, mini):
    weights = {name: item.clone() for name, item in mini.network.state_dict().items() if "w_avg" not in name}
    weights["mapping.embed.weight"], weights["mapping.embed.bias"] = torch.zeros(16, 45_000), torch.zeros(16)
    weights["mapping.fc0.weight"] = torch.zeros(16, 32)
    torch.save(weights, tmp_path / "many.pt")
    code, _, err = wplus("info", tmp_path / "many.pt")
    assert code == 1
    assert "labels is 45000, expected at most 16384" in err


def test_info_tells_format_and_sizes_of_a_strangers_generator(wplus, mini):
    code, out, _ = wplus("info", SNAPSHOT)
    assert code == 0
    told = {line[:20].strip(): line[20:].strip() for line in out.splitlines()}
    assert told["format"] == "nvidia"
    assert told["architecture"] == "StyleGAN2 (skip)"
    assert (told["resolution"], told["layers"], told["channels"]) == ("16", "6", "[16, 16, 8]")
    assert told["fingerprint"] == mini.fingerprint
    assert told["licence"] == "unknown"
    assert told["parameters"] == str(mini.parameters)


def test_info_tells_a_strangers_latents(wplus, tmp_path):
    np.savez(tmp_path / "projected_w.npz", w=np.random.default_rng(0).normal(size=(1, 18, 512)).astype(np.float32))
    code, out, _ = wplus("info", tmp_path / "projected_w.npz")
    assert code == 0
    assert "nvidia" in out and "18" in out


def test_latents_are_told_from_generators_by_their_contents(wplus, tmp_path, mini):
    code = mini.sample(0)
    np.savez(tmp_path / "code.npz", w=code.ws.numpy())
    words = ("convert", tmp_path / "code.npz", tmp_path / "code.safetensors", "--generator", SNAPSHOT)
    assert wplus(*words) == (0, f"{tmp_path / 'code.safetensors'}\n", "")
    assert torch.equal(load_latent(tmp_path / "code.safetensors").ws, code.ws)
    _, _, err = wplus("convert", tmp_path / "code.npz", tmp_path / "code.onnx", "--to", "onnx")
    assert (
        err
        == f"wplus: cannot write {tmp_path / 'code.onnx'}: latents are no programs, they cannot be written as onnx\n"
    )


def test_what_cannot_be_done_is_told_in_one_line(wplus, tmp_path):
    (tmp_path / "text.pt").write_text("I am no generator")
    torch.save({"epoch": 1}, tmp_path / "other.pt")
    output = tmp_path / "out.bin"
    suffixes = ", ".join(SUFFIXES)
    cases = {
        (SNAPSHOT, output): (
            1,
            f"wplus: cannot write {output}: the suffix says nothing; use one of {suffixes}, or --to\n",
        ),
        (tmp_path / "nothing.pkl", output): (
            1,
            f"wplus: no generator and no file is named '{tmp_path / 'nothing.pkl'}'",
        ),
        (tmp_path / "text.pt", output): (1, f"wplus: {tmp_path / 'text.pt'}: "),
        (tmp_path / "other.pt", output): (
            1,
            f"wplus: {tmp_path / 'other.pt'}: no known generator, and no codes: it is",
        ),
        (SNAPSHOT, output, "--to", "puzer"): (
            1,
            f"wplus: cannot write {output}: puzer is a form of latents; generators:",
        ),
        (SNAPSHOT, output, "--rows", 3): (2, "wplus: "),
    }
    for words, (expected, message) in cases.items():
        code, _, err = wplus("convert", *words)
        assert (code, err[: len(message)]) == (expected, message)
        assert err.count("\n") == 1
    assert not output.exists()


def test_a_generator_that_does_not_fit_says_so_and_leaves_nothing(wplus, tmp_path, mini, shared):
    source, output = shared / "golden" / "sg3_t_32.nosrc.pkl", tmp_path / "out.pt"
    words = f"wplus: cannot write {output} as rosinality: it holds StyleGAN2 only, not StyleGAN3-t\n"
    assert wplus("convert", source, output) == (1, "", words)
    assert not list(tmp_path.iterdir())


def exported(source, output):
    """What the installed script writes: without the tests' own checks, which would be exported too."""
    subprocess.run([SCRIPT, "convert", source, output], check=True, capture_output=True, text=True)
    generator = load_generator(source)
    ws = torch.randn(3, generator.layers, generator.w_dim, generator=torch.Generator().manual_seed(0))
    return ws, generator.network.synthesis(ws)


def run_onnx(path, ws):
    runtime = pytest.importorskip("onnxruntime")
    session = runtime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    return torch.from_numpy(session.run(["image"], {"ws": ws.numpy()})[0])


def test_an_onnx_model_renders_the_same_in_any_batch(tmp_path):
    pytest.importorskip("onnxscript")
    ws, pictures = exported(SNAPSHOT, tmp_path / "mini.onnx")
    assert (run_onnx(tmp_path / "mini.onnx", ws) - pictures).abs().max() < 1e-3
    assert (run_onnx(tmp_path / "mini.onnx", ws[:1]) - pictures[:1]).abs().max() < 1e-3
    assert [path.name for path in tmp_path.iterdir()] == ["mini.onnx"]


@pytest.mark.filterwarnings("ignore:.*torch.jit:Warning")
def test_a_torchscript_program_renders_the_same_in_any_batch(tmp_path):
    ws, pictures = exported(SNAPSHOT, tmp_path / "mini.torchscript.pt")
    program = torch.jit.load(tmp_path / "mini.torchscript.pt")
    assert (program(ws) - pictures).abs().max() < 1e-4
    assert (program(ws[:1]) - pictures[:1]).abs().max() < 1e-4


@pytest.mark.filterwarnings("ignore:.*torch.jit:Warning")
@pytest.mark.parametrize("name", ["sg1_32.pt", "sg3_t_32.nosrc.pkl"])
def test_other_architectures_export_too(shared, tmp_path, name):
    pytest.importorskip("onnxscript")
    ws, pictures = exported(shared / "golden" / name, tmp_path / "model.onnx")
    assert (run_onnx(tmp_path / "model.onnx", ws) - pictures).abs().max() < 1e-3
    exported(shared / "golden" / name, tmp_path / "model.ts")
    program = torch.jit.load(tmp_path / "model.ts")
    assert (program(ws) - pictures).abs().max() < 1e-3
    assert (program(ws[:1]) - pictures[:1]).abs().max() < 1e-3


LOADER = """
import pickle, sys, types, torch

def rebuild(meta):  # as NVIDIA documents persistent objects: run the source, take the class, set the state
    space = {}
    exec(meta["module_src"], space)
    made = object.__new__(space[meta["class_name"]])
    made.__dict__.update(meta["state"])
    return made

names = "Generator MappingNetwork SynthesisNetwork SynthesisBlock SynthesisLayer ToRGBLayer FullyConnectedLayer"
classes = {name: type(name, (torch.nn.Module,), {}) for name in [*names.split(), "SynthesisInput", "Conv2dLayer"]}
modules = {"torch_utils": {}, "torch_utils.persistence": {"_reconstruct_persistent_obj": rebuild}, "training": {}}
for name, content in (modules | {f"training.{sys.argv[2]}": classes}).items():
    sys.modules[name] = types.ModuleType(name)
    sys.modules[name].__dict__.update(content)
with open(sys.argv[1], "rb") as file:
    data = pickle.load(file)
assert data["G"] is data["D"] is data["G_ema"]
torch.save(data["G_ema"].state_dict(), sys.argv[3])
"""


@pytest.mark.parametrize(
    ("name", "module"),
    [
        ("sg2ada_mini_16", "networks"),
        ("sg2ada_mini_16", "networks_stylegan2"),
        ("sg3_t_32", "networks_stylegan3"),
        ("sg3_r_32", "networks_stylegan3"),
    ],
)
def test_a_plain_unpickler_that_runs_the_source_of_a_snapshot_opens_it(wplus, shared, tmp_path, name, module):
    source = shared / "golden" / f"{name}.nosrc.pkl"
    assert wplus("convert", source, tmp_path / "out.pkl")[0] == 0
    words = [sys.executable, "-c", LOADER, tmp_path / "out.pkl", module, tmp_path / "state.pt"]
    subprocess.run(words, check=True, capture_output=True)
    state = torch.load(tmp_path / "state.pt", weights_only=True)
    ours = load_generator(source).network.state_dict()
    for key in ours.keys() & state.keys():
        assert torch.equal(state[key].reshape(ours[key].shape), ours[key]), key
    assert len(ours.keys() & state.keys()) > 0.9 * len(ours)


def test_the_call_that_rosinality_s_code_needs_is_told(wplus, tmp_path):
    _, _, err = wplus("convert", "faces-64", tmp_path / "faces.pt")
    assert "for rosinality's none: his code has a table of widths, and not [256, 256, 128, 64, 32]" in err
    config = StyleGAN2Config((512, 512, 512, 512, 512, 256, 128), 512, 512, 8)
    assert constructor(config) == "Generator(256, 512, 8)"
    assert constructor(replace(config, channels=(512,) * 5)) == "Generator(64, 512, 8)"
