"""How sharply the loss bends along each direction of a generator's codes: measured once, kept beside other files.

The Gauss-Newton matrix E[J^T J] of Image2StyleGAN's objective, J being the features' derivative by the code, follows
from random vector-Jacobian products at sampled codes. A descent that is told of it needs about half of the steps
(`benchmarks/quality_over_time.py`).
"""

from contextlib import suppress

import torch
from jaxtyping import Float
from torch import Tensor

from wplus.core.errors import OutputError, WeightsError
from wplus.core.files import cache_folder
from wplus.core.knobs import OnProgress
from wplus.core.shapes import Features, Images, Ws
from wplus.core.tensorfile import fingerprint, read_tensors, write_tensors
from wplus.inversion.spaces import Space, W, WPlus
from wplus.models import VGG, Generator
from wplus.models.entries import WEIGHTS
from wplus.optimisation.losses.perceptual import Perceptual
from wplus.optimisation.methods.quasi_newton import DIRECTIONS
from wplus.optimisation.objective import Objective
from wplus.optimisation.preconditioner import Preconditioner, Trust, from_factor, principal

Factor = Float[Tensor, "rank layers w_dim"]
"""F, of the matrix F^T F."""

PSI = 0.7
"""Truncation of the codes it is measured at: those of plausible pictures."""

SEED = 0

AXES = 512
"""Of a matrix measured in more directions those of its eigenvectors are kept along which it is largest."""


SPARSE, DENSE, PENALISED = Trust(-0.5, 1.0), Trust(-0.65, 0.1), Trust(-0.8, 1.0)
"""Where fewer than `AXES` directions were measured; where as many or more; and where as many, but penalties bend the
loss in directions in which pictures do not change."""


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
    watch: OnProgress = lambda done, total: None,
) -> Factor | None:
    """F of that preconditioner's H: what ships with the generator, or was measured before, else measured and kept.

    Args:
        directions: random ones to measure in; what ships was measured in 8192, and is taken for the default number.
        watch: sees how far measuring is, which takes as long as that many steps.
    """
    if directions == 0 or not isinstance(space, WPlus | W) or generator.space != "W+":
        return None
    networks = [term.network for term in objective.terms if isinstance(term, Perceptual)]
    network = networks[0] if networks else None
    told = "pixels" if network is None else fingerprint(network.state_dict())
    key = f"{generator.fingerprint}-{told}"
    own = cache_folder() / "preconditioners" / f"{key}-{directions}.safetensors"
    shipped = [WEIGHTS / f"{generator.name}-preconditioner.safetensors"] if directions == DIRECTIONS else []
    for path in (*shipped, own):
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


def condensed(factor: Factor) -> Tensor:
    """A factor (rank, layers, w_dim) of `AXES` rows at most, whose product is as near as such a one can be."""
    if len(factor) <= AXES:
        return factor
    values, axes = principal(factor.flatten(1))
    return (values.sqrt()[:, None] * axes)[-AXES:].unflatten(1, factor.shape[1:])


def measure(
    generator: Generator, network: VGG | None, directions: int, *, watch: OnProgress = lambda done, total: None
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
