"""A critic that needs no training: how samples change the Frechet distance to real pictures.

The distance between two Gaussians has a gradient in closed form for the moments of the made-up pictures
(Mathiasen & Hvilshoj 2020, "Backpropagating through Frechet Inception Distance"). With those moments averaged over
many batches, each sample can be told how to move them: towards real colours, textures and variety, all at once.
"""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from wplus.core.shapes import Features, Images

THUMBNAIL = 4
"""Side in px of the thumbnail whose colours join the features."""

RENEWED = 32
"""Batches between two computations of the gradient."""


class FrechetCritic(nn.Module):
    """Moments of real and of made-up pictures, and the slope of the distance between them.

    Args:
        real: features of real pictures, many more than there are features.
        decay: of the averages over made-up batches.
    """

    scale: Tensor
    mean: Tensor
    root: Tensor
    made_mean: Tensor
    made_square: Tensor
    linear: Tensor
    quadratic: Tensor
    batches: Tensor
    distance: Tensor

    def __init__(self, real: Features, *, decay: float = 0.995) -> None:
        super().__init__()
        self.decay = decay
        scale = real.std(dim=0) + 1e-3
        dims = len(scale)
        self.register_buffer("scale", scale)
        self.register_buffer("mean", real.mean(dim=0) / scale)
        self.register_buffer("root", _root(self._regular(torch.cov((real / scale).T))))
        self.register_buffer("made_mean", torch.zeros(dims, device=real.device))
        self.register_buffer("made_square", torch.zeros(dims, dims, device=real.device))
        self.register_buffer("linear", torch.zeros(dims, device=real.device))
        self.register_buffer("quadratic", torch.zeros(dims, dims, device=real.device))
        self.register_buffer("distance", torch.zeros((), device=real.device))
        self.register_buffer("batches", torch.zeros((), dtype=torch.long, device=real.device))

    @property
    def certainty(self) -> float:
        """How far the averages can be trusted, from 0 at first to 1."""
        return min(1.0, int(self.batches) * (1 - self.decay) / 2)

    @torch.no_grad()
    def begin(self, made: Features) -> None:
        """Take the moments of many made-up pictures for the averages so far, which are then certain."""
        x = made / self.scale
        self.made_mean.copy_(x.mean(dim=0))
        self.made_square.copy_(x.T @ x / len(x))
        self.batches.fill_(RENEWED * math.ceil(2 / (1 - self.decay) / RENEWED))

    def forward(self, features: Features) -> Tensor:
        """A number whose gradient is that of the distance; follows the moments of what it is shown."""
        x = features / self.scale
        self._follow(x.detach())
        centred = x - self.made_mean
        return (x @ self.linear).mean() + ((centred @ self.quadratic) * centred).sum(dim=1).mean()

    @torch.no_grad()
    def _follow(self, x: Features) -> None:
        """Average the moments over batches; now and then renew the slope."""
        decay = min(self.decay, 1 - 1 / (int(self.batches) + 1))
        self.made_mean.lerp_(x.mean(dim=0), 1 - decay)
        self.made_square.lerp_(x.T @ x / len(x), 1 - decay)
        if int(self.batches) % RENEWED == 0:
            made = self._regular(self.made_square - torch.outer(self.made_mean, self.made_mean))
            inner = self.root @ made @ self.root
            values, vectors = torch.linalg.eigh(inner)
            inverse = (vectors / values.clamp(min=1e-4).sqrt()) @ vectors.T
            apart = (self.made_mean - self.mean).square().sum() + made.trace() + self.root.square().sum()
            self.distance.copy_(apart - 2 * values.clamp(min=0).sqrt().sum())
            self.linear.copy_(2 * (self.made_mean - self.mean))
            self.quadratic.copy_(torch.eye(len(x.T), device=x.device) - self.root @ inverse @ self.root)
        self.batches += 1

    def _regular(self, covariance: Tensor) -> Tensor:
        """With a tenth of a feature's variance added: directions that few batches tell apart do not blow up."""
        return covariance + 0.1 * torch.eye(len(covariance), device=covariance.device)


class MeanCritic(nn.Module):
    """How samples change the distance between the means of features, the first half of the Frechet distance.

    Args:
        real: features of real pictures.
        decay: of the average over made-up batches.
    """

    def __init__(self, real: Features, *, decay: float) -> None:
        super().__init__()
        self.scale, self.decay = real.std(dim=0) + 1e-3, decay
        self.mean = real.mean(dim=0) / self.scale
        self.register_buffer("made_mean", torch.zeros_like(self.mean))
        self.made_mean: Tensor

    @property
    def distance(self) -> Tensor:
        """Squared, in units of the real ones' standard deviations."""
        return (self.made_mean - self.mean).square().sum()

    @torch.no_grad()
    def begin(self, made: Features) -> None:
        """Take the mean of many made-up pictures for the average so far."""
        self.made_mean.copy_((made / self.scale).mean(dim=0))

    def forward(self, features: Features) -> Tensor:
        """A number whose gradient is that of the distance; follows the mean of what it is shown."""
        mean = (features / self.scale).mean(dim=0)
        self.made_mean.lerp_(mean.detach(), 1 - self.decay)
        return 2 * (self.made_mean - self.mean) @ mean


def summary(images: Images, levels: list[Tensor], *, textured: int = 0) -> Features:
    """What the distance is taken of: every level's means over the picture, and a thumbnail's colours.

    Args:
        images: the pictures.
        levels: their features.
        textured: the first so many levels tell their standard deviations over the picture too.
    """
    means = [level.float().mean(dim=(2, 3)) for level in levels]
    spreads = [(x.float().var(dim=(2, 3), correction=0) + 1e-4).sqrt() for x in levels[:textured]]
    return torch.cat([*means, functional.adaptive_avg_pool2d(images, THUMBNAIL).flatten(1), *spreads], dim=1)


def _root(matrix: Tensor) -> Tensor:
    values, vectors = torch.linalg.eigh(matrix)
    return (vectors * values.clamp(min=0).sqrt()) @ vectors.T
