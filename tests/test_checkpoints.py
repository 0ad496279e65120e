"""Generators of every format: the same weights come out, the same pictures, and the wrong files are refused."""

import copy
import importlib.util
import pickle
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from wplus.core import GeneratorError, OutputError
from wplus.models import (
    Card,
    Generator,
    StyleGAN1,
    StyleGAN1Config,
    StyleGAN2,
    StyleGAN2Config,
    StyleGAN3,
    StyleGAN3Config,
    load_generator,
)
from wplus.models.architectures import build
from wplus.models.checkpoints import FORMATS, nvidia, read_checkpoint
from wplus.models.checkpoints.foreign import Thing, read_tree
from wplus.models.checkpoints.writing import write_checkpoint

ROOT = Path(__file__).parents[1]
GOLDEN = ROOT / "tests" / "golden"

specification = importlib.util.spec_from_file_location("foreign", ROOT / "benchmarks" / "foreign.py")
foreign = importlib.util.module_from_spec(specification)
specification.loader.exec_module(foreign)

SKIP = StyleGAN2Config((12, 8, 4), 10, 10, 3)
ONE = StyleGAN1Config((12, 8, 4), 10, 10, 3)
THREE = StyleGAN3Config(16, 6, 5, channel_base=64, channel_max=8, num_layers=5, margin_size=4)


def made(config):
    """A network of random weights, none of which is where training starts."""
    torch.manual_seed(0)
    kinds = {StyleGAN1Config: StyleGAN1, StyleGAN2Config: StyleGAN2, StyleGAN3Config: StyleGAN3}
    network = kinds[type(config)](config).requires_grad_(False)
    for name, weight in network.state_dict().items():
        if not name.endswith(("filter", "transform", "magnitude_ema")):
            weight.copy_(torch.randn(weight.shape))
    return network


def same(checkpoint, config, state):
    """Whether a checkpoint holds these sizes, and these weights bit for bit."""
    equal = checkpoint.state.keys() == state.keys()
    equal = equal and all(torch.equal(checkpoint.state[name], state[name]) for name in state)
    return equal and checkpoint.config == config


def attributes(tree):
    """A tree of objects without hooks and arguments, arrays as lists: what can be compared."""
    if isinstance(tree, Thing):
        return {"name": tree.name, **attributes(tree.state)}
    if isinstance(tree, dict):
        left_out = ("_init_kwargs", "_init_args")
        return {name: attributes(item) for name, item in tree.items() if name not in left_out}
    if isinstance(tree, torch.Tensor):
        return tree.tolist()
    return pytest.approx(tree) if isinstance(tree, float) else tree


@pytest.mark.parametrize(
    ("name", "form", "tolerance"),
    [
        ("sg2ada_mini_16.nosrc.pkl", "nvidia", 1e-5),
        ("sg2ada_skip_32.nosrc.pkl", "nvidia", 1e-5),
        ("sg3repo_sg2_32.nosrc.pkl", "nvidia", 1e-5),
        ("sg3_t_32.nosrc.pkl", "nvidia", 1e-4),
        ("sg3_r_32.nosrc.pkl", "nvidia", 1e-4),
        ("ros_32.pt", "rosinality", 1e-5),
    ],
)
def test_upstream_files_render_as_upstream(shared, relative, name, form, tolerance):
    checkpoint = read_checkpoint(shared / "golden" / name)
    assert checkpoint.format == form
    generator = load_generator(shared / "golden" / name)
    with np.load(shared / "golden" / f"{name.partition('.')[0]}.npz") as file:
        arrays = {key: torch.from_numpy(file[key]) for key in file.files if key != "meta"}
    ws, image = ("in/w_plus", "out/image_w_plus") if form == "rosinality" else ("in/ws_plus", "out/image_ws_plus")
    assert relative(generator(arrays[ws]), arrays[image]) < tolerance
    w = arrays["out/w"] if form == "rosinality" else arrays["out/ws"][:, 0]
    assert relative(generator.map(arrays["in/z"])[:, 0], w.reshape(-1, generator.w_dim)) < 1e-5
    centre = arrays["out/latent_avg"].reshape(-1) if form == "rosinality" else arrays["buffer/mapping.w_avg"]
    assert torch.equal(generator.mean_ws[0, 0], centre)


