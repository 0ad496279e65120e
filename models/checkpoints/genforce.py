"""GenForce's `.pth` files of StyleGAN1 and StyleGAN2 (SeFa, InterFaceGAN, IDInvert, HiGAN, GenForce).

Files: {'generator_smooth' or 'generator': weights}, or the weights alone. Names are those of the PyTorch ports, layouts
those of PyTorch; StyleGAN2's up-convolutions are mirrored and its style biases lie without their one, as in TensorFlow.
No real file was at hand: tested on files made from golden weights by the documented layout, the other way round.
"""

from collections.abc import Mapping

from torch import Tensor

from wplus.core.errors import GeneratorError
from wplus.models.checkpoints.tables import Converted, Row, Weights, check_grown, convs, count_of, translate, weights_in
from wplus.models.stylegan1 import StyleGAN1Config
from wplus.models.stylegan2 import StyleGAN2Config

NAME = "genforce"

FIXED = r".*\.kernel|synthesis\.lod"  # low-pass filters, and how far the network had grown


def matches(tree: object) -> str | None:
    """None for a file of this format, else why it is none."""
    weights = _found(tree)
    named = {"mapping.dense0.weight", "truncation.w_avg"} <= set(weights)
    return None if named else "no 'mapping.dense0.weight'"


def convert(tree: object) -> Converted:
    """Sizes and weights under our names.

    Raises:
        GeneratorError: names or shapes are not those of GenForce's StyleGAN1 or StyleGAN2.
    """
    weights = _found(tree)
    if "synthesis.early_layer.const" in weights:
        state = _stylegan2(weights)
        return Converted(StyleGAN2Config.from_weights(state), state, {"origin": "GenForce's StyleGAN2"})
    if "synthesis.layer0.const" in weights:
        state = _stylegan1(weights)
        return Converted(StyleGAN1Config.from_weights(state), state, {"origin": "GenForce's StyleGAN1"})
    raise GeneratorError("it has a mapping network, but neither StyleGAN1's nor StyleGAN2's synthesis network")


def _found(tree: object) -> dict[str, Tensor]:
    """The generator's weights; the average of training comes first."""
    if not isinstance(tree, Mapping):
        return {}
    models = tree.get("models")
    places = [
        item[name]
        for item in (tree, models)
        if isinstance(item, Mapping)
        for name in ("generator_smooth", "generator")
        if name in item
    ]
    return next((weights for place in places if (weights := weights_in(place))), weights_in(tree))


def _dense(weights: Weights) -> list[Row]:
    """The mapping network's layers and the mean code."""
    depth = count_of(weights, r"mapping\.dense\d+\.weight")
    parts = [(index, part) for index in range(depth) for part in ("weight", "bias")]
    rows = [Row(f"mapping.fc{index}.{part}", f"mapping.dense{index}.{part}") for index, part in parts]
    return [*rows, Row("mapping.w_avg", "truncation.w_avg")]


def _stylegan2(weights: Weights) -> dict[str, Tensor]:
    """Weights of a StyleGAN2 without residual branches, which overwrite one another in this port."""
    layers = convs((count_of(weights, r"synthesis\.layer\d+\.weight") + 1) // 2)
    rows = [*_dense(weights), Row("synthesis.b4.const", "synthesis.early_layer.const", lambda const: const.squeeze(0))]
    for index, conv in enumerate(layers):
        theirs = f"synthesis.layer{index}"
        rows += _modulated(conv.name, theirs, mirrored=conv.up)
        rows.append(Row(f"{conv.name}.noise_strength", f"{theirs}.noise_strength"))
        rows.append(Row(f"{conv.name}.noise_const", f"{theirs}.noise", lambda noise: noise.squeeze(0).squeeze(0)))
        if index % 2 == 0 and f"synthesis.output{index // 2}.weight" in weights:
            rows += _modulated(f"synthesis.b{conv.side}.torgb", f"synthesis.output{index // 2}")
    return translate(weights, rows, ignored=FIXED)


def _stylegan1(weights: Weights) -> dict[str, Tensor]:
    """Weights of a StyleGAN1; of its colour layers, only the last is seen when it has grown."""
    check_grown(weights.get("synthesis.lod"))
    rows = [*_dense(weights), Row("synthesis.b4.const", "synthesis.layer0.const", lambda const: const.squeeze(0))]
    count = count_of(weights, r"synthesis\.layer\d+\.bias")
    for index in range(count):
        ours, theirs = f"synthesis.b{4 << index // 2}.conv{index % 2}", f"synthesis.layer{index}"
        parts = {
            **({"weight": "weight"} if index else {}),
            "bias": "bias",
            "noise_strength": "apply_noise.weight",
            "affine.weight": "style.weight",
            "affine.bias": "style.bias",
        }
        rows += [Row(f"{ours}.{own}", f"{theirs}.{name}") for own, name in parts.items()]
        rows.append(
            Row(f"{ours}.noise_const", f"{theirs}.apply_noise.noise", lambda noise: noise.squeeze(0).squeeze(0))
        )
    last = f"synthesis.output{(count - 1) // 2}"
    rows += [Row(f"synthesis.torgb.{part}", f"{last}.{part}") for part in ("weight", "bias")]
    return translate(weights, rows, ignored=rf"{FIXED}|synthesis\.output\d+\.(weight|bias)")


def _modulated(ours: str, theirs: str, *, mirrored: bool = False) -> list[Row]:
    """A modulated convolution and its bias."""
    return [
        Row(f"{ours}.weight", f"{theirs}.weight", lambda weight: weight.flip(2, 3) if mirrored else weight),
        Row(f"{ours}.bias", f"{theirs}.bias"),
        Row(f"{ours}.affine.weight", f"{theirs}.style.weight"),
        Row(f"{ours}.affine.bias", f"{theirs}.style.bias", lambda bias: bias.float() + 1),
    ]
