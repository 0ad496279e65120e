"""What an inversion minimises: a sum of terms, each one loss an image (Image2StyleGAN section 4.1)."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from wplus.core.shapes import Images, Losses
from wplus.models import IMAGE2STYLEGAN_TAPS, VGG

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

    def to_json(self) -> dict[str, Any]:
        """Its settings, for a latent's origin."""


@dataclass(frozen=True)
class Pixel:
    """Mean squared error of pixels at full size, times `weight`.

    Raises:
        ValueError: a weight that is negative or not finite.
    """

    weight: float = 1.0
    name: str = "pixel"

    def __post_init__(self) -> None:
        check_weight(self.weight)

    def against(self, target: Images) -> Comparison:
        return lambda images: self.weight * (images - target).square().mean(dim=(1, 2, 3))

    def to_json(self) -> dict[str, Any]:
        return {"weight": self.weight}


@dataclass(frozen=True)
class Perceptual:
    """Sum over taps of the mean squared difference of feature maps, times `weight`.

    Args:
        network: the perceptual network; pictures over 256 px are reduced to it there.
        taps: its layers that are compared.
        weight: lambda, the same for every tap.
        after_relu: tap behind the ReLU instead of before.

    Raises:
        ValueError: a tap that the network does not have, or a weight that is negative or not finite.
    """

    network: VGG
    taps: tuple[str, ...] = IMAGE2STYLEGAN_TAPS
    weight: float = 1.0
    after_relu: bool = False
    name: str = "perceptual"

    def __post_init__(self) -> None:
        check_weight(self.weight)
        missing = [tap for tap in self.taps if tap not in self.network.convs]
        if missing or not self.taps:
            raise ValueError(f"{self.network.name} has no {', '.join(missing)}; it has {', '.join(self.network.convs)}")

    def against(self, target: Images) -> Comparison:
        wanted = self.network(target, self.taps, after_relu=self.after_relu)

        def compare(images: Images) -> Losses:
            given = self.network(images, self.taps, after_relu=self.after_relu)
            total = images.new_zeros(images.shape[0])
            for tap in self.taps:
                total = total + (given[tap].float() - wanted[tap].float()).square().mean(dim=(1, 2, 3))
            return self.weight * total

        return compare

    def to_json(self) -> dict[str, Any]:
        return {
            "network": self.network.name,
            "taps": list(self.taps),
            "weight": self.weight,
            "after_relu": self.after_relu,
        }


@dataclass(frozen=True)
class Objective:
    """A sum of terms.

    Raises:
        ValueError: no terms, or two of one name.
    """

    terms: Sequence[Term]

    def __post_init__(self) -> None:
        names = [term.name for term in self.terms]
        if not names or len(set(names)) < len(names):
            raise ValueError(f"an objective needs terms of different names, got {names}")

    def against(self, target: Images) -> Callable[[Images], dict[str, Losses]]:
        """Fix the target; the result gives losses by term, each of shape (batch,)."""
        comparisons = {term.name: term.against(target) for term in self.terms}
        return lambda images: {name: compare(images) for name, compare in comparisons.items()}

    def to_json(self) -> dict[str, Any]:
        """Settings of all terms by name."""
        return {term.name: term.to_json() for term in self.terms}


def check_weight(weight: float) -> None:
    """See that a term's weight makes sense.

    Raises:
        ValueError: it is negative or not finite.
    """
    if not 0 <= weight < math.inf:
        raise ValueError(f"the weight of a term must be finite and not negative, got {weight}")


def image2stylegan(network: VGG) -> Objective:
    """Perceptual loss at four taps plus MSE, every lambda 1 (Image2StyleGAN equation 1)."""
    return Objective((Perceptual(network), Pixel()))
