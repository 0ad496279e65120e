"""What a descent minimises: a sum of terms that see pictures, and of penalties that see what the code stands for."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol, runtime_checkable

from wplus.core.shapes import Images, Losses
from wplus.optimisation.losses.perceptual import Perceptual
from wplus.optimisation.losses.term import Term
from wplus.optimisation.masks import Masks, Rows


@dataclass(frozen=True, eq=False)
class Rendering:
    """What a code decodes to; subclasses add what penalties look at, such as the rows of W+."""

    images: Images


@runtime_checkable
class Penalty(Protocol):
    """What a code costs, whatever it shows."""

    @property
    def name(self) -> str:
        """Short, unique within an objective."""

    def losses(self, rendering: Any) -> Losses:
        """One number a picture, from what its code decodes to."""

    def to_json(self) -> dict[str, Any]:
        """Its settings, for a latent's origin."""


@dataclass(frozen=True)
class Objective:
    """A sum of terms and penalties.

    Raises:
        ValueError: no terms, or two of one name.
    """

    terms: Sequence[Term]
    penalties: Sequence[Penalty] = ()

    def __post_init__(self) -> None:
        names = [item.name for item in self._parts]
        if not names or len(set(names)) < len(names):
            raise ValueError(f"an objective needs terms of different names, got {names}")

    def against(self, target: Images) -> Callable[[Images], dict[str, Losses]]:
        """Fix the target; the result gives losses by term, each of shape (batch,), without the penalties."""
        comparisons = {term.name: term.against(target) for term in self.terms}
        return lambda images: {name: compare(images) for name, compare in comparisons.items()}

    def costs(self, rendering: Rendering) -> dict[str, Losses]:
        """The penalties by name, each of shape (batch,)."""
        return {penalty.name: penalty.losses(rendering) for penalty in self.penalties}

    def select(self, rows: Rows) -> "Objective":
        """The objective of some of the pictures: what terms hold of each, such as its mask, is that of these."""
        return replace(self, terms=[term.select(rows) for term in self.terms])

    def within(self, mask: Masks) -> "Objective":
        """The same, looking only where `mask` and each term's own mask do.

        Terms that compare pictures as wholes stay as they are.

        Raises:
            ValueError: a mask that is none.
        """
        return replace(self, terms=[term.within(mask) for term in self.terms])

    def in_fp32(self) -> "Objective":
        """The same objective with perceptual networks whose features are in fp32."""
        return replace(self, terms=[x.in_fp32() if isinstance(x, Perceptual) else x for x in self.terms])

    def to_json(self) -> dict[str, Any]:
        """Settings of all terms by name."""
        return {item.name: item.to_json() for item in self._parts}

    @property
    def _parts(self) -> list[Term | Penalty]:
        return [*self.terms, *self.penalties]
