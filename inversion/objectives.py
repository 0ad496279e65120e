"""What an inversion minimises: a sum of terms, each one loss an image (Image2StyleGAN section 4.1).

Terms that compare place by place can be told by a mask where to look.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol, runtime_checkable

from torch import Tensor

from wplus.core.shapes import Images, Losses, Ws
from wplus.inversion.masks import Chosen, Masks, check_mask, fitted, mask_json, picked
from wplus.models import IMAGE2STYLEGAN_TAPS, VGG, Compute, Generator, compute_for, fast, load_perceptual, mean_square
from wplus.models.fast import Wanted

NoiseMaps = tuple[Tensor, ...]
"""One map (batch, 1, height, width) a noisy layer."""

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


@runtime_checkable
class PerPicture(Protocol):
    """A term that may hold something of each picture: it must be told where some of them go on alone."""

    def of(self, rows: Chosen) -> Term:
        """The term of some of the pictures."""


@dataclass(frozen=True, eq=False)
class Pixel:
    """Mean squared error of pixels at full size, times `weight`.

    Args:
        weight: lambda.
        mask: where to look; errors are multiplied by it, and their mean is still over all pixels.

    Raises:
        ValueError: a weight that is negative or not finite, or a mask that is none.
    """

    weight: float = 1.0
    name: str = "pixel"
    mask: Masks | None = None

    def __post_init__(self) -> None:
        check_weight(self.weight)
        check_mask(self.mask)

    def of(self, rows: Chosen) -> "Pixel":
        return self if self.mask is None else replace(self, mask=picked(self.mask, rows))

    def against(self, target: Images) -> Comparison:
        mask = fitted(self.mask, target)
        return lambda images: self.weight * mean_square(images, target, mask)

    def to_json(self) -> dict[str, Any]:
        return {"weight": self.weight} | mask_json(self.mask)


@dataclass(frozen=True, eq=False)
class Perceptual:
    """Sum over taps of the mean squared difference of feature maps, times `weight`.

    Args:
        network: the perceptual network; pictures over 256 px are reduced to it there.
        taps: its layers that are compared.
        weight: lambda, the same for every tap.
        after_relu: tap behind the ReLU instead of before.
        mask: where to look, brought to each map's size; as of `Pixel`.

    Raises:
        ValueError: a tap that the network does not have, a weight that is negative or not finite, or a mask that is
            none.
    """

    network: VGG
    taps: tuple[str, ...] = IMAGE2STYLEGAN_TAPS
    weight: float = 1.0
    after_relu: bool = False
    name: str = "perceptual"
    mask: Masks | None = None

    def __post_init__(self) -> None:
        check_weight(self.weight)
        check_mask(self.mask)
        missing = [tap for tap in self.taps if tap not in self.network.convs]
        if missing or not self.taps:
            raise ValueError(f"{self.network.name} has no {', '.join(missing)}; it has {', '.join(self.network.convs)}")

    def of(self, rows: Chosen) -> "Perceptual":
        return self if self.mask is None else replace(self, mask=picked(self.mask, rows))

    def against(self, target: Images) -> Comparison:
        wanted = self.network(target, self.taps, after_relu=self.after_relu)
        masks = {tap: fitted(self.mask, maps) for tap, maps in wanted.items()}

        def compare(images: Images) -> Losses:
            given = self.network(images, self.taps, after_relu=self.after_relu)
            total = images.new_zeros(images.shape[0])
            for tap in self.taps:
                total = total + mean_square(given[tap], wanted[tap], masks[tap])
            return self.weight * total

        return compare

    def to_json(self) -> dict[str, Any]:
        settings = {"network": self.network.name, "taps": list(self.taps), "weight": self.weight}
        return settings | {"after_relu": self.after_relu} | mask_json(self.mask)


@runtime_checkable
class Penalty(Protocol):
    """What codes cost, whatever they show."""

    @property
    def name(self) -> str:
        """Short, unique within an objective."""

    def of(self, ws: Ws, noise: NoiseMaps | None, generator: Generator) -> Losses:
        """One number a picture, from its codes and its noise maps if it has any of its own."""

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

    def of(self, rows: Chosen) -> "Objective":
        """The objective of some of the pictures: what terms hold of each, such as its mask, is that of these."""
        return replace(self, terms=[term.of(rows) if isinstance(term, PerPicture) else term for term in self.terms])

    def masked(self, mask: Masks) -> "Objective":
        """The same, looking only where `mask` says; terms that compare pictures as wholes stay as they are.

        Raises:
            ValueError: a mask that is none.
        """
        terms = [replace(x, mask=mask) if isinstance(x, Pixel | Perceptual) else x for x in self.terms]
        return replace(self, terms=terms)

    def to_json(self) -> dict[str, Any]:
        """Settings of all terms by name."""
        return {item.name: item.to_json() for item in self._parts}

    @property
    def _parts(self) -> list[Term | Penalty]:
        return [*self.terms, *self.penalties]


def check_weight(weight: float) -> None:
    """See that a term's weight makes sense.

    Raises:
        ValueError: it is negative or not finite.
    """
    if not 0 <= weight < math.inf:
        raise ValueError(f"the weight of a term must be finite and not negative, got {weight}")


def in_fp32(objective: Objective) -> Objective:
    """The same objective with perceptual networks whose features are in fp32."""
    path = Compute("mixed", "features in fp32")
    terms = [replace(x, network=fast(x.network, path)) if isinstance(x, Perceptual) else x for x in objective.terms]
    return replace(objective, terms=terms)


def perceptual_network(generator: Generator, name: str | None = None, *, compute: Wanted = "auto") -> VGG:
    """The perceptual network `name`, by default the one that the generator's card names, on its device and path.

    Raises:
        WeightsError: its weights are missing.
    """
    network = load_perceptual(name or generator.card.perceptual).to(generator.device)
    return fast(network, compute_for(network, generator.device, compute))


def image2stylegan(network: VGG) -> Objective:
    """Perceptual loss at four taps plus MSE, every lambda 1 (Image2StyleGAN equation 1)."""
    return Objective((Perceptual(network), Pixel()))
