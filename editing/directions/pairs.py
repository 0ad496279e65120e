"""A direction from a few pairs of codes, before and after: the mean of what differs."""

import torch

from wplus.core.direction import Direction
from wplus.core.errors import DirectionError
from wplus.core.latent import Latent, check_same
from wplus.editing.directions.making import direction
from wplus.models import Generator


def pairs(generator: Generator, before: Latent, after: Latent, *, name: str, common: bool = False) -> Direction:
    """The mean difference of pairs; what differs in one pair alone, its background say, is averaged away.

    Args:
        generator: whose codes they are.
        before, after: the same people in the same order.
        name: of the direction.
        common: take one offset for all layers, the mean over them.

    Raises:
        LatentError: latents of different generators or shapes.
        DirectionError: different numbers of them, or no difference.
    """
    check_same((before, after))
    generator.check(before)
    if len(before) != len(after):
        raise DirectionError(f"{len(before)} codes before and {len(after)} after; give them in pairs")
    differences = (after.ws - before.ws).double().cpu()
    rows = differences.mean(dim=0)
    if common:
        rows = rows.mean(dim=0, keepdim=True).expand_as(rows)
    if not bool(rows.any()):
        raise DirectionError("the codes before and after are the same")
    agreement = torch.nn.functional.cosine_similarity(differences.flatten(1), rows.flatten()[None], dim=1)
    details = {"pairs": len(before), "agreement": round(float(agreement.mean()), 3)}
    return direction(
        rows, generator, name=name, method="pairs", unit="from before to after", measure="examples", details=details
    )
