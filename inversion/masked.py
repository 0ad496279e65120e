"""Image2StyleGAN++'s masked terms: one picture inside a mask, another outside (Abdal et al. 2020, arXiv 1911.11544).

The paper's weights of 1e-5 belong to pixels from 0 to 255; here, on [-1, 1], they are 1. A mask meets a feature map at
the map's own size.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from torch import Tensor

from wplus.core.shapes import FeatureMaps, Images
from wplus.inversion.masks import Chosen, Masks, check_mask, fitted, mask_json, picked
from wplus.inversion.objectives import Comparison, Objective, Perceptual, PerPicture, Pixel, Term, check_weight
from wplus.models import VGG

IMAGE2STYLEGAN_PP_TAPS = ("conv1_1", "conv1_2", "conv2_2", "conv3_3")
"""The layers of Image2StyleGAN++'s perceptual loss; not those of Image2StyleGAN."""

STYLE_TAP = "conv3_3"
"""The layer of its style loss."""


@dataclass(frozen=True, eq=False)
class MaskedStyle:
    """Mean squared difference of Gram matrices of features under the mask, times `weight`: texture without places.

    Raises:
        ValueError: a weight that is negative or not finite, or a mask that is none; when used, a tap that the network
            does not have.
    """

    network: VGG
    mask: Masks
    tap: str = STYLE_TAP
    weight: float = 1.0
    name: str = "masked style"

    def __post_init__(self) -> None:
        check_weight(self.weight)
        check_mask(self.mask)

    def of(self, rows: Chosen) -> "MaskedStyle":
        return replace(self, mask=picked(self.mask, rows))

    def against(self, target: Images) -> Comparison:
        maps = self._maps(target)
        mask = fitted(self.mask, maps)
        assert mask is not None
        wanted = _gram(maps, mask)
        return lambda images: self.weight * (_gram(self._maps(images), mask) - wanted).square().mean(dim=(1, 2))

    def _maps(self, images: Images) -> FeatureMaps:
        return self.network(images, (self.tap,))[self.tap]

    def to_json(self) -> dict[str, Any]:
        return {"network": self.network.name, "tap": self.tap, "weight": self.weight} | mask_json(self.mask)


def _gram(maps: FeatureMaps, mask: Tensor) -> Tensor:
    """Products of channels (batch, channels, channels), means over the masked places."""
    maps = (mask.sqrt() * maps).flatten(2)  # (batch, channels, pixels)
    return maps @ maps.transpose(1, 2) / (mask.sum(dim=(2, 3)) + 1e-8)


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

    def of(self, rows: Chosen) -> "Towards":
        term = self.term.of(rows) if isinstance(self.term, PerPicture) else self.term
        picture = self.picture if len(self.picture) == 1 else self.picture[rows.to(self.picture.device)]
        return replace(self, term=term, picture=picture)

    def against(self, target: Images) -> Comparison:
        return self.term.against(self.picture.to(target).expand_as(target))

    def to_json(self) -> dict[str, Any]:
        return {self.term.name: self.term.to_json()}


def image2stylegan_pp(network: VGG, reference: Images, mask: Masks, *, style_weight: float = 0.0) -> Objective:
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
        Towards(Perceptual(network, IMAGE2STYLEGAN_PP_TAPS, mask=mask), reference, "perceptual inside"),
        Towards(Pixel(mask=mask), reference, "pixel inside"),
        Perceptual(network, IMAGE2STYLEGAN_PP_TAPS, name="perceptual outside", mask=outside),
        Pixel(name="pixel outside", mask=outside),
    )
    style = MaskedStyle(network, mask, weight=style_weight, name="style inside")
    return Objective((*terms, style) if style_weight else terms)
