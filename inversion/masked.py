"""Image2StyleGAN++'s masked terms: one picture inside a mask, another outside (Abdal et al. 2020, arXiv 1911.11544).

The paper's weights of 1e-5 belong to pixels from 0 to 255; here, on [-1, 1], they are 1. A mask meets a feature map at
the map's own size.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor
from torch.nn import functional

from wplus.core.shapes import FeatureMaps, Images, Losses, Mask
from wplus.inversion.objectives import Comparison, Objective, Term, check_weight
from wplus.models import VGG

IMAGE2STYLEGAN_PP_TAPS = ("conv1_1", "conv1_2", "conv2_2", "conv3_3")
"""The layers of Image2StyleGAN++'s perceptual loss; not those of Image2StyleGAN."""

STYLE_TAP = "conv3_3"
"""The layer of its style loss."""


@dataclass(frozen=True, eq=False)
class MaskedPixel:
    """Squared error of pixels times the mask, summed, over the number of all pixels; times `weight`.

    Raises:
        ValueError: a weight that is negative or not finite.
    """

    mask: Mask
    weight: float = 1.0
    name: str = "masked pixel"

    def __post_init__(self) -> None:
        check_weight(self.weight)

    def against(self, target: Images) -> Comparison:
        mask = _fitted(self.mask, target)
        return lambda images: self.weight * (mask * (images - target).square()).mean(dim=(1, 2, 3))

    def to_json(self) -> dict[str, Any]:
        return {"weight": self.weight, "area": float(self.mask.mean())}


@dataclass(frozen=True, eq=False)
class MaskedPerceptual:
    """Sum over taps of the mean squared difference of feature maps under the mask, times `weight`.

    Raises:
        ValueError: a weight that is negative or not finite; a tap that the network does not have, when used.
    """

    network: VGG
    mask: Mask
    taps: tuple[str, ...] = IMAGE2STYLEGAN_PP_TAPS
    weight: float = 1.0
    name: str = "masked perceptual"

    def __post_init__(self) -> None:
        check_weight(self.weight)

    def against(self, target: Images) -> Comparison:
        wanted = self.network(target, self.taps)
        masks = {tap: _fitted(self.mask, maps) for tap, maps in wanted.items()}

        def compare(images: Images) -> Losses:
            given = self.network(images, self.taps)
            total = images.new_zeros(len(images))
            for tap in self.taps:
                total = total + (masks[tap] * (given[tap] - wanted[tap]).square()).mean(dim=(1, 2, 3))
            return self.weight * total

        return compare

    def to_json(self) -> dict[str, Any]:
        area = float(self.mask.mean())
        return {"network": self.network.name, "taps": list(self.taps), "weight": self.weight, "area": area}


@dataclass(frozen=True, eq=False)
class MaskedStyle:
    """Mean squared difference of Gram matrices of features under the mask, times `weight`: texture without places.

    Raises:
        ValueError: a weight that is negative or not finite; a tap that the network does not have, when used.
    """

    network: VGG
    mask: Mask
    tap: str = STYLE_TAP
    weight: float = 1.0
    name: str = "masked style"

    def __post_init__(self) -> None:
        check_weight(self.weight)

    def against(self, target: Images) -> Comparison:
        wanted = self._gram(target)
        return lambda images: self.weight * (self._gram(images) - wanted).square().mean(dim=(1, 2))

    def _gram(self, images: Images) -> Tensor:
        """Products of channels (batch, channels, channels), means over the masked places."""
        maps = self.network(images, (self.tap,))[self.tap]
        mask = _fitted(self.mask, maps)
        maps = (mask.sqrt() * maps).flatten(2)  # (batch, channels, pixels)
        return maps @ maps.transpose(1, 2) / (mask.sum() + 1e-8)

    def to_json(self) -> dict[str, Any]:
        return {
            "network": self.network.name,
            "tap": self.tap,
            "weight": self.weight,
            "area": float(self.mask.mean()),
        }


@dataclass(frozen=True, eq=False)
class Towards:
    """A term whose target is a picture of its own, instead of what the inversion is given.

    Args:
        term: what compares.
        picture: one for all pictures of an inversion, or one each.
    """

    term: Term
    picture: Images
    name: str

    def against(self, target: Images) -> Comparison:
        return self.term.against(self.picture.to(target).expand_as(target))

    def to_json(self) -> dict[str, Any]:
        return {self.term.name: self.term.to_json()}


def image2stylegan_pp(network: VGG, reference: Images, mask: Mask, *, style_weight: float = 0.0) -> Objective:
    """Image crossover: the reference inside the mask, the inversion's target outside, in one code.

    Args:
        network: for features; Image2StyleGAN++ takes VGG16.
        reference: one for all targets, or one each.
        mask: 1 is the reference's; the paper blurs it.
        style_weight: of a loss that asks for the target's texture inside the mask; the paper's ratio is 0.05.

    Raises:
        ValueError: a weight that is negative or not finite.
    """
    outside = 1 - mask
    terms: Sequence[Term] = (
        Towards(MaskedPerceptual(network, mask), reference, "perceptual inside"),
        Towards(MaskedPixel(mask), reference, "pixel inside"),
        MaskedPerceptual(network, outside, name="perceptual outside"),
        MaskedPixel(outside, name="pixel outside"),
    )
    style = MaskedStyle(network, mask, weight=style_weight, name="style inside")
    return Objective((*terms, style) if style_weight else terms)


def _fitted(mask: Mask, maps: FeatureMaps) -> Tensor:
    """The mask at the size of maps, a part of each cell, as (1, 1, height, width)."""
    return functional.adaptive_avg_pool2d(mask.to(maps)[None, None], (maps.shape[2], maps.shape[3]))