def test_the_port_of_stylegan1_renders_as_upstream(shared, relative):
    generator = load_generator(shared / "golden" / "sg1_32.pt")
    with np.load(shared / "golden" / "sg1_32.npz") as file:
        arrays = {key: torch.from_numpy(file[key]).double() for key in file.files if key != "meta"}
    noise = tuple(array for name, array in arrays.items() if name.startswith("in/noise/"))
    picture = copy.deepcopy(generator.network).double().synthesis(arrays["in/ws_plus"], noise=noise)
    assert relative(picture, arrays["out/image_ws_plus"]) < 2e-5  # the port rounds by 1.4e-5
    assert "no noise maps" in generator.card.origin
    assert relative(generator.mean_ws[:, 0], generator.mapped(4096).mean(dim=0)) < 0.1


def test_a_snapshot_without_source_opens(relative):
    generator = load_generator(GOLDEN / "sg2ada_mini_16.nosrc.pkl")
    with np.load(GOLDEN / "sg2ada_mini_16.npz") as file:
        picture = generator(torch.from_numpy(file["in/ws_plus"]))
        assert relative(picture, torch.from_numpy(file["out/image_ws_plus"])) < 1e-5
    assert generator.name == "sg2ada_mini_16.nosrc"
    assert generator.card.origin == "NVIDIA's Generator"


@pytest.mark.parametrize("config", [SKIP, ONE], ids=["stylegan2", "stylegan1"])
@pytest.mark.parametrize("form", ["tensorflow", "genforce"])
def test_files_of_documented_layout_give_the_weights_they_were_made_from(tmp_path, config, form):
    network = made(config)
    write = {"tensorflow": foreign.write_tensorflow, "genforce": foreign.write_genforce}[form]
    write(tmp_path / "file", config, network.state_dict())
    checkpoint = read_checkpoint(tmp_path / "file")
    assert checkpoint.format == form
    exact = {name: value for name, value in checkpoint.state.items() if not name.endswith("affine.bias")}
    ours = network.state_dict()
    assert same(replace(checkpoint, state=exact), config, {name: ours[name] for name in exact})
    for name in ours.keys() - exact.keys():  # their one is taken away and added
        assert torch.allclose(checkpoint.state[name], ours[name], atol=1e-6)


@pytest.mark.parametrize("architecture", ["orig", "resnet"])
def test_tensorflow_files_of_other_architectures_open(tmp_path, architecture):
    config = replace(SKIP, architecture=architecture)
    network = made(config)
    foreign.write_tensorflow(tmp_path / "file.pkl", config, network.state_dict())
    generator = load_generator(tmp_path / "file.pkl")
    assert generator.network.config == config
    ws = torch.randn(1, config.layers, config.w_dim)
    assert torch.allclose(generator(ws), network.synthesis(ws), atol=1e-4)


@pytest.mark.parametrize("config", [SKIP, ONE], ids=["stylegan2", "stylegan1"])
def test_a_tensorflow_network_that_still_grows_is_refused(tmp_path, config):
    foreign.write_tensorflow(tmp_path / "file.pkl", config, made(config).state_dict(), lod=2)
    with pytest.raises(GeneratorError, match=r"it has not grown to its full resolution yet \(lod 2\.00\)"):
        load_generator(tmp_path / "file.pkl")


def test_a_growing_network_is_refused_until_it_has_grown(tmp_path):
    path = tmp_path / "file.pth"
    foreign.write_genforce(path, ONE, made(ONE).state_dict())
    tree = torch.load(path, weights_only=True)
    tree["generator_smooth"]["synthesis.lod"] = torch.tensor(1.5)
    torch.save(tree, path)
    with pytest.raises(GeneratorError, match=r"genforce: it has not grown to its full resolution yet \(lod 1\.50\)"):
        read_checkpoint(path)


