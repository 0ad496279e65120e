"""How sharply the loss bends along each direction of a generator's codes: measured once, kept beside other files.

The Gauss-Newton matrix E[J^T J] of Image2StyleGAN's objective, J being the features' derivative by the code, follows
from random vector-Jacobian products at sampled codes. A descent that is told of it needs about half of the steps
(`benchmarks/quality_over_time.py`).
"""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from wplus.core.errors import OutputError, WeightsError
from wplus.core.files import cache_folder
from wplus.core.shapes import Features, Images, Ws
from wplus.core.tensorfile import fingerprint, read_tensors, write_tensors
from wplus.inversion.objectives import Objective, Perceptual
from wplus.inversion.spaces import Space, W, WPlus
from wplus.models import VGG, Generator
from wplus.models.entries import WEIGHTS

Factor = Float[Tensor, "rank layers w_dim"]
"""F, of the matrix F^T F."""

PSI = 0.7
"""Truncation of the codes it is measured at: those of plausible pictures."""

SEED = 0

AXES = 512
"""Of a matrix measured in more directions those of its eigenvectors are kept along which it is largest."""


class Trust(NamedTuple):
    """How far a matrix is believed, which is that of other pictures.

    Args:
        power: that it is taken to; its inverse (-1) would be exact for a picture of its own.
        damping: share of the mean of its diagonal that is added, for directions that were never measured.
    """

    power: float
    damping: float


SPARSE, DENSE, PENALISED = Trust(-0.5, 1.0), Trust(-0.65, 0.1), Trust(-0.8, 1.0)
"""Where fewer than `AXES` directions were measured; where as many or more; and where as many, but penalties bend the
loss in directions in which pictures do not change."""

Watch = Callable[[int, int], None]
"""Is told how many random directions are done, of how many."""


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


def preconditioner_for(
    generator: Generator, objective: Objective, space: Space, directions: int
) -> Preconditioner | None:
    """The preconditioner of a descent in W+ or W; None in other spaces, for stylemaps, and for no directions."""
    factor = factor_for(generator, objective, space, directions)
    if factor is None:
        return None
    trust = SPARSE if len(factor) < AXES else PENALISED if objective.penalties else DENSE
    return from_factor(factor if isinstance(space, WPlus) else factor.sum(dim=1, keepdim=True), trust)


def factor_for(
    generator: Generator,
    objective: Objective,
    space: Space,
    directions: int,
    *,
    watch: Watch = lambda done, total: None,
) -> Factor | None:
    """F of that preconditioner's H: what ships with the generator, or was measured before, else measured and kept.

    Args:
        directions: random ones to measure in; what ships was measured in 8192.
        watch: sees how far measuring is, which takes as long as that many steps.
    """
    if directions == 0 or not isinstance(space, WPlus | W) or generator.space != "W+":
        return None
    networks = [term.network for term in objective.terms if isinstance(term, Perceptual)]
    network = networks[0] if networks else None
    told = "pixels" if network is None else fingerprint(network.state_dict())
    key = f"{generator.fingerprint}-{told}"
    own = cache_folder() / "preconditioners" / f"{key}-{directions}.safetensors"
    for path in (WEIGHTS / f"{generator.name}-preconditioner.safetensors", own):
        try:
            tensors, header = read_tensors(path, error=WeightsError, expected="a preconditioner")
            if header.get("key") == key:
                return tensors["factor"].float().to(generator.device)
        except (WeightsError, KeyError):
            continue  # not there, or damaged: measured again
    factor = condensed(measure(generator, network, directions, watch=watch)).half()  # rounded as if read from the file
    with suppress(OutputError):  # a cache that cannot be written costs time, not the result
        write_tensors(own, {"factor": factor}, {"kind": "preconditioner", "key": key})
    return factor.float()


def from_factor(factor: Factor, trust: Trust) -> Preconditioner:
    """The preconditioner of H = F^T F."""
    values, axes = _principal(factor.flatten(1))
    damping = trust.damping * values.sum() / axes.shape[1]
    return Preconditioner(axes, 1 - (1 + values / damping) ** trust.power, float(damping**trust.power))


def condensed(factor: Factor) -> Tensor:
    """A factor (rank, layers, w_dim) of `AXES` rows at most, whose product is as near as such a one can be."""
    if len(factor) <= AXES:
        return factor
    values, axes = _principal(factor.flatten(1))
    return (values.sqrt()[:, None] * axes)[-AXES:].unflatten(1, factor.shape[1:])


def _principal(rows: Features) -> tuple[Tensor, Tensor]:
    """Eigenvalues of F^T F that are not 0, the largest last, and their eigenvectors, one a row.

    By way of F F^T, which is smaller: quicker than a singular value decomposition.
    """
    exact = rows.cpu().double()
    values, mixed = torch.linalg.eigh(exact @ exact.T)
    there = values > 1e-12 * values[-1]
    axes = (mixed.T @ exact)[there] / values[there, None].sqrt()
    return values[there].to(rows), axes.to(rows)


def measure(
    generator: Generator, network: VGG | None, directions: int, *, watch: Watch = lambda done, total: None
) -> Factor:
    """F of the Gauss-Newton matrix of pixels and, if there is a network, of its features, from fixed draws."""
    together = 8 if generator.resolution <= 128 else 1
    draw = torch.Generator().manual_seed(SEED)
    objective = Perceptual(network) if network is not None else None
    products: list[Ws] = []
    for first in range(0, directions, together):
        z = torch.randn(min(together, directions - first), generator.z_dim, generator=draw)
        with torch.no_grad():
            codes = generator.map(z.to(generator.device), PSI)
        codes = codes.clone().requires_grad_(True)
        residuals = _residuals(generator(codes), objective)
        probe = torch.randn(residuals.shape, generator=draw).to(residuals)
        products.append(torch.autograd.grad((probe * residuals).sum(), codes)[0])
        watch(first + len(codes), directions)
    return torch.cat(products) * (2 / directions) ** 0.5


def _residuals(images: Images, perceptual: Perceptual | None) -> Features:
    """Numbers whose squares sum to the objective at a target of zeros."""
    parts = [images]
    if perceptual is not None:
        parts += perceptual.network(images, perceptual.taps, after_relu=perceptual.after_relu).values()
    return torch.cat([part.flatten(1) / part[0].numel() ** 0.5 for part in parts], dim=1)
