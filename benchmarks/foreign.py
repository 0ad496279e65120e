"""Files as other programs write them, made from our weights by their documented layouts, the other way round.

For tests and benchmarks: independent of the readers, in NumPy, so that a mistake there cannot hide here.
"""

import argparse
import pickle
import re
import sys
import types
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from wplus.models import StyleGAN1Config, StyleGAN2Config, StyleMapGANConfig
from wplus.models.checkpoints import rosinality

State = Mapping[str, Tensor]
Arrays = dict[str, "np.ndarray[Any, Any]"]


def sides(config: StyleGAN1Config | StyleGAN2Config) -> list[int]:
    """Resolutions from 4 px up."""
    return [4 << index for index in range(len(config.channels))]


def stylegan2_layers(config: StyleGAN2Config) -> list[tuple[str, str, bool]]:
    """Our name, TensorFlow's name, and whether it doubles the size, of every styled convolution in order."""
    rest = [
        pair
        for side in sides(config)[1:]
        for pair in (
            (f"synthesis.b{side}.conv0", f"{side}x{side}/Conv0_up", True),
            (f"synthesis.b{side}.conv1", f"{side}x{side}/Conv1", False),
        )
    ]
    return [("synthesis.b4.conv1", "4x4/Conv", False), *rest]


def stylegan1_layers(config: StyleGAN1Config) -> list[tuple[str, str]]:
    """Our name and TensorFlow's of every layer in order, the constant's first."""
    names = [("Const", "Conv") if side == 4 else ("Conv0_up", "Conv1") for side in sides(config)]
    return [
        (f"synthesis.b{side}.conv{index}", f"{side}x{side}/{pair[index]}")
        for side, pair in zip(sides(config), names, strict=True)
        for index in (0, 1)
    ]


def write_tensorflow(path: Path, config: StyleGAN1Config | StyleGAN2Config, state: State, *, lod: float = 0.0) -> None:
    """NVIDIA's TensorFlow pickle: a tuple (G, D, Gs), of which the first two are empty here."""
    get = {name: tensor.numpy() for name, tensor in state.items()}
    mapping = {}
    for index in range(config.mapping_layers):
        mapping[f"Dense{index}/weight"] = get[f"mapping.fc{index}.weight"].T
        mapping[f"Dense{index}/bias"] = get[f"mapping.fc{index}.bias"]
    kind = "stylegan2" if isinstance(config, StyleGAN2Config) else "stylegan"
    synthesis = (
        _stylegan2_arrays(config, get) if isinstance(config, StyleGAN2Config) else _stylegan1_arrays(config, get)
    )
    common: dict[str, Any] = {"num_channels": 3, "resolution": config.resolution, "label_size": 0}
    with _tflib() as network:
        average = network(
            "Gs",
            {"func_name": f"training.networks_{kind}.G_main", **common},
            {"lod": np.float32(lod), "dlatent_avg": get["mapping.w_avg"]},
            {
                "synthesis": network("G_synthesis", common, synthesis, {}),
                "mapping": network("G_mapping", {"mapping_layers": config.mapping_layers}, mapping, {}),
            },
        )
        empty = network("G", common, {}, {})
        with path.open("wb") as file:
            pickle.dump((empty, empty, average), file, protocol=4)  # what NVIDIA's code asks for


def _stylegan2_arrays(config: StyleGAN2Config, get: Arrays) -> Arrays:
    """Convolutions as (height, width, inputs, outputs), mirrored where they double the size; styles less their one."""
    found: Arrays = {"4x4/Const/const": get["synthesis.b4.const"][None]}
    for index, (ours, theirs, up) in enumerate(stylegan2_layers(config)):
        weight = np.transpose(get[f"{ours}.weight"], (2, 3, 1, 0))
        found[f"{theirs}/weight"] = weight[::-1, ::-1] if up else weight
        found |= _style(get, ours, theirs)
        found[f"{theirs}/noise_strength"] = get[f"{ours}.noise_strength"]
        found[f"noise{index}"] = get[f"{ours}.noise_const"][None, None]
    for side in sides(config):
        ours, theirs = f"synthesis.b{side}.torgb", f"{side}x{side}/ToRGB"
        if f"{ours}.weight" in get:
            found[f"{theirs}/weight"] = np.transpose(get[f"{ours}.weight"], (2, 3, 1, 0))
            found |= _style(get, ours, theirs)
        if f"synthesis.b{side}.skip.weight" in get:
            skip = np.transpose(get[f"synthesis.b{side}.skip.weight"], (2, 3, 1, 0))
            found[f"{side}x{side}/Skip/weight"] = skip[::-1, ::-1]
    return found