def test_the_port_of_stylegan1_keeps_neither_noise_nor_mean(tmp_path):
    network = made(ONE)
    foreign.write_lernapparat(tmp_path / "file.pt", ONE, network.state_dict())
    checkpoint = read_checkpoint(tmp_path / "file.pt")
    kept = {name: value for name, value in checkpoint.state.items() if not name.endswith("noise_const")}
    ours = {name: value for name, value in network.state_dict().items() if name in kept}
    assert same(replace(checkpoint, state=kept), replace(ONE, epsilon=1e-5), ours)
    assert "mapping.w_avg" not in checkpoint.state
    assert build(checkpoint.config, checkpoint.state).mapping.w_avg.abs().max() > 0


CONFIGS = {
    "skip": SKIP,
    "orig": replace(SKIP, architecture="orig"),
    "resnet": replace(SKIP, architecture="resnet"),
    "clamped, half, classes": replace(SKIP, conv_clamp=256.0, half_resolutions=2, labels=3),
    "no noise, grey": replace(SKIP, noise=False, colours=1),
    "mapping": replace(SKIP, z_dim=7, mapping_width=9, mapping_rate=0.1, mapping_activation="relu"),
    "stylegan3": THREE,
    "stylegan3 r": replace(
        THREE, conv_kernel=1, use_radial_filters=True, labels=2, half_resolutions=1, conv_clamp=None
    ),
}


@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS.keys())
def test_what_is_written_as_a_snapshot_comes_back_bit_for_bit(tmp_path, config):
    network = made(config)
    write_checkpoint(tmp_path / "file.pkl", config, network.state_dict(), form="nvidia")
    checkpoint = read_checkpoint(tmp_path / "file.pkl")
    assert checkpoint.format == "nvidia"
    assert same(checkpoint, config, network.state_dict())


@pytest.mark.parametrize("name", ["sg3repo_sg2_32", "sg3_t_32", "sg3_r_32"])
def test_a_snapshot_has_the_attributes_that_upstream_gives_it(shared, tmp_path, name):
    path = shared / "golden" / f"{name}.nosrc.pkl"
    checkpoint = read_checkpoint(path)
    write_checkpoint(tmp_path / "file.pkl", checkpoint.config, checkpoint.state, form="nvidia")
    ours, theirs = (read_tree(item, error=GeneratorError)["G_ema"] for item in (tmp_path / "file.pkl", path))
    assert attributes(ours) == attributes(theirs)


@pytest.mark.parametrize(
    "config", [SKIP, replace(SKIP, conv_clamp=256.0, half_resolutions=1)], ids=["plain", "clamped"]
)
def test_what_is_written_for_rosinality_comes_back_bit_for_bit(tmp_path, config):
    network = made(config)
    write_checkpoint(tmp_path / "file.pt", config, network.state_dict(), form="rosinality")
    assert same(read_checkpoint(tmp_path / "file.pt"), config, network.state_dict())


def test_rosinalitys_file_has_the_names_and_shapes_of_upstream(shared, tmp_path):
    checkpoint = read_checkpoint(shared / "golden" / "ros_32.pt")
    write_checkpoint(tmp_path / "file.pt", checkpoint.config, checkpoint.state, form="rosinality")
    ours, theirs = (
        torch.load(item, weights_only=True) for item in (tmp_path / "file.pt", shared / "golden" / "ros_32.pt")
    )
    assert ours["g_ema"].keys() == theirs["g_ema"].keys()
    assert all(torch.equal(ours["g_ema"][name], theirs["g_ema"][name]) for name in theirs["g_ema"])
    assert torch.equal(ours["latent_avg"], theirs["latent_avg"].reshape(-1))


@pytest.mark.parametrize(
    ("config", "form", "words"),
    [
        (ONE, "nvidia", "NVIDIA's PyTorch code has no StyleGAN1"),
        (ONE, "rosinality", "it holds StyleGAN2 only, not StyleGAN1"),
        (replace(SKIP, labels=2), "rosinality", "it cannot express labels 2"),
        (replace(SKIP, architecture="orig", z_dim=4), "rosinality", "it cannot express architecture orig, z_dim 4"),
    ],
)
def test_a_format_that_cannot_hold_a_generator_says_why(tmp_path, config, form, words):
    with pytest.raises(OutputError, match=words):
        write_checkpoint(tmp_path / "file", config, made(config).state_dict(), form=form)
    assert not list(tmp_path.iterdir())


