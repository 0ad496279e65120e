"""NVIDIA's TensorFlow pickles of StyleGAN1 and StyleGAN2: (G, D, Gs), of which Gs, the average, counts.

A network keeps `static_kwargs`, `variables` (names and arrays) and `components`; its source is never read.
Convolutions lie as (height, width, inputs, outputs), dense weights as (inputs, outputs), StyleGAN2's up-convolutions
mirrored and its style biases without their one. What is one number, such as a noise's strength, is a NumPy number and
no array, as TensorFlow's session gives it.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import torch
from torch import Tensor

from wplus.core.errors import GeneratorError
from wplus.models.checkpoints.foreign import Thing
from wplus.models.checkpoints.tables import Converted, Row, Weights, check_grown, convs, count_of, translate
from wplus.models.stylegan1 import StyleGAN1Config
from wplus.models.stylegan2 import StyleGAN2Config

NAME = "tensorflow"

EXPECTED: Mapping[str, tuple[object, ...]] = {
    "nonlinearity": ("lrelu",),
    "blur_filter": ([1, 2, 1],),
    "use_wscale": (True,),
    "use_styles": (True,),
    "use_instance_norm": (True,),
    "use_pixel_norm": (False,),
    "const_input_layer": (True,),
    "normalize_latents": (True,),
}
"""What our networks have built in; a file that says otherwise is refused."""

NEVER = 1 << 20
"""More pixels than any picture has."""


def matches(tree: object) -> str | None:
    """None for a file of this format, else why it is none."""
    return None if _average(tree) is not None else "no tuple (G, D, Gs)"


def convert(tree: object) -> Converted:
    """Sizes and weights under our names.

    Raises:
        GeneratorError: it is another network, or a variant that cannot be rendered exactly.
    """
    network = _average(tree)
    assert network is not None
    settings, found = _settings(network), dict(_variables(network, ""))
    details = {"origin": "NVIDIA's StyleGAN in TensorFlow"}
    if "synthesis/4x4/Const/StyleMod/weight" in found:
        return Converted(*_stylegan1(found, settings), details)
    if "synthesis/4x4/Conv/mod_weight" in found:
        return Converted(*_stylegan2(found, settings), details)
    raise GeneratorError(f"its {len(found)} variables are those of neither StyleGAN1 nor StyleGAN2")


def _average(tree: object) -> Thing | None:
    """The last of (G, D, Gs), or the network itself."""
    if isinstance(tree, tuple | list) and tree:
        tree = tree[-1]
    return tree if isinstance(tree, Thing) and isinstance(tree.state, dict) and "variables" in tree.state else None


def _parts(network: Thing) -> dict[str, Thing]:
    """The networks in a network; in a StyleGAN, mapping and synthesis, which have none."""
    parts = network.state.get("components") if isinstance(network.state, dict) else None
    return {name: item for name, item in parts.items() if isinstance(item, Thing)} if isinstance(parts, dict) else {}


def _settings(network: Thing) -> dict[str, object]:
    """What the network and its parts were built with.

    Raises:
        GeneratorError: a setting that our networks have built in is another.
    """
    settings: dict[str, object] = {}
    for item in (network, *_parts(network).values()):
        own = item.state.get("static_kwargs") if isinstance(item.state, dict) else None
        settings |= own if isinstance(own, dict) else {}
    for name, known in EXPECTED.items():
        value = settings.get(name, known[0])
        if (list(value) if isinstance(value, tuple) else value) not in known:
            raise GeneratorError(f"it was built with {name} {value}, which wplus cannot render")
    return settings


def _variables(network: Thing, prefix: str) -> Iterator[tuple[str, Tensor]]:
    """Names and arrays of a network and its parts, as `mapping/...` and `synthesis/...`."""
    own = network.state.get("variables") if isinstance(network.state, dict) else None
    for item in own if isinstance(own, list | tuple) else ():
        match item:
            case (str(name), Tensor() | float() | int() as value):
                array = value if isinstance(value, Tensor) else torch.tensor(float(value))
                yield re.sub(r"^G_(mapping|synthesis)(_\d+)?/", r"\1/", prefix + name.removesuffix(":0")), array
    if not prefix:  # parts of parts there are none
        for name, part in _parts(network).items():
            yield from _variables(part, f"{name}/")


def _stylegan2(found: Weights, settings: Mapping[str, object]) -> tuple[StyleGAN2Config, dict[str, Tensor]]:
    """Sizes and weights of a StyleGAN2."""
    count = count_of(found, r"synthesis/(\d+)x\1/Conv(1|)/weight")
    grown = "synthesis/ToRGB_lod0/weight"  # configurations A to D grow; what their last step wrote is "orig" here
    if grown in found:
        side = 4 << (count - 1)
        found = {
            re.sub("^synthesis/ToRGB_lod0/", f"synthesis/{side}x{side}/ToRGB/", name): item
            for name, item in found.items()
        }
    _check_grown(found)
    rows = [Row("mapping.w_avg", "dlatent_avg"), *_dense(found)]
    if "mapping/LabelEmbed/weight" in found:
        rows += [
            Row("mapping.embed.weight", "mapping/LabelEmbed/weight", _dense_weight),
            Row("mapping.embed.bias", "mapping/LabelEmbed/bias"),
        ]
    rows.append(Row("synthesis.b4.const", "synthesis/4x4/Const/const", _first))
    for index, conv in enumerate(convs(count)):
        kind = "Conv0_up" if conv.up else ("Conv1" if index else "Conv")
        theirs = f"synthesis/{conv.side}x{conv.side}/{kind}"
        rows += _modulated(conv.name, theirs, _mirrored if conv.up else _conv_weight)
        if "synthesis/noise0" in found:
            rows.append(Row(f"{conv.name}.noise_strength", f"{theirs}/noise_strength"))
            rows.append(Row(f"{conv.name}.noise_const", f"synthesis/noise{index}", _map))
    for side in (4 << index for index in range(count)):
        if f"synthesis/{side}x{side}/ToRGB/weight" in found:
            rows += _modulated(f"synthesis.b{side}.torgb", f"synthesis/{side}x{side}/ToRGB", _conv_weight)
        if f"synthesis/{side}x{side}/Skip/weight" in found:
            rows.append(Row(f"synthesis.b{side}.skip.weight", f"synthesis/{side}x{side}/Skip/weight", _mirrored))
    state = translate(found, rows, ignored=r"lod|synthesis/(lod|ToRGB_lod\d+/.*)")
    unseen: dict[str, Any] = {
        "conv_clamp": settings.get("conv_clamp"),
        "mapping_rate": settings.get("mapping_lrmul", 0.01),
    }
    unseen["mapping_activation"] = settings.get("mapping_nonlinearity", "lrelu")
    taps = settings.get("resample_kernel")
    if isinstance(taps, list | tuple):
        unseen["taps"] = tuple(float(tap) for tap in taps)
    return StyleGAN2Config.from_weights(state, **unseen), state


def _stylegan1(found: Weights, settings: Mapping[str, object]) -> tuple[StyleGAN1Config, dict[str, Tensor]]:
    """Sizes and weights of a StyleGAN1; of its colour layers, only the last is seen when it has grown."""
    _check_grown(found)
    rows = [
        Row("mapping.w_avg", "dlatent_avg"),
        *_dense(found),
        Row("synthesis.b4.const", "synthesis/4x4/Const/const", _first),
    ]
    for index in range(2 * count_of(found, r"synthesis/(\d+)x\1/Conv1?/weight")):
        side, second = 4 << index // 2, index % 2
        kind = ("Const", "Conv")[second] if side == 4 else ("Conv0_up", "Conv1")[second]
        ours, theirs = f"synthesis.b{side}.conv{second}", f"synthesis/{side}x{side}/{kind}"
        rows += [
            *([Row(f"{ours}.weight", f"{theirs}/weight", _conv_weight)] if index else []),
            Row(f"{ours}.bias", f"{theirs}/bias"),
            Row(f"{ours}.noise_strength", f"{theirs}/Noise/weight"),
            Row(f"{ours}.noise_const", f"synthesis/noise{index}", _map),
            Row(f"{ours}.affine.weight", f"{theirs}/StyleMod/weight", _dense_weight),
            Row(f"{ours}.affine.bias", f"{theirs}/StyleMod/bias"),
        ]
    rows.append(Row("synthesis.torgb.weight", "synthesis/ToRGB_lod0/weight", _conv_weight))
    rows.append(Row("synthesis.torgb.bias", "synthesis/ToRGB_lod0/bias"))
    state = translate(found, rows, ignored=r"lod|synthesis/(lod|ToRGB_lod\d+/.*)")
    told = settings.get("fused_scale", "auto")
    fused = (0 if told else NEVER) if isinstance(told, bool) else 128  # what "auto" means
    rate = settings.get("mapping_lrmul", 0.01)
    return StyleGAN1Config.from_weights(state, fused_from=fused, mapping_rate=rate), state


def _check_grown(found: Weights) -> None:
    """Both the whole and its synthesis tell how far they have grown."""
    for name in ("lod", "synthesis/lod"):
        check_grown(found.get(name))


def _dense(found: Weights) -> list[Row]:
    """The mapping network's layers."""
    rows = []
    for index in range(count_of(found, r"mapping/Dense\d+/weight")):
        rows.append(Row(f"mapping.fc{index}.weight", f"mapping/Dense{index}/weight", _dense_weight))
        rows.append(Row(f"mapping.fc{index}.bias", f"mapping/Dense{index}/bias"))
    return rows


