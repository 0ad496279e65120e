"""StyleGAN2's synthesis network as NVIDIA's code keeps it, attribute by attribute, for snapshots."""

import math
from collections.abc import Mapping

import torch
from torch import Tensor

from wplus.models.checkpoints.foreign import Thing
from wplus.models.checkpoints.pickled import Attributes, dense, module
from wplus.models.checkpoints.tables import Weights
from wplus.models.stylegan2 import StyleGAN2Config


def call(config: StyleGAN2Config) -> Attributes:
    """What the synthesis network is called with; widths only if NVIDIA's rule for them gives ours."""
    kwargs: Attributes = {"num_fp16_res": config.half_resolutions, "conv_clamp": config.conv_clamp}
    kwargs |= {"architecture": config.architecture, "use_noise": config.noise, "resample_filter": list(config.taps)}
    base, most = config.channels[-1] * config.resolution, max(config.channels)
    if config.channels == tuple(min(base // (4 << index), most) for index in range(len(config.channels))):
        kwargs |= {"channel_base": base, "channel_max": most}
    return kwargs


def synthesis(config: StyleGAN2Config, state: Weights, kwargs: Mapping[str, object]) -> Thing:
    """The synthesis network of a StyleGAN2."""
    common: Attributes = {"w_dim": config.w_dim, "img_resolution": config.resolution, "img_channels": config.colours}
    sides = [4 << index for index in range(len(config.channels))]
    own: Attributes = {"img_resolution_log2": len(sides) + 1, "num_fp16_res": config.half_resolutions}
    own |= {"block_resolutions": sides, "num_ws": config.layers}
    blocks = {f"b{side}": _block(config, state, index) for index, side in enumerate(sides)}
    return module("SynthesisNetwork", {**common, **own}, parts=blocks, kwargs={**common, **kwargs})


def _block(config: StyleGAN2Config, state: Weights, index: int) -> Thing:
    """One resolution."""
    side, last = 4 << index, index == len(config.channels) - 1
    inputs, outputs, name = config.channels[index - 1] if index else 0, config.channels[index], f"synthesis.b{side}"
    taps = torch.tensor(config.taps)
    kernel = torch.outer(taps, taps) / taps.sum().square()
    convs = ("conv0", "conv1") if index else ("conv1",)
    parts = {conv: _layer(config, state, f"{name}.{conv}", side, kernel) for conv in convs}
    if config.architecture == "skip" or last:
        parts["torgb"] = _colours(config, state, f"{name}.torgb")
    if config.architecture == "resnet" and index:
        parts["skip"] = _shortcut(state[f"{name}.skip.weight"], kernel)
    own: Attributes = {"w_dim": config.w_dim, "resolution": side, "img_channels": config.colours, "is_last": last}
    own |= {"use_fp16": config.halved(index)}
    own |= {"architecture": config.architecture}
    more: Attributes = {"in_channels": inputs, "channels_last": False, "fused_modconv_default": True}
    more |= {"num_conv": len(convs), "num_torgb": int("torgb" in parts)}
    return module(
        "SynthesisBlock",
        {**own, **more},
        weights={} if index else {"const": state[f"{name}.const"]},
        buffers={"resample_filter": kernel},
        parts=parts,
        args=(inputs, outputs),
        kwargs={**own, "conv_clamp": config.conv_clamp},
    )


def _layer(config: StyleGAN2Config, state: Weights, name: str, side: int, kernel: Tensor) -> Thing:
    """A styled convolution."""
    weights = {key: state[f"{name}.{key}"] for key in ("weight", "bias")}
    buffers: dict[str, Tensor | None] = {"resample_filter": kernel}
    if config.noise:
        weights["noise_strength"] = state[f"{name}.noise_strength"]
        buffers["noise_const"] = state[f"{name}.noise_const"]
    outputs, inputs = weights["weight"].shape[:2]
    own: Attributes = {"w_dim": config.w_dim, "resolution": side, "conv_clamp": config.conv_clamp}
    own |= {"up": 2 if name.endswith("conv0") else 1, "use_noise": config.noise}
    more: Attributes = {"in_channels": inputs, "out_channels": outputs, "activation": "lrelu", "padding": 1}
    return module(
        "SynthesisLayer",
        {**own, **more, "act_gain": math.sqrt(2)},
        weights=weights,
        buffers=buffers,
        parts={"affine": dense(state, f"{name}.affine")},
        args=(inputs, outputs),
        kwargs={**own, "resample_filter": list(config.taps)},
    )


def _colours(config: StyleGAN2Config, state: Weights, name: str) -> Thing:
    """A layer of colours."""
    weights = {key: state[f"{name}.{key}"] for key in ("weight", "bias")}
    outputs, inputs = weights["weight"].shape[:2]
    own: Attributes = {"w_dim": config.w_dim, "conv_clamp": config.conv_clamp}
    more: Attributes = {"in_channels": inputs, "out_channels": outputs, "weight_gain": 1 / math.sqrt(inputs)}
    parts = {"affine": dense(state, f"{name}.affine")}
    return module("ToRGBLayer", {**own, **more}, weights=weights, parts=parts, args=(inputs, outputs), kwargs=own)


def _shortcut(weight: Tensor, kernel: Tensor) -> Thing:
    """The branch around a residual block."""
    outputs, inputs = weight.shape[:2]
    own: Attributes = {"activation": "linear", "up": 2, "down": 1, "conv_clamp": None, "channels_last": False}
    own |= {"in_channels": inputs, "out_channels": outputs, "padding": 0, "bias": None}
    own |= {"weight_gain": 1 / math.sqrt(inputs), "act_gain": 1}
    return module(
        "Conv2dLayer",
        own,
        weights={"weight": weight},
        buffers={"resample_filter": kernel},
        args=(inputs, outputs),
        kwargs={"kernel_size": 1, "bias": False, "up": 2},
    )
