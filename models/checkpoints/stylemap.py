"""StyleMapGAN (Kim et al. 2021): recognised, not yet opened."""

from collections.abc import Mapping

from wplus.core.errors import GeneratorError
from wplus.models.checkpoints.tables import Converted, weights_in

NAME = "stylemapgan"


def matches(tree: object) -> str | None:
    """None for a file of this format, else why it is none."""
    found = isinstance(tree, Mapping) and bool(weights_in(tree.get("e_ema"))) and bool(weights_in(tree.get("g_ema")))
    return None if found else "no g_ema beside e_ema"


def convert(tree: object) -> Converted:
    """Nothing yet.

    Raises:
        GeneratorError: always.
    """
    raise GeneratorError("this is a StyleMapGAN, whose codes are maps; wplus does not open it yet")
