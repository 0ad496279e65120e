"""Linear algebra of a preconditioner: steps shrink in directions in which the loss is known to bend sharply."""

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from wplus.core.shapes import Features


class Trust(NamedTuple):
    """How far a matrix is believed, which is that of other pictures.

    Args:
        power: that it is taken to; its inverse (-1) would be exact for a picture of its own.
        damping: share of the mean of its diagonal that is added, for directions that were never measured.
    """

    power: float
    damping: float


@dataclass(frozen=True, eq=False)
class Preconditioner:
    """(H + damping)^power for a matrix H of low rank: steps shrink where the loss is sharp.

    Args:
        axes: eigenvectors of H, one a row, (rank, dims).
        gains: by how much less than `free` each is scaled, in [0, 1); (rank,).
        free: the scale of all other directions.
    """

    axes: Tensor
    gains: Tensor
    free: float

    def apply(self, gradient: Features) -> Features:
        """The preconditioned gradient, (batch, dims)."""
        along = (gradient @ self.axes.T) * self.gains
        return self.free * (gradient - along @ self.axes)


def from_factor(factor: Tensor, trust: Trust) -> Preconditioner:
    """The preconditioner of H = F^T F, from F (rank, ...)."""
    values, axes = principal(factor.flatten(1))
    damping = trust.damping * values.sum() / axes.shape[1]
    return Preconditioner(axes, 1 - (1 + values / damping) ** trust.power, float(damping**trust.power))


def principal(rows: Features) -> tuple[Tensor, Tensor]:
    """Eigenvalues of F^T F that are not 0, the largest last, and their eigenvectors, one a row.

    By way of F F^T, which is smaller: quicker than a singular value decomposition.
    """
    exact = rows.cpu().double()
    values, mixed = torch.linalg.eigh(exact @ exact.T)
    there = values > 1e-12 * values[-1]
    axes = (mixed.T @ exact)[there] / values[there, None].sqrt()
    return values[there].to(rows), axes.to(rows)