def test_the_generator_of_an_encoders_file_opens(tmp_path):
    network = made(SKIP)
    foreign.write_bundle(tmp_path / "e4e.pt", SKIP, network.state_dict())
    checkpoint = read_checkpoint(tmp_path / "e4e.pt")
    assert same(checkpoint, SKIP, network.state_dict())
    assert checkpoint.details["origin"] == "rosinality's StyleGAN2 (the decoder of an encoder's file)"


def test_different_rows_of_a_mean_code_become_their_mean(tmp_path):
    network = made(SKIP)
    foreign.write_bundle(tmp_path / "e4e.pt", SKIP, network.state_dict())
    tree = torch.load(tmp_path / "e4e.pt", weights_only=False)
    tree["latent_avg"] = torch.randn(SKIP.layers, SKIP.w_dim)
    torch.save(tree, tmp_path / "e4e.pt")
    checkpoint = read_checkpoint(tmp_path / "e4e.pt")
    assert torch.allclose(checkpoint.state["mapping.w_avg"], tree["latent_avg"].mean(dim=0))
    assert "6 different rows, of which the mean was taken" in checkpoint.details["origin"]


@pytest.mark.parametrize(
    "wrap", [lambda w: w, lambda w: {"g": w}, lambda w: {f"module.{name}": x for name, x in w.items()}]
)
def test_rosinalitys_weights_open_however_they_are_wrapped(tmp_path, wrap):
    network = made(SKIP)
    write_checkpoint(tmp_path / "file.pt", SKIP, network.state_dict(), form="rosinality")
    weights = torch.load(tmp_path / "file.pt", weights_only=True)["g_ema"]
    torch.save(wrap({name: item for name, item in weights.items() if "noises" not in name}), tmp_path / "bare.pt")
    checkpoint = read_checkpoint(tmp_path / "bare.pt")
    assert checkpoint.config == SKIP
    assert "these are of seed 0; it keeps no mean code" in checkpoint.details["origin"]
    assert Generator(build(checkpoint.config, checkpoint.state), Card("bare")).mean_ws.abs().max() > 0


@pytest.mark.parametrize("config", [SKIP, THREE], ids=["stylegan2", "stylegan3"])
@pytest.mark.parametrize("form", ["safetensors", "pt"])
def test_state_dicts_in_nvidias_names_open(tmp_path, config, form):
    state = made(config).state_dict()
    path = tmp_path / f"file.{form}"
    save_file(state, path) if form == "safetensors" else torch.save({"g_ema": state, "step": 1}, path)
    checkpoint = read_checkpoint(path)
    assert checkpoint.format == "nvidia"
    network = build(checkpoint.config, checkpoint.state)
    ws = torch.randn(1, config.layers, config.w_dim)
    assert torch.equal(network.synthesis(ws), build(config, state).synthesis(ws))


def test_an_unknown_file_tells_what_it_holds_and_why_every_format_refuses_it(tmp_path):
    torch.save({"model": {"a": torch.zeros(2)}, "epoch": 3, "tensor": torch.zeros(2, 3)}, tmp_path / "file.pt")
    with pytest.raises(GeneratorError) as caught:
        read_checkpoint(tmp_path / "file.pt")
    message = str(caught.value).removeprefix(str(tmp_path))
    holds = "a dictionary of model (dict), epoch (int), tensor (tensor 2x3)"
    assert message.startswith(f"/file.pt: no known generator: it is {holds}; tried wplus (no 'wplus' header), nvidia (")
    assert all(f"{item.NAME} (" in message for item in FORMATS)
    assert len(message) < 600
    assert "\n" not in message


def test_what_cannot_be_rendered_exactly_is_recognised_and_refused(tmp_path):
    lucid = {"GAN": {"S.net.0.weight": torch.zeros(1), "G.initial_block": torch.zeros(1)}, "version": "1.8.9"}
    torch.save(lucid, tmp_path / "file.pt")
    with pytest.raises(GeneratorError, match="this is lucidrains' StyleGAN2"):
        read_checkpoint(tmp_path / "file.pt")
    weights = {"generator_ema.constant_input.weight": torch.zeros(1), "generator.style_mapping.1.bias": torch.zeros(1)}
    torch.save({"meta": {}, "state_dict": weights}, tmp_path / "file.pth")
    with pytest.raises(GeneratorError, match="this is a StyleGAN of mmgeneration or mmagic"):
        read_checkpoint(tmp_path / "file.pth")


