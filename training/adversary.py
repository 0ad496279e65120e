"""The game of generator and discriminator: one step of the latter, and what it then says."""

from collections.abc import Mapping

import torch
from torch import Tensor
from torch.optim import Optimizer

from wplus.core.shapes import Images
from wplus.training.augment import augmented
from wplus.training.features import FrozenFeatures
from wplus.training.networks import Heads
from wplus.training.updates import descend


def contest(
    features: FrozenFeatures,
    discriminator: Heads,
    fake: Images,
    real: Images,
    optimisers: Mapping[str, Optimizer],
    rate: float,
) -> tuple[Tensor, Tensor]:
    """Teach the discriminator to tell `fake` from `real`, both augmented; its loss, and then the generator's.

    The gradient of the latter goes to `fake`. Of the optimisers that of "discriminator" takes a step.
    """
    seen, other = augmented(fake), augmented(real)
    levels = features(seen)
    with torch.no_grad():
        theirs = features(other)
    reals = features.judge(discriminator, other, theirs)
    fakes = features.judge(discriminator, seen.detach(), [x.detach() for x in levels])
    told = hinge(reals, fakes)
    descend(told, optimisers, {"discriminator": rate})
    return told, fooled(features.judge(discriminator, seen, levels))


def hinge(reals: list[Tensor], fakes: list[Tensor]) -> Tensor:
    """The discriminator's loss, averaged over heads (Lim & Ye 2017)."""
    return torch.stack(
        [(1 - r).relu().mean() + (1 + f).relu().mean() for r, f in zip(reals, fakes, strict=True)]
    ).mean()


def fooled(fakes: list[Tensor]) -> Tensor:
    """The generator's loss, averaged over heads."""
    return -torch.stack([logits.mean() for logits in fakes]).mean()