def _style(get: Arrays, ours: str, theirs: str) -> Arrays:
    """Bias and style of a modulated convolution."""
    style = {
        f"{theirs}/mod_weight": get[f"{ours}.affine.weight"].T,
        f"{theirs}/mod_bias": get[f"{ours}.affine.bias"] - 1,
    }
    return {f"{theirs}/bias": get[f"{ours}.bias"], **style}


def _stylegan1_arrays(config: StyleGAN1Config, get: Arrays) -> Arrays:
    """Convolutions as (height, width, inputs, outputs); colours of every resolution, of which the last counts."""
    found: Arrays = {"lod": np.zeros([], np.float32), "4x4/Const/const": get["synthesis.b4.const"][None]}
    for index, (ours, theirs) in enumerate(stylegan1_layers(config)):
        if index:
            found[f"{theirs}/weight"] = np.transpose(get[f"{ours}.weight"], (2, 3, 1, 0))
        found[f"{theirs}/bias"] = get[f"{ours}.bias"]
        found[f"{theirs}/Noise/weight"] = get[f"{ours}.noise_strength"]
        found[f"noise{index}"] = get[f"{ours}.noise_const"][None, None]
        found[f"{theirs}/StyleMod/weight"] = get[f"{ours}.affine.weight"].T
        found[f"{theirs}/StyleMod/bias"] = get[f"{ours}.affine.bias"]
    colours = np.transpose(get["synthesis.torgb.weight"], (2, 3, 1, 0))
    for lod in range(len(config.channels)):
        width = config.channels[len(config.channels) - 1 - lod]
        found[f"ToRGB_lod{lod}/weight"] = colours if lod == 0 else np.zeros((1, 1, width, 3), np.float32)
        found[f"ToRGB_lod{lod}/bias"] = get["synthesis.torgb.bias"]
    return found


@contextmanager
def _tflib() -> Iterator[type]:
    """A class that pickles as `dnnlib.tflib.network.Network`, and keeps what that keeps."""
    modules = [types.ModuleType(name) for name in ("dnnlib", "dnnlib.tflib", "dnnlib.tflib.network")]

    class Network:
        def __init__(self, name: str, static: dict[str, Any], arrays: Arrays, parts: dict[str, Any]) -> None:
            self.name, self.static_kwargs, self.components = name, static, parts
            self.version, self.build_module_src, self.build_func_name = 4, "raise SystemExit", "build"

            self.variables = [(key, np.array(value, order="C")[()]) for key, value in arrays.items()]

    Network.__module__, Network.__qualname__ = "dnnlib.tflib.network", "Network"
    modules[-1].Network = Network  # type: ignore[attr-defined]
    sys.modules.update({module.__name__: module for module in modules})
    try:
        yield Network
    finally:
        for module in modules:
            del sys.modules[module.__name__]


def write_genforce(path: Path, config: StyleGAN1Config | StyleGAN2Config, state: State) -> None:
    """GenForce's .pth: {'generator_smooth', 'generator'}."""
    found = {"truncation.w_avg": state["mapping.w_avg"]}
    for index in range(config.mapping_layers):
        for part in ("weight", "bias"):
            found[f"mapping.dense{index}.{part}"] = state[f"mapping.fc{index}.{part}"]
    if isinstance(config, StyleGAN2Config):
        found["synthesis.early_layer.const"] = state["synthesis.b4.const"][None]
        for index, (ours, _, up) in enumerate(stylegan2_layers(config)):
            weight = state[f"{ours}.weight"]
            found |= _genforce_conv(state, ours, f"synthesis.layer{index}", weight.flip(2, 3) if up else weight)
            found[f"synthesis.layer{index}.noise_strength"] = state[f"{ours}.noise_strength"]
            found[f"synthesis.layer{index}.noise"] = state[f"{ours}.noise_const"][None, None]
        for index, side in enumerate(sides(config)):
            ours = f"synthesis.b{side}.torgb"
            found |= _genforce_conv(state, ours, f"synthesis.output{index}", state[f"{ours}.weight"])
    else:
        found["synthesis.lod"] = torch.zeros([])
        found["synthesis.layer0.const"] = state["synthesis.b4.const"][None]
        for index, (ours, _) in enumerate(stylegan1_layers(config)):
            theirs = f"synthesis.layer{index}"
            if index:
                found[f"{theirs}.weight"] = state[f"{ours}.weight"]
            found[f"{theirs}.bias"] = state[f"{ours}.bias"]
            found[f"{theirs}.apply_noise.weight"] = state[f"{ours}.noise_strength"]
            found[f"{theirs}.apply_noise.noise"] = state[f"{ours}.noise_const"][None, None]
            for part in ("weight", "bias"):
                found[f"{theirs}.style.{part}"] = state[f"{ours}.affine.{part}"]
        for index, width in enumerate(config.channels):
            last = index == len(config.channels) - 1
            found[f"synthesis.output{index}.weight"] = (
                state["synthesis.torgb.weight"] if last else torch.zeros(3, width, 1, 1)
            )
            found[f"synthesis.output{index}.bias"] = state["synthesis.torgb.bias"]
    torch.save({"generator_smooth": found, "step": 1}, path)


