"""Codes in W of faces, and a memory of the last ones: what mixes are made of, and whose Gaussian is sampled."""

import torch
from torch import Tensor, nn

from wplus.core.shapes import Images, W
from wplus.models.encoder import EncoderNetwork
from wplus.models.stylegan2 import StyleGAN2
from wplus.training.precision import quick

REMEMBERED = 1_024
"""Codes that are kept: older ones are of an encoder that has moved on, and their Gaussian is no longer the codes'."""


class Memory(nn.Module):
    """A ring of codes.

    Args:
        w_dim: length of a code.
    """

    ring: Tensor
    place: Tensor

    def __init__(self, w_dim: int) -> None:
        super().__init__()
        self.register_buffer("ring", torch.zeros(REMEMBERED, w_dim))
        self.register_buffer("place", torch.zeros((), dtype=torch.long))

    @torch.no_grad()
    def fill(self, codes: W) -> None:
        """Begin with these, repeated if they are few."""
        self.ring.copy_(codes.repeat(-(-REMEMBERED // len(codes)), 1)[:REMEMBERED])

    @torch.no_grad()
    def add(self, codes: W) -> None:
        """Take these for the oldest ones."""
        self.ring[(torch.arange(len(codes), device=codes.device) + self.place) % REMEMBERED] = codes.detach()
        self.place += len(codes)

    def mixes(self, count: int, draws: torch.Generator) -> W:
        """Points between two codes, up to half of the way."""
        pairs = torch.randint(REMEMBERED, (2, count), generator=draws).to(self.ring.device)
        weights = torch.rand(count, 1, generator=draws).to(self.ring.device) / 2
        return self.ring[pairs[0]].lerp(self.ring[pairs[1]], weights)

    def samples(self, count: int, draws: torch.Generator, *, psi: float = 1.0) -> W:
        """Draws of the Gaussian with the codes' mean and covariance, as random sums of their deviations."""
        weights = torch.randn(count, REMEMBERED, generator=draws).to(self.ring.device) / REMEMBERED**0.5
        mean = self.ring.mean(dim=0)
        return mean + psi * weights @ (self.ring - mean)


def encoded(images: Images, encoder: EncoderNetwork, generator: StyleGAN2) -> W:
    """What an encoder's first look says of pictures, without offsets of rows."""
    layers = encoder.config.layers
    nothing = images.new_zeros(len(images), layers, encoder.config.w_dim)
    with torch.no_grad():
        mean_picture = generator.synthesis(encoder.mean.expand(1, layers, -1), noise="none")
        mean_pictures = mean_picture.expand(len(images), -1, -1, -1)
    with quick(images.device.type):
        base, _ = encoder(images, encoder.mean.expand(len(images), -1), nothing, lambda _: mean_pictures)
    return base
