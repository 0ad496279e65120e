"""The PyTorch port of StyleGAN1 from lernapparat.de, which StyleGAN_LatentEditor and its kin use.

Files: the weights alone. The port normalises with another epsilon, and its files keep no noise maps.
"""

from torch import Tensor

from wplus.models.checkpoints.tables import (
    NO_MEAN,
    Converted,
    Row,
    count_of,
    seeded_noise,
    translate,
    weights_in,
)
from wplus.models.stylegan1 import StyleGAN1Config

NAME = "lernapparat"

FIXED = r".*\.intermediate\.kernel|truncation\..*"  # low-pass filters

EPSILON = 1e-5

PARTS = ("weight", "bias")


def matches(tree: object) -> str | None:
    """None for a file of this format, else why it is none."""
    return None if "g_synthesis.blocks.4x4.const" in weights_in(tree) else "no 'g_synthesis.blocks.4x4.const'"


def convert(tree: object) -> Converted:
    """Sizes and weights under our names.

    Raises:
        GeneratorError: names or shapes are not those of the port.
    """
    weights = weights_in(tree)
    state = translate(weights, _rows(weights), ignored=FIXED)
    config = StyleGAN1Config.from_weights(state, epsilon=EPSILON)
    sides = [4 << index // 2 for index in range(config.layers)]
    names = [f"synthesis.b{side}.conv{index % 2}" for index, side in enumerate(sides)]
    state |= seeded_noise(dict(zip(names, sides, strict=True)))
    told = ["a PyTorch port of StyleGAN1; it keeps no noise maps, these are of seed 0"]
    average = weights.get("truncation.avg_latent")
    if average is not None:
        state["mapping.w_avg"] = average.reshape(-1, config.w_dim).mean(dim=0)
    else:
        told.append(NO_MEAN)
    return Converted(config, state, {"origin": "; ".join(told)})


def _rows(weights: dict[str, Tensor]) -> list[Row]:
    """Every tensor but noise maps and mean code."""
    depth = count_of(weights, r"g_mapping\.dense\d+\.weight")
    rows = [
        Row(f"mapping.fc{index}.{part}", f"g_mapping.dense{index}.{part}") for index in range(depth) for part in PARTS
    ]
    blocks = "g_synthesis.blocks"
    rows.append(Row("synthesis.b4.const", f"{blocks}.4x4.const", lambda const: const.squeeze(0)))
    for index in range(2 * count_of(weights, r"g_synthesis\.blocks\.\d+x\d+\.epi1\.style_mod\.lin\.bias")):
        side, second = 4 << index // 2, index % 2
        ours, block = f"synthesis.b{side}.conv{second}", f"{blocks}.{side}x{side}"
        conv = ("", "conv.") if side == 4 else ("conv0_up.", "conv1.")
        if index:
            rows.append(Row(f"{ours}.weight", f"{block}.{conv[second]}weight"))
        rows.append(Row(f"{ours}.bias", f"{block}.{conv[second]}bias"))
        rows.append(Row(f"{ours}.noise_strength", f"{block}.epi{second + 1}.top_epi.noise.weight"))
        rows += [Row(f"{ours}.affine.{part}", f"{block}.epi{second + 1}.style_mod.lin.{part}") for part in PARTS]
    return [*rows, *(Row(f"synthesis.torgb.{part}", f"g_synthesis.torgb.{part}") for part in PARTS)]
