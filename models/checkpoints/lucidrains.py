"""lucidrains' `stylegan2-pytorch`: recognised, and refused with the reason.

His network is another one: a mapping network without equalised learning rate and with another leaky slope, noise
through dense layers, bilinear upsampling. None of our networks renders it exactly, so none pretends to.
"""

from collections.abc import Mapping

from wplus.core.errors import GeneratorError
from wplus.models.checkpoints.tables import Converted, weights_in

NAME = "lucidrains"


def matches(tree: object) -> str | None:
    """None for a file of this format, else why it is none."""
    weights = weights_in(tree.get("GAN")) if isinstance(tree, Mapping) else {}
    return None if {"S.net.0.weight", "G.initial_block"} <= set(weights) else "no GAN with 'S.net.0.weight'"


def convert(tree: object) -> Converted:
    """Nothing.

    Raises:
        GeneratorError: always.
    """
    raise GeneratorError(
        "this is lucidrains' StyleGAN2, which differs from StyleGAN2 in slopes, noise and upsampling;"
        " wplus cannot render it exactly and does not open it"
    )
