"""StyleMapGAN's checkpoints (Kim et al. 2021): of the networks in one, the averaged generator and encoder are read.

Files: {'g_ema', 'e_ema': weights, 'train_args': the arguments of training, and the networks and optimisers themselves}.
Weights lie as ours do, but for a dimension of one. Sizes are read off their shapes; the arguments tell what no tensor
does: the normalisation, and the learning rate that the mapping network's weights are scaled by.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor

from wplus.core.errors import GeneratorError
from wplus.models.checkpoints.tables import NO_MEAN, Converted, Row, Weights, count_of, translate, weights_in
from wplus.models.ops import TAPS
from wplus.models.stylemap import MAPPING_RATE, NORMALISATIONS, StyleMapGANConfig

NAME = "stylemapgan"

RELEASED = r"celeba_hq|afhq|ffhq|lsun.*"
"""The data sets that networks were published for, as their arguments name them."""

LICENCE = {
    "licence": "CC BY-NC 4.0",
    "terms": "non-commercial, with credit, as the networks that StyleMapGAN's authors publish",
}

FIXED = r".*\.kernel|.*\.num_batches_tracked"
"""Low-pass filters, which are compared with ours; and how many batches a running mean has seen."""


def matches(tree: object) -> str | None:
    """None for a file of this format, else why it is none."""
    told = {"g_ema.decoder.input.input", "e_ema.final_conv.0.weight"}
    found = isinstance(tree, Mapping) and told <= set(_found(tree))
    return None if found else "no 'decoder.input.input' beside e_ema"


def convert(tree: object) -> Converted:
    """Sizes and weights under our names.

    Raises:
        GeneratorError: names, shapes or filters are not those of StyleMapGAN, or it names another normalisation.
    """
    assert isinstance(tree, Mapping)
    weights = _found(tree)
    arguments = tree.get("train_args")
    arguments = arguments if isinstance(arguments, Mapping) else {}
    config = _config(weights, arguments)
    state = translate(weights, _rows(config, rate=float(arguments.get("lr_mul", MAPPING_RATE))), ignored=FIXED)
    for name, kernel in weights.items():
        if name.endswith(".kernel"):
            _check_kernel(name, kernel)
    return Converted(config, state, _details(config, arguments))


def _found(tree: Mapping[Any, Any]) -> dict[str, Tensor]:
    """The weights of both averaged networks."""
    places = ("g_ema", "e_ema")
    return {f"{place}.{name}": weight for place in places for name, weight in weights_in(tree.get(place)).items()}


def _config(weights: Weights, arguments: Mapping[str, Any]) -> StyleMapGANConfig:
    """The sizes, off the shapes; the shapes that nothing is read off are compared when the network is built."""
    blocks = range(count_of(weights, r"g_ema\.decoder\.convs\.\d+\.conv1\.conv\.weight"))
    start, *widths = [
        _weight(weights, f"g_ema.decoder.{name}")
        for name in ("input.input", *(f"convs.{index}.conv1.conv.weight" for index in blocks))
    ]
    channels = (start.shape[1], *(weight.shape[1] for weight in widths))
    resizer = [_weight(weights, f"g_ema.decoder.convs_latent.{2 * index}.0.weight") for index in range(len(channels))]
    running = any(name.endswith(".running_mean") for name in weights)
    normalisation = arguments.get("normalize_mode", "BatchNorm2d" if running else "LayerNorm")
    if normalisation not in NORMALISATIONS:
        raise GeneratorError(f"it normalises by {normalisation!r:.80}, expected one of {', '.join(NORMALISATIONS)}")
    if running != (normalisation == "BatchNorm2d"):
        has = "has" if running else "lacks"
        raise GeneratorError(f"it normalises by {normalisation}, but {has} the running means of BatchNorm2d")
    return StyleMapGANConfig(
        channels=channels,
        z_dim=_weight(weights, "g_ema.mapping_z.1.weight").shape[1],
        w_dim=resizer[0].shape[1],
        side=start.shape[2],
        mapping_layers=count_of(weights, r"g_ema\.mapping_z\.\d+\.weight"),
        small=tuple(weight.shape[0] for weight in resizer) != channels,
        normalisation=normalisation,
    )


def _weight(weights: Weights, name: str) -> Tensor:
    """A weight of four dimensions, which its sizes are read off; five of a styled convolution; two of a dense layer."""
    expected = 2 if "mapping_z" in name else 5 if name.endswith("conv.weight") else 4
    if name not in weights:
        raise GeneratorError(f"weights do not fit: missing {name}")
    if weights[name].ndim != expected:
        raise GeneratorError(f"{name} has shape {tuple(weights[name].shape)}, expected {expected} dimensions")
    return weights[name]


def _rows(config: StyleMapGANConfig, *, rate: float) -> list[Row]:
    """Every tensor but the mean code, which the files do not keep."""
    blocks = range(len(config.channels) - 1)
    rows = [Row("synthesis.const", "g_ema.decoder.input.input")]
    for index in range(config.mapping_layers):
        for part in ("weight", "bias"):
            theirs = f"g_ema.mapping_z.{index + 1}.{part}"
            rows.append(Row(f"mapping.fc{index}.{part}", theirs, lambda tensor: _at_rate(tensor, rate)))
    for index in range(2 * len(config.channels)):
        up = index >= 2 and index % 2 == 0  # a filter lies between its weight and its bias
        rows += _conv(f"synthesis.resizer.{index}", f"g_ema.decoder.convs_latent.{index}", 0, 2 if up else 1)
    styled = {"synthesis.first": "conv1", "synthesis.torgb": "to_rgb"}
    styled |= {f"synthesis.blocks.{i}.conv{part}": f"convs.{i}.conv{part + 1}" for i in blocks for part in (0, 1)}
    for ours, theirs in styled.items():
        rows += _styled(ours, f"g_ema.decoder.{theirs}", running=config.normalisation == "BatchNorm2d")
    rows += [Row(f"synthesis.blocks.{i}.skip.weight", f"g_ema.decoder.convs.{i}.skip.0.weight") for i in blocks]
    rows += _conv("encoder.fromrgb", "e_ema.from_rgb", 0, 1) + _conv("encoder.last", "e_ema.final_conv", 0, 1)
    for index in blocks:
        ours, theirs = f"encoder.blocks.{index}", f"e_ema.convs.{index}"
        rows += _conv(f"{ours}.conv0", f"{theirs}.conv1", 0, 1) + _conv(f"{ours}.conv1", f"{theirs}.conv2", 1, 2)
        rows.append(Row(f"{ours}.skip.weight", f"{theirs}.skip.1.weight"))
    return rows


def _conv(ours: str, theirs: str, weight: int, bias: int) -> list[Row]:
    """A convolution whose parts are numbered."""
    return [Row(f"{ours}.weight", f"{theirs}.{weight}.weight"), Row(f"{ours}.bias", f"{theirs}.{bias}.bias")]


def _styled(ours: str, theirs: str, *, running: bool) -> Iterator[Row]:
    """A styled convolution with the bias that follows it."""
    yield Row(f"{ours}.conv.weight", f"{theirs}.conv.weight", lambda weight: weight.squeeze(0))
    yield Row(f"{ours}.conv.bias", f"{theirs}.activate.bias")
    for name in ("gamma.weight", "gamma.bias", "beta.weight", "beta.bias"):
        yield Row(f"{ours}.{name}", f"{theirs}.conv.{name}")
    for name in ("running_mean", "running_var") if running else ():
        yield Row(f"{ours}.norm.{name}", f"{theirs}.conv.norm.{name}")


def _at_rate(tensor: Tensor, rate: float) -> Tensor:
    """A parameter that acts at our learning rate as it did at theirs."""
    return tensor if rate == MAPPING_RATE else tensor * (rate / MAPPING_RATE)


def _check_kernel(name: str, kernel: Tensor) -> None:
    """See that a low-pass filter is the one that our networks have: with the gain of doubling in the generator."""
    line = torch.tensor(TAPS) / sum(TAPS)
    expected = torch.outer(line, line) * (4 if name.startswith("g_ema") else 1)
    if kernel.shape != expected.shape or not torch.allclose(kernel.float(), expected, atol=1e-4):
        raise GeneratorError(f"{name} is another low-pass filter than StyleMapGAN's [1, 3, 3, 1]")


def _details(config: StyleMapGANConfig, arguments: Mapping[str, Any]) -> dict[str, str]:
    """What the file tells about itself: fields of `Card`."""
    data = arguments.get("dataset")
    data = data if isinstance(data, str) else ""
    notes = ["StyleMapGAN (g_ema and e_ema)", *([f"trained on {data[:80]}"] if data else [])]
    if "normalize_mode" not in arguments:
        notes.append(f"it does not tell its normalisation, {config.normalisation} was taken")
    told = {"origin": "; ".join([*notes, NO_MEAN])}
    return told | (LICENCE if re.fullmatch(RELEASED, data) else {})
