"""What codes and noise maps cost, whatever they show: how unlikely codes are, and how much of a picture noise holds."""

from dataclasses import dataclass
from typing import Any

from torch import Tensor
from torch.nn import functional

from wplus.core.shapes import Losses
from wplus.inversion.spaces import Codes
from wplus.models import Generator
from wplus.models.pn import pn_of
from wplus.optimisation.losses.term import check_weight

SMALLEST = 8
"""Side of the maps at which the pyramid of `NoiseCorrelation` ends."""


@dataclass(frozen=True)
class PNNorm:
    """Mean square of the codes in P_N, times `weight`: the Mahalanobis distance of what the mapping network gives.

    The editability knob of Zhu et al. 2020 (arXiv 2012.09036, section 3.3), in whatever space the codes move; mapped
    codes cost about `weight`, less likely ones more.

    Raises:
        ValueError: a weight that is negative or not finite.
    """

    weight: float = 0.001
    name: str = "P_N norm"

    def __post_init__(self) -> None:
        check_weight(self.weight)

    def losses(self, rendering: Codes) -> Losses:
        """The penalty.

        Raises:
            GeneratorError: the generator has stylemaps.
        """
        return self.weight * pn_of(rendering.generator).to_pn(rendering.ws).square().mean(dim=(1, 2))

    def to_json(self) -> dict[str, Any]:
        return {"weight": self.weight}


def on_unlikely(generator: Generator, weight: float) -> tuple[PNNorm, ...]:
    """`PNNorm` where the generator has a W and `weight` is not 0; else nothing.

    Raises:
        ValueError: a weight that is negative or not finite.
    """
    return (PNNorm(weight),) if weight and generator.space == "W+" else ()


@dataclass(frozen=True)
class NoiseCorrelation:
    """Squared correlation of noise maps with themselves one pixel further, at every scale, times `weight`.

    Noise that is none, but part of a picture, correlates with its neighbours (Karras et al. 2020, arXiv 1912.04958,
    appendix D). Scales are halved by means of 2x2 pixels, as in the authors' code. Beside Image2StyleGAN's terms their
    weight of 1e5 leaves noise nothing to show; with 1 it correlates less than fresh noise, and shows most of what it
    can.

    Raises:
        ValueError: a weight that is negative or not finite.
    """

    weight: float = 1.0
    name: str = "noise correlation"

    def __post_init__(self) -> None:
        check_weight(self.weight)

    def losses(self, rendering: Codes) -> Losses:
        """The penalty.

        Raises:
            ValueError: the space has no noise maps.
        """
        if rendering.noise is None:
            raise ValueError(f"{self.name} is of noise maps; take a space that has some, such as WithNoise")
        total = rendering.ws.new_zeros(len(rendering.ws))
        for maps in rendering.noise:
            total = total + _neighbours(maps)
            while maps.shape[2] > SMALLEST:
                maps = functional.avg_pool2d(maps, 2)
                total = total + _neighbours(maps)
        return self.weight * total

    def to_json(self) -> dict[str, Any]:
        return {"weight": self.weight}


def _neighbours(maps: Tensor) -> Losses:
    """Squared mean products of pixels (batch, 1, height, width) with those to the left and above, around the edges."""
    products = [(maps * maps.roll(1, dims=axis)).mean(dim=(1, 2, 3)) for axis in (2, 3)]
    return products[0].square() + products[1].square()


@dataclass(frozen=True)
class NearW:
    """Mean square of what rows are away from their mean, in units of W's own variance, times `weight`.

    Codes whose rows agree lie in W, where directions were found and edits work (Tov et al. 2021, arXiv 2102.02766,
    section 3); rows that go their own way fit the photograph better and edit worse.

    Raises:
        ValueError: a weight that is negative or not finite.
    """

    weight: float = 0.1
    name: str = "offsets from W"

    def __post_init__(self) -> None:
        check_weight(self.weight)

    def losses(self, rendering: Codes) -> Losses:
        """The penalty."""
        offsets = rendering.ws - rendering.ws.mean(dim=1, keepdim=True)
        return self.weight * offsets.square().sum(dim=2).mean(dim=1) / rendering.generator.w_radius**2

    def to_json(self) -> dict[str, Any]:
        return {"weight": self.weight}
