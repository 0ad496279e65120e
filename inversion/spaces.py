"""What an inversion moves: all of W+, one vector of W for all layers, or one of Z (Image2StyleGAN section 3.2).

P and P_N are W+ in other coordinates, those of Zhu et al. 2020 (arXiv 2012.09036, section 3.2).
"""

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor

from wplus.core.errors import GeneratorError
from wplus.core.shapes import Ws
from wplus.models import Generator
from wplus.models.pn import from_p, pn_of, to_p
from wplus.optimisation import Rendering

NoiseMaps = tuple[Tensor, ...]
"""One map (batch, 1, height, width) a noisy layer."""


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


@runtime_checkable
class Noisy(Space, Protocol):
    """A space whose parameters stand for noise maps, too."""

    def noise(self, code: Tensor, generator: Generator) -> NoiseMaps:
        """The maps, (batch, 1, height, width) each."""


@dataclass(frozen=True, eq=False)
class Codes(Rendering):
    """What a code of an inversion decodes to: the pictures, and the codes of W+ that they were rendered of.

    Args:
        ws: (batch, layers, w_dim).
        noise: maps of these pictures, or None for the generator's own.
        generator: what rendered them.
    """

    ws: Ws
    noise: NoiseMaps | None
    generator: Generator


def decode(code: Tensor, space: Space, generator: Generator) -> Codes:
    """Render what parameters of a space stand for."""
    ws, noise = to_ws(code, space, generator)
    images = generator(ws, noise=noise)
    # penalties see codes of their own: their gradient joins the picture's at the code, whatever the space does between
    return Codes(images, *to_ws(code, space, generator), generator)


def to_ws(code: Tensor, space: Space, generator: Generator) -> tuple[Ws, NoiseMaps | None]:
    """The W+ codes that parameters stand for, and the noise maps; None where those are the generator's own."""
    return space.ws(code, generator), space.noise(code, generator) if isinstance(space, Noisy) else None


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


@dataclass(frozen=True)
class P:
    """W+ before the last leaky ReLU of the mapping network: the same codes in other coordinates."""

    name: str = "P"

    def code(self, ws: Ws, generator: Generator) -> Tensor:
        """The codes in P.

        Raises:
            GeneratorError: the generator has stylemaps.
        """
        if generator.space != "W+":
            raise GeneratorError(f"{generator.name} maps to a {generator.space}; P is for generators with W")
        return to_p(ws)

    def ws(self, code: Tensor, generator: Generator) -> Ws:
        return from_p(code)


@dataclass(frozen=True)
class PN:
    """P whitened: the same codes in coordinates in which mapped ones are a standard Gaussian; its origin is their mean.

    It is fitted at a generator's first use, and there raises GeneratorError if that has stylemaps.
    """

    name: str = "P_N"

    def code(self, ws: Ws, generator: Generator) -> Tensor:
        return pn_of(generator).to_pn(ws)

    def ws(self, code: Tensor, generator: Generator) -> Ws:
        return pn_of(generator).from_pn(code)


SPACES: tuple[Space, ...] = (WPlus(), W(), Z(), P(), PN())
