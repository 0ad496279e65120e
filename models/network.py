"""What a generator needs of an architecture, whichever it is: sizes, a mapping network and a synthesis network."""

from collections.abc import Iterator
from typing import Any, Literal, Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor

from wplus.core.shapes import W, Ws, Z

NoiseMode = Literal["const", "none", "random"]
"""The maps that the network was saved with, no noise, or a fresh draw."""

Noise = NoiseMode | tuple[Tensor, ...]
"""A mode, or one map (batch, 1, height, width) a noisy layer."""

Labels = Float[Tensor, "batch classes"]
"""Classes, one-hot."""

Rendered = Float[Tensor, "batch colours height width"]
"""Pictures of as many colours as the network was trained on, nominally in [-1, 1]."""


@runtime_checkable
class Config(Protocol):
    """The sizes of a network; a frozen dataclass of numbers and tuples of them."""

    @property
    def title(self) -> str:
        """The architecture as people call it."""

    @property
    def resolution(self) -> int:
        """Side of the picture in pixels."""

    @property
    def space(self) -> Literal["W+", "stylemap"]:
        """What a row of a code stands for: a layer (W+) or a cell (stylemap)."""

    @property
    def layers(self) -> int:
        """Rows of a code."""

    @property
    def z_dim(self) -> int:
        """Length of a Gaussian code."""

    @property
    def w_dim(self) -> int:
        """Length of a row."""

    @property
    def labels(self) -> int:
        """Number of classes, 0 if it knows none."""

    @property
    def colours(self) -> int:
        """Channels of the picture: 1 grey, 3 RGB, 4 RGB and opacity."""

    @property
    def channels(self) -> tuple[int, ...]:
        """Width of the synthesis network from coarse to fine."""


@runtime_checkable
class Mapping(Protocol):
    """f: Z -> W, or Z -> stylemaps."""

    @property
    def w_avg(self) -> Tensor:
        """The mean code, shape (w_dim,), or (layers, w_dim) where the rows of a mapped code differ."""

    def __call__(self, z: Z, labels: Labels | None = None) -> W | Ws:
        """Map Gaussian codes, and classes where there are some: to one vector for all rows, or to all rows."""


@runtime_checkable
class Synthesis(Protocol):
    """g: codes -> pictures."""

    @property
    def noise_shapes(self) -> list[tuple[int, int]]:
        """Height and width of every noise map, in the order of the layers."""

    def __call__(self, ws: Ws, *, noise: Noise = "const", dtype: torch.dtype | None = None) -> Rendered:
        """Render codes.

        Args:
            ws: shape (batch, layers, w_dim).
            noise: a mode, or the maps; an architecture without noise takes any mode and no maps.
            dtype: precision of the convolutions. None: the network's own, which is fp32 on the CPU, and on a GPU
                fp16 at the resolutions that were trained so.
        """


@runtime_checkable
class Network(Protocol):
    """Mapping and synthesis, a torch module."""

    @property
    def config(self) -> Config:
        """Its sizes."""

    @property
    def mapping(self) -> Mapping:
        """f: Z -> W."""

    @property
    def synthesis(self) -> Synthesis:
        """g: W+ -> pictures."""

    def parameters(self) -> Iterator[Any]:
        """As of any torch module."""

    def state_dict(self) -> dict[str, Any]:
        """As of any torch module."""
