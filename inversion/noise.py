"""Noise maps as parameters: beside the codes, as StyleGAN2's projector moves them, or alone, after the codes.

Sources: Karras et al. 2020 (arXiv 1912.04958), appendix D; Image2StyleGAN++ (arXiv 1911.11544), which fits W+ first,
for noise that moves along absorbs what codes should explain.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from wplus.core.errors import GeneratorError
from wplus.core.shapes import Ws
from wplus.inversion.spaces import NoiseMaps, Space, WPlus
from wplus.models import Generator


@dataclass(frozen=True)
class Still:
    """Codes of W+ that stay where they start."""

    name: str = "still"

    def code(self, ws: Ws, generator: Generator) -> Tensor:
        return ws.clone()

    def ws(self, code: Tensor, generator: Generator) -> Ws:
        return code.detach()


@dataclass(frozen=True, eq=False)
class WithNoise:
    """A space with noise maps: its code is a row of numbers, those of `codes` and behind them all maps over `scale`.

    Args:
        codes: how the codes move.
        maps: where the maps begin, of batch 1 for all pictures or one each; None for the generator's own.
        scale: a step of Adam moves maps this many times as far as codes. Image2StyleGAN++'s rates, 0.01 for codes and 5
            for maps, are a scale of 500; L-BFGS finds its own.
        normalised: maps have mean 0 and variance 1 wherever they move, as the projector's have after every step.
    """

    codes: Space = WPlus()  # noqa: RUF009  (a frozen value)
    maps: NoiseMaps | None = None
    scale: float = 1.0
    normalised: bool = False

    def __post_init__(self) -> None:
        if not 0 < self.scale < math.inf:
            raise ValueError(f"scale must be positive, got {self.scale}")

    @property
    def name(self) -> str:
        return "noise" if isinstance(self.codes, Still) else f"{self.codes.name} and noise"

    def code(self, ws: Ws, generator: Generator) -> Tensor:
        """The parameters of codes, with maps where they begin.

        Raises:
            GeneratorError: the generator takes no noise.
            ValueError: maps of another number of pictures, or of other sizes than the generator's.
        """
        shapes = generator.network.synthesis.noise_shapes
        maps = own_noise(generator) if self.maps is None else self.maps
        if [tuple(item.shape[1:]) for item in maps] != [(1, *shape) for shape in shapes]:
            raise ValueError(f"noise maps are {[tuple(item.shape) for item in maps]}, {generator.name} takes {shapes}")
        if {len(item) for item in maps} - {1, len(ws)}:
            raise ValueError(f"noise maps of {len(maps[0])} pictures, expected 1 or {len(ws)}")
        flat = [item.to(ws).flatten(1).expand(len(ws), -1) / self.scale for item in maps]
        return torch.cat([self.codes.code(ws, generator).flatten(1), *flat], dim=1)

    def ws(self, code: Tensor, generator: Generator) -> Ws:
        flat = code[:, : code.shape[1] - noise_numbers(generator)]
        whole = flat.shape[1] == generator.layers * generator.w_dim  # else one vector a picture
        return self.codes.ws(flat.unflatten(1, (generator.layers, -1)) if whole else flat, generator)

    def noise(self, code: Tensor, generator: Generator) -> NoiseMaps:
        shapes = generator.network.synthesis.noise_shapes
        sizes = [math.prod(shape) for shape in shapes]
        flat = code[:, code.shape[1] - sum(sizes) :] * self.scale
        parts = zip(flat.split(sizes, dim=1), shapes, strict=True)
        maps = tuple(part.unflatten(1, (1, *shape)) for part, shape in parts)
        return tuple(map(_standard, maps)) if self.normalised else maps


def noise_numbers(generator: Generator) -> int:
    """How many numbers all noise maps of a picture have."""
    return sum(map(math.prod, generator.network.synthesis.noise_shapes))


def own_noise(generator: Generator) -> NoiseMaps:
    """The maps that a generator was saved with, (1, 1, height, width) each.

    Raises:
        GeneratorError: it takes no noise.
    """
    synthesis = generator.network.synthesis
    if not synthesis.noise_shapes:
        raise GeneratorError(f"{generator.name} takes no noise; use a space without")
    assert isinstance(synthesis, nn.Module)
    return tuple(item[None, None] for name, item in synthesis.named_buffers() if name.endswith("noise_const"))


def _standard(maps: Tensor) -> Tensor:
    """Each map with mean 0 and variance 1."""
    maps = maps - maps.mean(dim=(2, 3), keepdim=True)
    return maps * maps.square().mean(dim=(2, 3), keepdim=True).clamp(min=1e-12).rsqrt()
