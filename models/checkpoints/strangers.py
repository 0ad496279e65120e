"""Generators of other programs that are recognised, and refused with the reason: none of our networks renders them."""

from collections.abc import Mapping
from typing import NamedTuple

from wplus.core.errors import GeneratorError
from wplus.models.checkpoints.tables import Converted, weights_in

NAME = "strangers"


class Stranger(NamedTuple):
    """A program's files: where their weights lie, ends of names that are among them, and why they are refused."""

    place: str
    names: tuple[str, ...]
    reason: str


STRANGERS = (
    Stranger(
        "GAN",
        ("S.net.0.weight", "G.initial_block"),
        # a mapping network without equalised learning rate, noise through dense layers, bilinear upsampling
        "lucidrains' StyleGAN2, which differs from StyleGAN2 in slopes, noise and upsampling",
    ),
    Stranger(
        "state_dict",
        ("constant_input.weight", "style_mapping.1.bias"),
        "a StyleGAN of mmgeneration or mmagic; take NVIDIA's or rosinality's file, from which it was made",
    ),
)


def matches(tree: object) -> str | None:
    """None for a file of one of these programs, else why it is none."""
    return None if _stranger(tree) else "none of the programs that are known and refused"


def convert(tree: object) -> Converted:
    """Nothing.

    Raises:
        GeneratorError: always.
    """
    stranger = _stranger(tree)
    assert stranger is not None
    raise GeneratorError(f"this is {stranger.reason}; wplus cannot render it exactly and does not open it")


def _stranger(tree: object) -> Stranger | None:
    if not isinstance(tree, Mapping):
        return None
    for stranger in STRANGERS:
        names = weights_in(tree.get(stranger.place))
        if all(any(name.endswith(end) for name in names) for end in stranger.names):
            return stranger
    return None
