"""StyleGAN3's synthesis network as NVIDIA's code keeps it, attribute by attribute, for snapshots."""

from collections.abc import Mapping

import numpy as np

from wplus.models.blank import blank
from wplus.models.checkpoints.foreign import Thing
from wplus.models.checkpoints.pickled import Attributes, dense, module
from wplus.models.checkpoints.tables import Weights
from wplus.models.stylegan3 import StyleGAN3Config, SynthesisLayer

MAGNITUDE_BETA = 0.999  # of the magnitudes' running average in training, which is over


def call(config: StyleGAN3Config) -> Attributes:
    """What the synthesis network is called with."""
    names = (
        "channel_base", "channel_max", "num_layers", "num_critical", "first_cutoff", "first_stopband",
        "last_stopband_rel", "margin_size", "output_scale", "conv_kernel", "filter_size", "lrelu_upsampling",
        "use_radial_filters", "conv_clamp",
    )  # fmt: skip
    return {**{name: getattr(config, name) for name in names}, "num_fp16_res": config.half_resolutions}


def synthesis(config: StyleGAN3Config, state: Weights, kwargs: Mapping[str, object]) -> Thing:
    """The synthesis network of a StyleGAN3."""
    common: Attributes = {"w_dim": config.w_dim, "img_resolution": config.resolution, "img_channels": config.colours}
    same = ("num_layers", "num_critical", "margin_size", "output_scale")
    own: Attributes = {name: getattr(config, name) for name in same}
    own |= {"num_ws": config.layers, "num_fp16_res": config.half_resolutions, "layer_names": config.names}
    layers = {name: _layer(config, state, name, index) for index, name in enumerate(config.names)}
    parts = {"input": _input(config, state), **layers}
    return module("SynthesisNetwork", {**common, **own}, parts=parts, kwargs={**common, **kwargs})


def _input(config: StyleGAN3Config, state: Weights) -> Thing:
    """The Fourier features."""
    first, name = config.stages[0], "synthesis.input"
    own: Attributes = {"w_dim": config.w_dim, "channels": first.channels, "sampling_rate": float(first.rate)}
    own |= {"bandwidth": first.cutoff}
    return module(
        "SynthesisInput",
        {**own, "size": np.array([first.size] * 2)},
        weights={"weight": state[f"{name}.weight"]},
        buffers={key: state[f"{name}.{key}"] for key in ("transform", "freqs", "phases")},
        parts={"affine": dense(state, f"{name}.affine")},
        kwargs={**own, "size": first.size},
    )


def _layer(config: StyleGAN3Config, state: Weights, own_name: str, index: int) -> Thing:
    """A layer, the last of which gives the colours."""
    name, colours = f"synthesis.{own_name}", index == config.num_layers
    source, target = config.stages[max(index - 1, 0)], config.stages[index]
    critical = index >= config.num_layers - config.num_critical
    with blank():
        layer = SynthesisLayer(index, config)  # for how it resamples and pads
    filters = {key: state.get(f"{name}.{key}") for key in ("up_filter", "down_filter")}
    taps = [1 if item is None else item.shape[0] for item in filters.values()]
    kernel = state[f"{name}.weight"].shape[-1]
    own: Attributes = {"w_dim": config.w_dim, "is_torgb": colours, "is_critically_sampled": critical}
    own |= {"use_fp16": layer.halved, "conv_clamp": config.conv_clamp}
    own |= {"in_channels": source.channels, "out_channels": target.channels}
    own |= {"in_sampling_rate": source.rate, "out_sampling_rate": target.rate}
    own |= {"in_cutoff": source.cutoff, "out_cutoff": target.cutoff, "magnitude_ema_beta": MAGNITUDE_BETA}
    own |= {"in_half_width": source.half_width, "out_half_width": target.half_width}
    more: Attributes = {"in_size": np.array([source.size] * 2), "out_size": np.array([target.size] * 2)}
    more |= {"tmp_sampling_rate": layer.up * source.rate, "conv_kernel": kernel, "padding": [*layer.padding] * 2}
    more |= {"up_factor": layer.up, "up_taps": taps[0], "down_factor": layer.down, "down_taps": taps[1]}
    more |= {"down_radial": config.use_radial_filters and not critical}
    told = ("conv_kernel", "filter_size", "lrelu_upsampling", "use_radial_filters")
    return module(
        "SynthesisLayer",
        {**own, **more},
        weights={key: state[f"{name}.{key}"] for key in ("weight", "bias")},
        buffers={"magnitude_ema": state[f"{name}.magnitude_ema"], **filters},
        parts={"affine": dense(state, f"{name}.affine")},
        kwargs={**own, **{key: getattr(config, key) for key in told}, "in_size": source.size, "out_size": target.size},
    )
