"""What an inversion moves: all of W+, one vector of W for all layers, or one of Z (Image2StyleGAN section 3.2)."""

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor

from wplus.core.errors import GeneratorError
from wplus.core.shapes import Ws
from wplus.models import Generator


@runtime_checkable
class Space(Protocol):
    """A parametrisation of W+."""

    @property
    def name(self) -> str:
        """The field's name for it."""

    def code(self, ws: Ws, generator: Generator) -> Tensor:
        """The parameters nearest to given W+ codes of a generator; the batch comes first."""

    def ws(self, code: Tensor, generator: Generator) -> Ws:
        """The W+ codes that parameters stand for."""


@dataclass(frozen=True)
class WPlus:
    """Every layer its own vector."""

    name: str = "W+"

    def code(self, ws: Ws, generator: Generator) -> Tensor:
        return ws.clone()

    def ws(self, code: Tensor, generator: Generator) -> Ws:
        return code


@dataclass(frozen=True)
class W:
    """One vector for all layers."""

    name: str = "W"

    def code(self, ws: Ws, generator: Generator) -> Tensor:
        return ws.mean(dim=1)

    def ws(self, code: Tensor, generator: Generator) -> Ws:
        return code[:, None].expand(-1, generator.layers, -1)


@dataclass(frozen=True)
class Z:
    """The Gaussian code before the mapping network.

    The mapping network has no inverse, and its mean code comes from no z: the descent begins at the draw that is mapped
    nearest to the start. Only the direction of z counts, for the network normalises its length.

    Args:
        draws: how many codes are drawn for that (seed 0).
    """

    draws: int = 1000
    name: str = "Z"

    def code(self, ws: Ws, generator: Generator) -> Tensor:
        """The draws nearest to the codes once mapped.

        Raises:
            GeneratorError: the generator knows classes, of which z says nothing.
        """
        if generator.labels:
            raise GeneratorError(f"{generator.name} knows classes, which Z leaves open; invert in W or W+")
        z = torch.randn(self.draws, generator.z_dim, generator=torch.Generator().manual_seed(0)).to(ws)
        with torch.no_grad():
            distances = torch.cdist(ws.flatten(1), generator.map(z).flatten(1))
        return z[distances.argmin(dim=1)]

    def ws(self, code: Tensor, generator: Generator) -> Ws:
        return generator.map(code)


SPACES: tuple[Space, ...] = (WPlus(), W(), Z())
