"""rosinality's StyleGAN2 (`stylegan2-pytorch`), and the encoders that carry it: pSp, e4e, ReStyle, HyperStyle.

Files: {'g_ema' or 'g': weights, 'latent_avg': mean code}, the weights alone, or {'state_dict': {'decoder.*', ...},
'latent_avg', 'opts'}. Weights lie as ours do, but for dimensions of one; sizes are read off their shapes.
"""

from collections.abc import Mapping
from dataclasses import fields
from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor

from wplus.core.errors import GeneratorError
from wplus.models.checkpoints.tables import (
    NO_MEAN,
    Converted,
    Row,
    Weights,
    alone,
    convs,
    count_of,
    seeded_noise,
    translate,
    weights_in,
)
from wplus.models.network import Config
from wplus.models.ops import TAPS
from wplus.models.stylegan2 import StyleGAN2Config

NAME = "rosinality"

FIXED = r".*\.kernel"  # low-pass filters, always [1, 3, 3, 1]
EXTRA = "wplus"  # our addition, which rosinality's own reader passes over
UNSEEN = ("conv_clamp", "half_resolutions")
"""What his network has no place for, and what `EXTRA` keeps."""


class Ones(NamedTuple):
    """A row, and how many dimensions of one theirs has before and after ours."""

    ours: str
    theirs: str
    before: int = 0
    after: int = 0


def matches(tree: object) -> str | None:
    """None for a file of this format, else why it is none."""
    weights, _ = _found(tree)
    return None if {"input.input", "conv1.conv.weight"} <= set(weights) else "no 'input.input'"


def convert(tree: object) -> Converted:
    """Sizes and weights under our names.

    Raises:
        GeneratorError: names or shapes are not those of rosinality's StyleGAN2.
    """
    assert isinstance(tree, Mapping)
    weights, place = _found(tree)
    count = 1 + count_of(weights, r"to_rgbs\.\d+\.bias")
    noisy = "noises.noise_0" in weights
    rows = _rows(count, count_of(weights, r"style\.\d+\.weight"), noisy=noisy)
    state = translate(weights, [Row(row.ours, row.theirs, partial(_without_ones, row)) for row in rows], ignored=FIXED)
    told = [f"rosinality's StyleGAN2 ({place})"]
    if not noisy:
        state |= seeded_noise({conv.name: conv.side for conv in convs(count)})
        told.append("it keeps no noise maps, these are of seed 0")
    extra = tree.get(EXTRA)
    unseen = {name: extra[name] for name in UNSEEN if name in extra} if isinstance(extra, Mapping) else {}
    config = StyleGAN2Config.from_weights(state, **unseen)
    average = tree.get("latent_avg")
    if isinstance(average, Tensor):
        state["mapping.w_avg"], note = _one_row(average, config.w_dim)
    else:
        note = NO_MEAN
    return Converted(config, state, {"origin": "; ".join([*told, *([note] if note else [])])})


def refuses(config: Config) -> str | None:
    """None for a generator that this format can hold, else why it cannot."""
    if not isinstance(config, StyleGAN2Config):
        return f"it holds StyleGAN2 only, not {config.title}"
    free = {"channels", "z_dim", "w_dim", "mapping_layers", *UNSEEN}
    plain = StyleGAN2Config(config.channels, config.w_dim, config.w_dim, config.mapping_layers)
    other = [
        item.name
        for item in fields(config)
        if item.name not in free and getattr(config, item.name) != getattr(plain, item.name)
    ]
    if config.z_dim != config.w_dim:
        other.append("z_dim")
    return f"it cannot express {', '.join(f'{name} {getattr(config, name)}' for name in other)}" if other else None


