"""What an inversion moves: the whole of W+, or one vector of W for all layers (Image2StyleGAN section 3.2)."""

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from torch import Tensor

from wplus.core.shapes import Ws


@runtime_checkable
class Space(Protocol):
    """A parametrisation of W+."""

    @property
    def name(self) -> str:
        """The field's name for it."""

    def code(self, ws: Ws) -> Tensor:
        """The parameters nearest to given W+ codes; the batch comes first."""

    def ws(self, code: Tensor, layers: int) -> Ws:
        """The W+ codes that parameters stand for."""


@dataclass(frozen=True)
class WPlus:
    """Every layer its own vector."""

    name: str = "W+"

    def code(self, ws: Ws) -> Tensor:
        return ws.clone()

    def ws(self, code: Tensor, layers: int) -> Ws:
        return code


@dataclass(frozen=True)
class W:
    """One vector for all layers."""

    name: str = "W"

    def code(self, ws: Ws) -> Tensor:
        return ws.mean(dim=1)

    def ws(self, code: Tensor, layers: int) -> Ws:
        return code[:, None].expand(-1, layers, -1)


SPACES: tuple[Space, ...] = (WPlus(), W())