def test_stylegan_xl_is_named(tmp_path):
    (tmp_path / "file.pkl").write_bytes(b"\x80\x04cdill._dill\n_create_array\n.")
    with pytest.raises(GeneratorError, match="it is written by dill, as StyleGAN-XL's snapshots"):
        read_checkpoint(tmp_path / "file.pkl")
    weights = {name: tensor.clone() for name, tensor in made(THREE).state_dict().items()}
    weights["mapping.embed.weight"] = torch.zeros(1000, 320)
    torch.save(weights, tmp_path / "file.pt")
    with pytest.raises(GeneratorError, match="a table of classes, as StyleGAN-XL's"):
        read_checkpoint(tmp_path / "file.pt")


def test_another_low_pass_filter_opens_though_convolutions_that_keep_their_size_have_the_usual_one(tmp_path):
    config = replace(SKIP, taps=(1.0, 2.0, 1.0))
    network = made(config)
    write_checkpoint(tmp_path / "file.pkl", config, network.state_dict(), form="nvidia")
    tree = read_tree(tmp_path / "file.pkl", error=GeneratorError)
    usual = torch.outer(torch.tensor([1.0, 3, 3, 1]), torch.tensor([1.0, 3, 3, 1])) / 64
    for block in tree["G_ema"].state["_modules"]["synthesis"].state["_modules"].values():
        block.state["_modules"]["conv1"].state["_buffers"]["resample_filter"] = usual
    state = nvidia.convert(tree)
    assert state.config.taps == pytest.approx((0.25, 0.5, 0.25))


def test_missing_and_unknown_weights_are_listed(tmp_path):
    write_checkpoint(tmp_path / "file.pt", SKIP, made(SKIP).state_dict(), form="rosinality")
    tree = torch.load(tmp_path / "file.pt", weights_only=True)
    tree["g_ema"]["convs.9.extra"] = tree["g_ema"].pop("convs.1.activate.bias")
    torch.save(tree, tmp_path / "file.pt")
    with pytest.raises(GeneratorError, match=r"missing convs\.1\.activate\.bias; unknown convs\.9\.extra"):
        read_checkpoint(tmp_path / "file.pt")


def test_numbers_that_are_no_weights_are_refused(tmp_path):
    state = made(SKIP).state_dict()
    for bad, words in (
        (torch.zeros(12, dtype=torch.long), "holds torch.int64"),
        (torch.zeros(1).expand(12), "fewer numbers"),
    ):
        torch.save({**state, "synthesis.b4.conv1.bias": bad}, tmp_path / "file.pt")
        with pytest.raises(GeneratorError, match=words):
            read_checkpoint(tmp_path / "file.pt")


def test_a_snapshot_of_another_network_says_of_which_parts_it_is(tmp_path):
    from wplus.models.checkpoints.pickled import module, pickled

    (tmp_path / "file.pkl").write_bytes(
        b"".join(pickled({"G_ema": module("TriPlane", {}, parts={"backbone": module("A", {})})}, ""))
    )
    with pytest.raises(
        GeneratorError, match=r"nvidia \(its TriPlane has the parts backbone, not mapping and synthesis\)"
    ):
        read_checkpoint(tmp_path / "file.pkl")


def test_source_in_a_snapshot_is_never_run(tmp_path):
    canary = tmp_path / "canary"
    data = (GOLDEN / "sg2ada_mini_16.nosrc.pkl").read_bytes()
    source = f"open({str(canary)!r}, 'w')".encode()
    old, new = pickle.dumps("", 3)[2:-2], b"X" + len(source).to_bytes(4, "little") + source
    assert old in data or b"X\0\0\0\0" in data
    (tmp_path / "file.pkl").write_bytes(data.replace(b"X\0\0\0\0", new))
    assert (
        load_generator(tmp_path / "file.pkl").fingerprint
        == load_generator(GOLDEN / "sg2ada_mini_16.nosrc.pkl").fingerprint
    )
    assert not canary.exists()
