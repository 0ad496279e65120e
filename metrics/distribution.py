"""How far two sets of pictures are apart, and how varied one is, in the features of a named network."""

from dataclasses import dataclass

import numpy as np
import torch
from scipy import linalg

from wplus.core.shapes import Features


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
