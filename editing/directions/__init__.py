"""Ways to find directions, on any generator with W: each a module, all give `Direction`s."""

from wplus.editing.directions.boundary import boundary, conditional
from wplus.editing.directions.ganspace import ganspace
from wplus.editing.directions.making import direction
from wplus.editing.directions.measured import Regression, measured, regress
from wplus.editing.directions.pairs import pairs
from wplus.editing.directions.reading import read_directions
from wplus.editing.directions.sefa import sefa
from wplus.editing.directions.words import say

__all__ = [
    "Regression",
    "boundary",
    "conditional",
    "direction",
    "ganspace",
    "measured",
    "pairs",
    "read_directions",
    "regress",
    "say",
    "sefa",
]
