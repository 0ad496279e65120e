"""Differences of feature maps as a term (Image2StyleGAN equation 2)."""

from dataclasses import dataclass, replace
from typing import Any

from wplus.core.shapes import Images, Losses
from wplus.models import IMAGE2STYLEGAN_TAPS, VGG, Compute, fast
from wplus.optimisation.losses.squared_error import squared_error
from wplus.optimisation.losses.term import Comparison, check_weight
from wplus.optimisation.masks import Masks, Rows, check_mask, fitted, mask_json, narrowed, select_masks


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
        ValueError: no taps, a tap that the network does not have, a weight that is negative or not finite, or a mask
            that is none.
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
        if not self.taps:
            raise ValueError(f"a perceptual term needs taps; {self.network.name} has {', '.join(self.network.convs)}")
        if missing:
            raise ValueError(f"{self.network.name} has no {', '.join(missing)}; it has {', '.join(self.network.convs)}")

    def against(self, target: Images) -> Comparison:
        features = self.network(target, self.taps, after_relu=self.after_relu)
        masks = {tap: fitted(self.mask, maps) for tap, maps in features.items()}

        def compare(images: Images) -> Losses:
            maps = self.network(images, self.taps, after_relu=self.after_relu)
            total = images.new_zeros(images.shape[0])
            for tap in self.taps:
                total = total + squared_error(maps[tap], features[tap], masks[tap])
            return self.weight * total

        return compare

    def select(self, rows: Rows) -> "Perceptual":
        return replace(self, mask=select_masks(self.mask, rows))

    def within(self, mask: Masks) -> "Perceptual":
        return replace(self, mask=narrowed(self.mask, mask))

    def to_json(self) -> dict[str, Any]:
        settings = {"network": self.network.name, "taps": list(self.taps), "weight": self.weight}
        return settings | {"after_relu": self.after_relu} | mask_json(self.mask)

    def in_fp32(self) -> "Perceptual":
        """The same term with features in fp32, whatever path its network takes."""
        return replace(self, network=fast(self.network, Compute("mixed", "features in fp32")))