def _genforce_conv(state: State, ours: str, theirs: str, weight: Tensor) -> dict[str, Tensor]:
    """A modulated convolution of GenForce's StyleGAN2."""
    style = {f"{theirs}.style.weight": state[f"{ours}.affine.weight"]}
    style[f"{theirs}.style.bias"] = state[f"{ours}.affine.bias"] - 1
    return {f"{theirs}.weight": weight, f"{theirs}.bias": state[f"{ours}.bias"], **style}


def write_bundle(path: Path, config: StyleGAN2Config, state: State) -> None:
    """An encoder's file as pSp, e4e, ReStyle and HyperStyle write it, with a stub for the encoder."""
    tree: Any = rosinality.export(config, state)
    weights = {f"decoder.{name}": tensor for name, tensor in tree["g_ema"].items()}
    options = argparse.Namespace(stylegan_size=config.resolution, encoder_type="Encoder4Editing", device="cuda")
    average = state["mapping.w_avg"].repeat(config.layers, 1)
    encoder = {"encoder.input_layer.0.weight": torch.zeros(64, 3, 3, 3)}
    torch.save({"state_dict": {**encoder, **weights}, "latent_avg": average, "opts": options}, path)


def write_lernapparat(path: Path, config: StyleGAN1Config, state: State) -> None:
    """The state dict of lernapparat's port, which keeps neither noise maps nor mean code."""
    found = {f"g_synthesis.torgb.{part}": state[f"synthesis.torgb.{part}"] for part in ("weight", "bias")}
    for index in range(config.mapping_layers):
        for part in ("weight", "bias"):
            found[f"g_mapping.dense{index}.{part}"] = state[f"mapping.fc{index}.{part}"]
    found["g_synthesis.blocks.4x4.const"] = state["synthesis.b4.const"][None]
    for index, (ours, theirs) in enumerate(stylegan1_layers(config)):
        side, kind = theirs.split("/")
        block = f"g_synthesis.blocks.{side}"
        conv = {"Const": block, "Conv": f"{block}.conv", "Conv0_up": f"{block}.conv0_up", "Conv1": f"{block}.conv1"}[
            kind
        ]
        if index:
            found[f"{conv}.weight"] = state[f"{ours}.weight"]
        found[f"{conv}.bias"] = state[f"{ours}.bias"]
        found[f"{block}.epi{index % 2 + 1}.top_epi.noise.weight"] = state[f"{ours}.noise_strength"]
        for part in ("weight", "bias"):
            found[f"{block}.epi{index % 2 + 1}.style_mod.lin.{part}"] = state[f"{ours}.affine.{part}"]
    torch.save(found, path)


