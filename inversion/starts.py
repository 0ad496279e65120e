"""Where an inversion begins (Image2StyleGAN section 3.3)."""

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch

from wplus.core.errors import WeightsError
from wplus.core.latent import Latent
from wplus.core.shapes import Images, Ws
from wplus.models import EncoderNetwork, Generator, StyleMapEncoder, load_encoder


@runtime_checkable
class Start(Protocol):
    """A first guess."""

    @property
    def name(self) -> str:
        """Its name in a latent's origin."""

    def ws(self, generator: Generator, target: Images, *, seed: int) -> Ws:
        """W+ codes for the pictures `target`; each is what a picture alone would get."""


@dataclass(frozen=True)
class Mean:
    """The mean of 10,000 mapped codes, the paper's choice for faces."""

    samples: int = 10_000
    name: str = "mean"

    def ws(self, generator: Generator, target: Images, *, seed: int) -> Ws:
        return generator.mapped_mean(self.samples).expand(len(target), -1, -1).clone()


@dataclass(frozen=True)
class Random:
    """Every number uniform in [-1, 1], the paper's choice for other classes."""

    name: str = "random"

    def ws(self, generator: Generator, target: Images, *, seed: int) -> Ws:
        draws = torch.rand(generator.layers, generator.w_dim, generator=torch.Generator().manual_seed(seed))
        return (draws * 2 - 1).to(generator.device).expand(len(target), -1, -1).clone()


@dataclass(frozen=True)
class Given:
    """A latent found before."""

    latent: Latent
    name: str = "given"

    def ws(self, generator: Generator, target: Images, *, seed: int) -> Ws:
        """The latent's codes.

        Raises:
            LatentError: it belongs to another generator.
            ValueError: it holds neither one code nor as many as there are pictures.
        """
        generator.check(self.latent)
        if len(self.latent) not in (1, len(target)):
            raise ValueError(f"the starting latent holds {len(self.latent)} codes for {len(target)} pictures")
        return self.latent.ws.to(generator.device).expand(len(target), -1, -1).clone()


@dataclass(frozen=True)
class Encoder:
    """What an encoder says of each picture.

    Args:
        network: trained for this generator; by default the one that is part of it or ships with it.
    """

    network: EncoderNetwork | StyleMapEncoder | None = None
    name: str = "encoder"

    def ws(self, generator: Generator, target: Images, *, seed: int) -> Ws:
        """The encoder's codes.

        Raises:
            WeightsError: none ships for this generator, or `network` belongs to another.
        """
        network = (self.network or load_encoder(generator)).to(generator.device)
        with torch.no_grad():
            if not isinstance(network, EncoderNetwork):
                return network(target)
            if network.generator != generator.fingerprint:
                raise WeightsError(
                    f"the encoder belongs to generator {network.generator}, not to {generator.name}"
                    f" ({generator.fingerprint})"
                )
            return network.encode(target, generator)
