"""A term of an objective: pictures compared with a target, one loss an image."""

import math
from collections.abc import Callable
from typing import Any, Protocol, runtime_checkable

from wplus.core.shapes import Images, Losses
from wplus.optimisation.masks import Masks, Rows

Comparison = Callable[[Images], Losses]
"""Pictures to one loss an image, against a target that was fixed before."""


@runtime_checkable
class Term(Protocol):
    """One term of an objective."""

    @property
    def name(self) -> str:
        """Short, unique within an objective."""

    def against(self, target: Images) -> Comparison:
        """Fix the target; whatever of it can be computed once is computed here."""

    def select(self, rows: Rows) -> "Term":
        """The term of some of the pictures: what it holds of each, such as a mask, is that of these."""

    def within(self, mask: Masks) -> "Term":
        """The term where `mask` and its own mask look; one that compares pictures as wholes stays as it is."""

    def to_json(self) -> dict[str, Any]:
        """Its settings, for a latent's origin."""


class WholePicture:
    """The part of a term that holds nothing of single pictures and cannot look at a part of them."""

    def select(self, rows: Rows) -> Any:
        return self

    def within(self, mask: Masks) -> Any:
        return self


def check_weight(weight: float) -> None:
    """Check a term's weight.

    Raises:
        ValueError: it is negative or not finite.
    """
    if not 0 <= weight < math.inf:
        raise ValueError(f"the weight of a term must be finite and not negative, got {weight}")