STYLEMAP_NAMES = (
    (r"mapping\.fc(\d+)", lambda found: f"g_ema.mapping_z.{int(found[1]) + 1}"),
    (r"synthesis\.const", "g_ema.decoder.input.input"),
    (r"synthesis\.resizer\.(0|\d*[13579])\.weight", r"g_ema.decoder.convs_latent.\1.0.weight"),
    (r"synthesis\.resizer\.(0|\d*[13579])\.bias", r"g_ema.decoder.convs_latent.\1.1.bias"),
    (r"synthesis\.resizer\.(\d+)\.weight", r"g_ema.decoder.convs_latent.\1.0.weight"),
    (r"synthesis\.resizer\.(\d+)\.bias", r"g_ema.decoder.convs_latent.\1.2.bias"),
    (r"synthesis\.blocks\.(\d+)\.skip", r"g_ema.decoder.convs.\1.skip.0"),
    (r"synthesis\.blocks\.(\d+)\.conv0", r"g_ema.decoder.convs.\1.conv1"),
    (r"synthesis\.blocks\.(\d+)\.conv1", r"g_ema.decoder.convs.\1.conv2"),
    (r"synthesis\.first", "g_ema.decoder.conv1"),
    (r"synthesis\.torgb", "g_ema.decoder.to_rgb"),
    (r"(g_ema\.decoder.*)\.conv\.bias", r"\1.activate.bias"),
    (r"(g_ema\.decoder.*)\.(gamma|beta|norm)\.", r"\1.conv.\2."),
    (r"encoder\.fromrgb\.weight", "e_ema.from_rgb.0.weight"),
    (r"encoder\.fromrgb\.bias", "e_ema.from_rgb.1.bias"),
    (r"encoder\.last\.weight", "e_ema.final_conv.0.weight"),
    (r"encoder\.last\.bias", "e_ema.final_conv.1.bias"),
    (r"encoder\.blocks\.(\d+)\.conv0\.weight", r"e_ema.convs.\1.conv1.0.weight"),
    (r"encoder\.blocks\.(\d+)\.conv0\.bias", r"e_ema.convs.\1.conv1.1.bias"),
    (r"encoder\.blocks\.(\d+)\.conv1\.weight", r"e_ema.convs.\1.conv2.1.weight"),
    (r"encoder\.blocks\.(\d+)\.conv1\.bias", r"e_ema.convs.\1.conv2.2.bias"),
    (r"encoder\.blocks\.(\d+)\.skip", r"e_ema.convs.\1.skip.1"),
)
"""Our names of StyleMapGAN's parts and theirs, applied in turn."""


def stylemap_tree(config: StyleMapGANConfig, state: State) -> dict[str, Any]:
    """What StyleMapGAN's training saves: six networks, of which the averages count, optimisers, and its arguments."""
    nets: dict[str, dict[str, Tensor]] = {"g_ema": {}, "e_ema": {}}
    for ours, tensor in state.items():
        theirs = ours
        for pattern, name in STYLEMAP_NAMES:
            theirs = re.sub(pattern, name, theirs)
        if theirs != "mapping.w_avg":  # their files have none
            net, _, theirs = theirs.partition(".")
            styled = theirs.endswith("conv.weight")
            nets[net][theirs] = tensor[None] if styled else tensor
            if theirs.endswith("running_var"):
                nets[net][theirs.replace("running_var", "num_batches_tracked")] = torch.tensor(7)
    line = torch.tensor([1.0, 3.0, 3.0, 1.0])
    kernel = torch.outer(line, line) / 64
    for index in range(len(config.channels) - 1):
        up = (f"convs.{index}.conv1.conv.blur", f"convs.{index}.skip.1", f"convs_latent.{2 * index + 2}.1")
        nets["g_ema"] |= {f"decoder.{name}.kernel": 4 * kernel for name in up}
        nets["e_ema"] |= {f"convs.{index}.{name}.kernel": kernel.clone() for name in ("conv2.0", "skip.0")}
    arguments = argparse.Namespace(
        dataset="celeba_hq", size=config.resolution, latent_channel_size=config.w_dim, lr_mul=0.01,
        channel_multiplier=2, latent_spatial_size=config.side, mapping_layer_num=config.mapping_layers,
        small_generator=config.small, normalize_mode=config.normalisation, ckpt=None, batch=16, lr=0.002,
    )  # fmt: skip
    trained = {
        net: {name: tensor * 0.9 if tensor.is_floating_point() else tensor for name, tensor in nets[average].items()}
        for net, average in (("generator", "g_ema"), ("encoder", "e_ema"))
    }
    optimisers = {name: {"state": {}, "param_groups": [{"lr": 0.002}]} for name in ("g_optim", "e_optim", "d_optim")}
    return {**trained, "discriminator": {}, **nets, "train_args": arguments, **optimisers}


def write_stylemap(path: Path, config: StyleMapGANConfig, state: State) -> None:
    """StyleMapGAN's .pt as torch 1.4 wrote it: a stream of pickles and storages, from a GPU."""
    torch.save(stylemap_tree(config, state), path, _use_new_zipfile_serialization=False)
    path.write_bytes(path.read_bytes().replace(b"X\3\0\0\0cpu", b"X\6\0\0\0cuda:0"))
