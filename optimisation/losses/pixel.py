"""Squared error of pixels as a term (Image2StyleGAN equation 1)."""

from dataclasses import dataclass, replace
from typing import Any

from wplus.core.shapes import Images
from wplus.optimisation.losses.squared_error import squared_error
from wplus.optimisation.losses.term import Comparison, check_weight
from wplus.optimisation.masks import Masks, Rows, check_mask, fitted, mask_json, narrowed, select_masks


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

    def against(self, target: Images) -> Comparison:
        mask = fitted(self.mask, target)
        return lambda images: self.weight * squared_error(images, target, mask)

    def select(self, rows: Rows) -> "Pixel":
        return replace(self, mask=select_masks(self.mask, rows))

    def within(self, mask: Masks) -> "Pixel":
        return replace(self, mask=narrowed(self.mask, mask))

    def to_json(self) -> dict[str, Any]:
        return {"weight": self.weight} | mask_json(self.mask)
