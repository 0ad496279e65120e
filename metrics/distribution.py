"""How far two sets of pictures are apart, and how varied one is, in the features of a named network."""

from dataclasses import dataclass

import numpy as np
import torch
from scipy import linalg
from torch import Tensor

from wplus.core.shapes import Features, OtherFeatures


@dataclass(frozen=True)
class Moments:
    """Mean (dims,) and covariance (dims, dims) of features, in double precision, and how many there were."""

    mean: np.ndarray
    covariance: np.ndarray
    count: int

    @property
    def variance(self) -> float:
        """Total variance: the sum over features."""
        return float(np.trace(self.covariance))


def moments(features: Features) -> Moments:
    """Mean and covariance of features.

    Raises:
        ValueError: fewer than two rows.
    """
    if len(features) < 2:
        raise ValueError(f"{len(features)} rows have no covariance")
    values = features.double().cpu()
    return Moments(values.mean(dim=0).numpy(), torch.cov(values.T).numpy(), len(values))


def frechet_distance(a: Moments, b: Moments) -> float:
    """|mean difference|^2 + Tr(A + B - 2 (A B)^(1/2)), the squared Frechet distance of two Gaussians.

    In the features of Inception this is FID (Heusel et al. 2017, equation 6). It is biased upward for small sets:
    compare only figures of equal counts, and name the network.
    """
    # (A B)^(1/2) has the trace of (A^(1/2) B A^(1/2))^(1/2), which is symmetric and so needs no complex root
    values, vectors = linalg.eigh(a.covariance)
    root = (vectors * np.sqrt(values.clip(min=0))) @ vectors.T
    cross = np.sqrt(linalg.eigvalsh(root @ b.covariance @ root).clip(min=0)).sum()
    difference = a.mean - b.mean
    return float(max(difference @ difference + a.variance + b.variance - 2 * cross, 0.0))


def kernel_distance(
    a: Features, b: OtherFeatures, *, subsets: int = 100, size: int = 1_000, seed: int = 0
) -> tuple[float, float]:
    """Squared maximum mean discrepancy of the cubic kernel (x y / dims + 1)^3, unbiased: it may fall below 0.

    In the features of Inception this is KID (Binkowski et al. 2018, arXiv 1801.01401, section 4). It is the mean over
    random subsets of `size` pictures of either set, or of as many as the smaller set has.

    Returns:
        The mean, and the standard deviation between subsets (0 if there is but one).

    Raises:
        ValueError: fewer than two rows, or no subsets.
    """
    size = min(size, len(a), len(b))
    if size < 2 or subsets < 1:
        raise ValueError(f"{len(a)} and {len(b)} rows in {subsets} subsets of {size} have no kernel distance")
    x, y = a.double().cpu(), b.double().cpu()
    if len(x) == len(y) == size:
        subsets = 1  # there is no other
    draw = torch.Generator().manual_seed(seed)
    found = torch.stack(
        [
            _discrepancy(
                x[torch.randperm(len(x), generator=draw)[:size]], y[torch.randperm(len(y), generator=draw)[:size]]
            )
            for _ in range(subsets)
        ]
    )
    return float(found.mean()), float(found.std(correction=0))


def _discrepancy(x: Tensor, y: Tensor) -> Tensor:
    """The unbiased estimate of two sets of one size: no feature is compared with itself."""
    count, dims = x.shape
    within = [(z @ z.T / dims + 1) ** 3 for z in (x, y)]
    between = (x @ y.T / dims + 1) ** 3
    apart = sum((kernel.sum() - kernel.diagonal().sum()) / (count * (count - 1)) for kernel in within)
    return apart - 2 * between.mean()