def _modulated(ours: str, theirs: str, read: Callable[[Tensor], Tensor]) -> list[Row]:
    """A modulated convolution of StyleGAN2 and its bias."""
    return [
        Row(f"{ours}.weight", f"{theirs}/weight", read),
        Row(f"{ours}.bias", f"{theirs}/bias"),
        Row(f"{ours}.affine.weight", f"{theirs}/mod_weight", _dense_weight),
        Row(f"{ours}.affine.bias", f"{theirs}/mod_bias", lambda bias: bias.float() + 1),
    ]


def _first(tensor: Tensor) -> Tensor:
    """Drop the dimension of the batch."""
    return tensor.squeeze(0)


def _map(tensor: Tensor) -> Tensor:
    """A noise map (1, 1, side, side) as (side, side)."""
    return tensor.squeeze(0).squeeze(0)


def _dense_weight(tensor: Tensor) -> Tensor:
    """(inputs, outputs) as (outputs, inputs)."""
    return tensor.t()


def _conv_weight(tensor: Tensor) -> Tensor:
    """(height, width, inputs, outputs) as (outputs, inputs, height, width)."""
    return tensor.permute(3, 2, 0, 1)


def _mirrored(tensor: Tensor) -> Tensor:
    """The same, mirrored both ways."""
    return _conv_weight(tensor.flip(0, 1))
