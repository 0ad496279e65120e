"""What an inversion minimises: a sum of terms, each one loss an image (Image2StyleGAN section 4.1)."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch
from torch.nn import functional

from wplus.alignment import chip_quad, detect
from wplus.core.errors import FaceError
from wplus.core.shapes import Affine, Descriptors, Images, Losses, Picture, ResizedImages
from wplus.models import IMAGE2STYLEGAN_TAPS, VGG, IdentityNetwork
from wplus.models.identity import CHIP, NAME

SEEN_SIZE = 256
"""Faces are looked for, and cut out, in pictures of this many pixels; the chip is about 180 of them wide."""

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
        _check_weight(self.weight)

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
        _check_weight(self.weight)
        missing = [tap for tap in self.taps if tap not in self.network.convs]
        if missing or not self.taps:
            raise ValueError(f"{self.network.name} has no {', '.join(missing)}; it has {', '.join(self.network.convs)}")

    def against(self, target: Images) -> Comparison:
        wanted = self.network(target, self.taps, after_relu=self.after_relu)

        def compare(images: Images) -> Losses:
            given = self.network(images, self.taps, after_relu=self.after_relu)
            total = images.new_zeros(images.shape[0])
            for tap in self.taps:
                total = total + (given[tap] - wanted[tap]).square().mean(dim=(1, 2, 3))
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
class Identity:
    """Squared distance of dlib's face descriptors, times `weight`; 0.36 is its limit for the same person.

    The face is looked for once, in the target; pictures are compared in that place, so they need show no face yet.

    Args:
        network: dlib's, as a module.
        weight: lambda; beside Image2StyleGAN's terms 0.1 takes a third off the distance, and leaves the MSE as it was.

    Raises:
        ValueError: a weight that is negative or not finite.
    """

    network: IdentityNetwork
    weight: float = 0.1
    name: str = "identity"

    def __post_init__(self) -> None:
        _check_weight(self.weight)

    def against(self, target: Images) -> Comparison:
        """Fix the target, square pictures.

        Raises:
            FaceError: one of them shows no face.
        """
        count = len(target)
        places = torch.stack(
            [face_place(each, f"picture {number + 1} of {count}") for number, each in enumerate(target)]
        )

        def describe(images: Images) -> Descriptors:
            grid = functional.affine_grid(places.to(images), [len(images), 3, CHIP, CHIP], align_corners=False)
            chips = functional.grid_sample(_seen(images), grid, padding_mode="border", align_corners=False)
            return self.network(chips)

        wanted = describe(target)
        return lambda images: self.weight * (describe(images) - wanted).square().sum(dim=1)

    def to_json(self) -> dict[str, Any]:
        return {"network": NAME, "weight": self.weight}


def face_place(picture: Picture, name: str = "the picture") -> Affine:
    """Where dlib's identity network looks at the largest face of a square picture.

    Args:
        name: what an error calls the picture.

    Returns:
        The affine map (2, 3) from the chip to the picture, both in [-1, 1] from border to border.

    Raises:
        FaceError: it shows no face.
    """
    faces = detect(_seen(picture[None])[0])
    if not faces:
        raise FaceError(f"no face found in {name}, and identity cannot be compared without one; leave that term out")
    quad = (chip_quad(faces[0]) + 0.5) * 2 / SEEN_SIZE - 1
    across, down, centre = (quad[3] - quad[0]) / 2, (quad[1] - quad[0]) / 2, (quad[0] + quad[2]) / 2
    return torch.from_numpy(np.stack([across, down, centre], axis=1))


def _seen(images: Images) -> ResizedImages:
    """Pictures at the size at which faces are seen; bicubic, as in `wplus.metrics`, and antialiased."""
    return functional.interpolate(images, (SEEN_SIZE, SEEN_SIZE), mode="bicubic", antialias=True)


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


def _check_weight(weight: float) -> None:
    if not 0 <= weight < math.inf:
        raise ValueError(f"the weight of a term must be finite and not negative, got {weight}")


def image2stylegan(network: VGG) -> Objective:
    """Perceptual loss at four taps plus MSE, every lambda 1 (Image2StyleGAN equation 1)."""
    return Objective((Perceptual(network), Pixel()))