def constructor(config: StyleGAN2Config) -> str:
    """The call in rosinality's code that gives a network which loads what `export` wrote, or that there is none."""
    for factor in (1, 2, 4):
        if config.channels == tuple(min(512, 2**14 * factor // (4 << i)) for i in range(len(config.channels))):
            more = "" if factor == 2 else f", channel_multiplier={factor}"
            return f"Generator({config.resolution}, {config.w_dim}, {config.mapping_layers}{more})"
    return f"none: his code has a table of widths, and not {list(config.channels)}"


def export(config: Config, state: Weights) -> dict[str, object]:
    """The tree that `torch.save` writes: `g_ema` with the filters that rosinality's reader asks for, and `latent_avg`.

    His reader passes over what it does not know: there the bound on activations lies, which his network lacks.
    """
    assert isinstance(config, StyleGAN2Config)
    rows = _rows(len(config.channels), config.mapping_layers, noisy=True)
    weights = {row.theirs: _with_ones(row, alone(state[row.ours])) for row in rows}
    taps = torch.tensor(TAPS) / 4
    for index in range(len(config.channels) - 1):
        for name in (f"convs.{2 * index}.conv.blur.kernel", f"to_rgbs.{index}.upsample.kernel"):
            weights[name] = torch.outer(taps, taps)
    extra = {name: getattr(config, name) for name in UNSEEN}
    return {"g_ema": weights, "latent_avg": alone(state["mapping.w_avg"]), EXTRA: extra}


def _found(tree: object) -> tuple[dict[str, Tensor], str]:
    """The generator's weights and where they lay."""
    if not isinstance(tree, Mapping):
        return {}, ""
    for name in ("g_ema", "g"):
        if weights := weights_in(tree.get(name)):
            return weights, name
    bundle = weights_in(tree.get("state_dict"))
    decoder = {name.removeprefix("decoder."): item for name, item in bundle.items() if name.startswith("decoder.")}
    if decoder:
        return decoder, "the decoder of an encoder's file"
    return bundle or weights_in(tree), "bare weights"


def _rows(count: int, depth: int, *, noisy: bool) -> list[Ones]:
    """Every tensor but the mean code."""
    rows = [
        Ones(f"mapping.fc{index}.{part}", f"style.{index + 1}.{part}")
        for index in range(depth)
        for part in ("weight", "bias")
    ]
    rows.append(Ones("synthesis.b4.const", "input.input", before=1))
    for index, conv in enumerate(convs(count)):
        theirs = "conv1" if index == 0 else f"convs.{index - 1}"
        rows += _modulated(conv.name, theirs)
        rows.append(Ones(f"{conv.name}.bias", f"{theirs}.activate.bias"))
        rows.append(Ones(f"{conv.name}.noise_strength", f"{theirs}.noise.weight", before=1))
        if noisy:
            rows.append(Ones(f"{conv.name}.noise_const", f"noises.noise_{index}", before=2))
    for index in range(count):
        ours, theirs = f"synthesis.b{4 << index}.torgb", "to_rgb1" if index == 0 else f"to_rgbs.{index - 1}"
        rows += [*_modulated(ours, theirs), Ones(f"{ours}.bias", f"{theirs}.bias", before=1, after=2)]
    return rows


def _modulated(ours: str, theirs: str) -> list[Ones]:
    """A modulated convolution without its bias."""
    affine = [Ones(f"{ours}.affine.{part}", f"{theirs}.conv.modulation.{part}") for part in ("weight", "bias")]
    return [Ones(f"{ours}.weight", f"{theirs}.conv.weight", before=1), *affine]


def _without_ones(row: Ones, tensor: Tensor) -> Tensor:
    """Take the dimensions of one away."""
    end = tensor.ndim - row.after
    if end < row.before or any(side != 1 for side in (*tensor.shape[: row.before], *tensor.shape[end:])):
        raise GeneratorError(f"{row.theirs} has shape {tuple(tensor.shape)}")
    return tensor.reshape(tensor.shape[row.before : end])


def _with_ones(row: Ones, tensor: Tensor) -> Tensor:
    """Add the dimensions of one."""
    return tensor.reshape((1,) * row.before + tuple(tensor.shape) + (1,) * row.after)


def _one_row(average: Tensor, w_dim: int) -> tuple[Tensor, str]:
    """The mean code of W from what may be repeated for every layer, and what was done about it."""
    rows = average.detach().reshape(-1, w_dim).float()
    if bool((rows == rows[0]).all()):
        return rows[0].clone(), ""
    return rows.mean(dim=0), f"its latent_avg has {len(rows)} different rows, of which the mean was taken"
