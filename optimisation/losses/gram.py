"""Gram matrices: textures without places (Gatys et al. 2016; masked as in Image2StyleGAN++, arXiv 1911.11544)."""

from dataclasses import dataclass, replace
from typing import Any

from torch import Tensor

from wplus.core.shapes import FeatureMaps, Images
from wplus.models import VGG
from wplus.optimisation.losses.term import Comparison, check_weight
from wplus.optimisation.masks import Masks, Rows, check_mask, fitted, mask_json, narrowed, select_masks

STYLE_TAP = "conv3_3"
"""The layer of Image2StyleGAN++'s style loss."""


@dataclass(frozen=True, eq=False)
class Gram:
    """Mean squared difference of the Gram matrices of one tap's features, times `weight`.

    Args:
        network: the perceptual network.
        tap: its layer.
        mask: the places whose texture counts; None for all.

    Raises:
        ValueError: a weight that is negative or not finite, or a mask that is none; when used, a tap that the network
            does not have.
    """

    network: VGG
    tap: str = STYLE_TAP
    weight: float = 1.0
    name: str = "style"
    mask: Masks | None = None

    def __post_init__(self) -> None:
        check_weight(self.weight)
        check_mask(self.mask)

    def against(self, target: Images) -> Comparison:
        maps = self._maps(target)
        mask = fitted(self.mask, maps)
        wanted = gram_matrix(maps, mask)
        return lambda images: self.weight * (gram_matrix(self._maps(images), mask) - wanted).square().mean(dim=(1, 2))

    def select(self, rows: Rows) -> "Gram":
        return replace(self, mask=select_masks(self.mask, rows))

    def within(self, mask: Masks) -> "Gram":
        return replace(self, mask=narrowed(self.mask, mask))

    def to_json(self) -> dict[str, Any]:
        return {"network": self.network.name, "tap": self.tap, "weight": self.weight} | mask_json(self.mask)

    def _maps(self, images: Images) -> FeatureMaps:
        return self.network(images, (self.tap,))[self.tap]


def gram_matrix(maps: FeatureMaps, mask: Tensor | None = None) -> Tensor:
    """Products of channels, means over places: (batch, channels, channels).

    Args:
        maps: features (batch, channels, height, width).
        mask: weights of places in [0, 1], (1 or batch, 1, height, width); None for all.
    """
    if mask is None:
        maps = maps.flatten(2)  # (batch, channels, pixels)
        return maps @ maps.transpose(1, 2) / maps.shape[2]
    maps = (mask.sqrt() * maps).flatten(2)
    return maps @ maps.transpose(1, 2) / (mask.sum(dim=(2, 3)) + 1e-8)
