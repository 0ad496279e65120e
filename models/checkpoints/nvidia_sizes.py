"""What NVIDIA's modules and weights say about the sizes of their networks, checked one against the other."""

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from wplus.core.errors import GeneratorError
from wplus.models.checkpoints.tables import Weights, count_of, some
from wplus.models.ops import TAPS
from wplus.models.stylegan2 import StyleGAN2Config
from wplus.models.stylegan3 import StyleGAN3Config

Modules = Mapping[str, Mapping[str, object]]
"""Attributes of modules under their dotted names; empty for a bare state dict."""

MOST_TAPS = 32

DENSE = r"mapping\.fc\d+"

TOLD: Mapping[str, tuple[type[int] | type[float], float]] = {
    "channel_base": (int, 2**20),
    "channel_max": (int, 2**14),
    "num_critical": (int, 100),
    "first_cutoff": (float, 1e4),
    "first_stopband": (float, 1e4),
    "last_stopband_rel": (float, 1e4),
    "margin_size": (int, 1024),
    "output_scale": (float, 1e4),
    "half_resolutions": (int, 100),
    "filter_size": (int, 64),
    "lrelu_upsampling": (int, 16),
}
"""What no weight of a StyleGAN3 tells, and how large it may be: filters are computed from it."""

NAMED = {"half_resolutions": "num_fp16_res"}
"""What NVIDIA calls our fields, where it is something else."""


def _only(modules: Modules, pattern: str, attribute: str, usual: object) -> object:
    """The value of an attribute that all modules of a name share; `usual` where none tells.

    Raises:
        GeneratorError: they do not share it.
    """
    values = {module.get(attribute, usual) for name, module in modules.items() if re.fullmatch(pattern, name)} or {
        usual
    }
    if len(values) > 1:
        raise GeneratorError(f"its layers differ in {attribute}: {some(map(str, values))}")
    return values.pop()


def stylegan2(weights: Weights, modules: Modules) -> tuple[StyleGAN2Config, dict[str, Tensor]]:
    """Sizes and weights of a StyleGAN2."""
    layer = r"synthesis\.b\d+\.conv[01]"
    activation = _only(modules, layer, "activation", "lrelu")
    if activation != "lrelu":
        raise GeneratorError(f"its convolutions have activation {activation}, which wplus cannot render")
    unseen = {
        "conv_clamp": _number(_only(modules, layer, "conv_clamp", None)),
        "half_resolutions": sum(bool(module.get("use_fp16")) for module in modules.values() if "num_torgb" in module),
        "mapping_rate": _number(_only(modules, DENSE, "bias_gain", 0.01)),
        "mapping_activation": _only(modules, DENSE, "activation", "lrelu"),
        "taps": _taps(weights),
    }
    state = {name: tensor for name, tensor in weights.items() if not name.endswith("resample_filter")}
    return StyleGAN2Config.from_weights(state, **unseen), state


def _taps(weights: Weights) -> tuple[float, ...]:
    """The low-pass filter that every layer has; the usual one where none is kept."""
    usual = torch.tensor(TAPS) / sum(TAPS)
    # convolutions that keep their size have a filter, too, which they never use
    filters = [
        tensor.float() for name, tensor in weights.items() if re.fullmatch(r"(?!.*conv1).*resample_filter", name)
    ]
    if not filters or all(torch.equal(item, torch.outer(usual, usual)) for item in filters):
        return TAPS
    first = filters[0]
    taps = first.sum(dim=-1) if first.ndim == 2 else first
    if any(not torch.equal(item, first) for item in filters) or len(taps) > MOST_TAPS:
        raise GeneratorError("its low-pass filters differ from layer to layer")
    if not torch.allclose(torch.outer(taps, taps), first, atol=1e-6):
        raise GeneratorError("its low-pass filter is not separable")
    return tuple(map(float, taps))


def stylegan3(weights: Weights, modules: Modules) -> tuple[StyleGAN3Config, dict[str, Tensor]]:
    """Sizes and weights of a StyleGAN3.

    Raises:
        GeneratorError: sizes and weights contradict each other.
    """
    found = [re.fullmatch(r"synthesis\.(L(\d{1,3})_(\d{1,5})_(\d{1,5}))\.weight", name) for name in weights]
    if "mapping.embed.weight" in weights and "mapping.embed.bias" not in weights:
        raise GeneratorError("its mapping network has a table of classes, as StyleGAN-XL's; wplus cannot render it")
    layers = sorted((int(item[2]), item[1], int(item[3]), int(item[4])) for item in found if item)
    if len(layers) < 2:
        raise GeneratorError("it has no layers 'synthesis.L0_...'")
    names = [name for _, name, _, _ in layers]
    _, _, resolution, colours = layers[-1]
    depth = count_of(weights, DENSE + r"\.weight")
    w_dim, inputs = weights[f"mapping.fc{depth - 1}.weight"].shape[0], weights["mapping.fc0.weight"].shape[1]
    labels = weights["mapping.embed.weight"].shape[1] if "mapping.embed.weight" in weights else 0
    sizes: dict[str, Any] = {
        "conv_kernel": weights[f"synthesis.{names[0]}.weight"].shape[-1],
        "use_radial_filters": any(name.endswith("down_filter") and item.ndim == 2 for name, item in weights.items()),
        "mapping_rate": _number(_only(modules, DENSE, "bias_gain", 0.01)),
        "conv_clamp": _number(_only(modules, r"synthesis\.L\d+_\d+_\d+", "conv_clamp", 256)),
    }
    if modules:
        sizes |= _told(modules.get("synthesis", {}))
    else:
        sizes |= {"channel_base": layers[-2][3] * resolution, "channel_max": max(item[3] for item in layers)}
    config = StyleGAN3Config(
        resolution=resolution,
        z_dim=inputs - (w_dim if labels else 0),
        w_dim=w_dim,
        mapping_layers=depth,
        labels=labels,
        colours=colours,
        num_layers=len(layers) - 1,
        **sizes,
    )
    if not modules:  # the first signal's side is its rate and two margins
        config = replace(config, margin_size=(layers[0][2] - config.stages[0].rate) // 2)
    if names != config.names:
        raise GeneratorError(f"its layers are {some(names)}, but its sizes make them {some(config.names)}")
    return config, dict(weights)


def _told(synthesis: Mapping[str, object]) -> dict[str, object]:
    """The sizes that no weight tells, from what the synthesis network was called with."""
    given = synthesis.get("_init_kwargs")
    given = given if isinstance(given, Mapping) else {}
    told: dict[str, object] = {}
    for name, (kind, most) in TOLD.items():
        value = given.get(NAMED.get(name, name))
        if isinstance(value, int | float):
            if not 0 <= value <= most:
                raise GeneratorError(f"its {name} of {value} is out of range")
            told[name] = kind(value)
    return told


def _number(value: object) -> float | None:
    """A float from what may be None."""
    return float(value) if isinstance(value, int | float) else None
