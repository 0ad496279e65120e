"""The mapping network f: Z -> W of StyleGAN2 and 3, with classes (Karras et al. 2020, "Training ... limited data")."""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from wplus.core.shapes import W, Z
from wplus.models.network import Labels
from wplus.models.ops import LEAKY_GAIN, Linear, leaky, normalise_second_moment

Activation = Literal["lrelu", "relu", "linear"]


@dataclass(frozen=True)
class MappingConfig:
    """Sizes of a mapping network.

    Args:
        z_dim, w_dim: dimensions of Z and W.
        depth: number of layers.
        labels: number of classes, 0 for none.
        rate: learning rate of the layers relative to the synthesis network's.
        width: of the hidden layers, None for w_dim.
        embedding: dimension of an embedded class, None for w_dim.
        activation: after every layer.
    """

    z_dim: int
    w_dim: int
    depth: int
    labels: int = 0
    rate: float = 0.01
    width: int | None = None
    embedding: int | None = None
    activation: Activation = "lrelu"

    @property
    def sizes(self) -> list[int]:
        """Dimension before the first layer and after each."""
        embedded = (self.embedding or self.w_dim) if self.labels else 0
        return [self.z_dim + embedded, *[self.width or self.w_dim] * (self.depth - 1), self.w_dim]


class MappingNetwork(nn.Module):
    """f: Z -> W, under StyleGAN2-ADA's names: `embed`, `fc0`, `fc1` ..., `w_avg`."""

    w_avg: Tensor

    def __init__(self, config: MappingConfig) -> None:
        super().__init__()
        self.config = config
        if config.labels:
            self.embed = Linear(config.labels, config.embedding or config.w_dim)
        for index, (inputs, outputs) in enumerate(zip(config.sizes, config.sizes[1:], strict=False)):
            self.add_module(f"fc{index}", Linear(inputs, outputs, rate=config.rate))
        self.register_buffer("w_avg", torch.zeros(config.w_dim))

    @property
    def stack(self) -> list[Linear]:
        """Its layers in order."""
        return [getattr(self, f"fc{index}") for index in range(self.config.depth)]

    def forward(self, z: Z, labels: Labels | None = None) -> W:
        if (labels is not None) != bool(self.config.labels):
            given = "without" if labels is None else "with"
            raise ValueError(f"called {given} labels, the network knows {self.config.labels} classes")
        x = normalise_second_moment(z)
        if labels is not None:
            x = torch.cat([x, normalise_second_moment(self.embed(labels))], dim=1)
        for layer in self.stack:
            x = _activated(layer(x), self.config.activation)
        return x


def _activated(x: Tensor, activation: Activation) -> Tensor:
    """An activation and the gain that keeps the variance."""
    if activation == "lrelu":
        return leaky(x)
    return functional.relu(x) * LEAKY_GAIN if activation == "relu" else x
