"""P_N, the space in which mapped codes are a standard Gaussian (Zhu et al. 2020, arXiv 2012.09036, section 3.2).

The last leaky ReLU of the mapping network is undone (P), and what is left is whitened along its principal axes (P_N).
"""

from dataclasses import dataclass

import torch
from torch.nn import functional

from wplus.core.errors import GeneratorError
from wplus.core.shapes import Axes, Axis, Ws
from wplus.models.generator import Generator
from wplus.models.ops import LEAKY_SLOPE

_FITTED: dict[tuple[str, torch.device], "PNSpace"] = {}  # by fingerprint: copies of a generator share theirs


@dataclass(frozen=True, eq=False)
class PNSpace:
    """The way from W to P_N and back; gradients pass both.

    Args:
        mean: of mapped codes in P, shape (w_dim,).
        components: principal axes in P, orthonormal, one a row, the strongest first: (w_dim, w_dim).
        scales: standard deviation along each, (w_dim,).

    Raises:
        ValueError: other shapes, or a scale that is not positive.
    """

    mean: Axis
    components: Axes
    scales: Axis

    def __post_init__(self) -> None:
        dims = len(self.mean)
        if self.components.shape != (dims, dims) or self.scales.shape != (dims,):
            shapes = tuple(tuple(item.shape) for item in (self.mean, self.components, self.scales))
            raise ValueError(f"mean, components and scales have shapes {shapes}")
        if not bool((self.scales > 0).all()):
            raise ValueError("a principal axis has no extent; fit on more codes")

    def to_pn(self, ws: Ws) -> Ws:
        """Rows of W+ in P_N, where those of mapped codes have mean 0 and variance 1 on every axis."""
        return (to_p(ws) - self.mean) @ self.components.T / self.scales

    def from_pn(self, v: Ws) -> Ws:
        """The rows of W+ that `to_pn` takes to `v`."""
        return from_p((v * self.scales) @ self.components + self.mean)


def to_p(ws: Ws) -> Ws:
    """Rows of W+ in P, where the last leaky ReLU of the mapping network is undone; its slope is StyleGAN's own, 0.2."""
    return functional.leaky_relu(ws, 1 / LEAKY_SLOPE)


def from_p(p: Ws) -> Ws:
    """The rows of W+ that `to_p` takes to `p`."""
    return functional.leaky_relu(p, LEAKY_SLOPE)


def pn_of(generator: Generator) -> PNSpace:
    """P_N of a generator on its device, fitted by `fit_pn` at the first call and kept for the process.

    Raises:
        GeneratorError: the generator's mapped codes are no single vectors of W.
    """
    key = generator.fingerprint, generator.device
    if key not in _FITTED:
        _FITTED[key] = fit_pn(generator)
    return _FITTED[key]


def fit_pn(generator: Generator, *, samples: int = 10_000) -> PNSpace:
    """P_N of a generator, from `samples` mapped codes of a fixed seed; the paper takes a million.

    With 10,000 codes of 256 dimensions the variance of new codes is 3 % too large, a tenth along the weakest axes.

    Raises:
        GeneratorError: the generator's mapped codes are no single vectors of W.
        ValueError: fewer samples than the codes have dimensions.
    """
    if generator.space != "W+":
        raise GeneratorError(f"{generator.name} maps to a {generator.space}; P_N is for generators with W")
    if samples <= generator.w_dim:
        raise ValueError(f"{samples} samples do not span {generator.w_dim} dimensions")
    p = functional.leaky_relu(generator.mapped(samples), 1 / LEAKY_SLOPE).double()
    variances, axes = torch.linalg.eigh(torch.cov(p.T))
    floor = variances.max() * 1e-12  # an axis that rounding alone moves
    scales = variances.flip(0).clamp(min=floor).sqrt()
    return PNSpace(p.mean(dim=0).float(), axes.T.flip(0).float(), scales.float())
