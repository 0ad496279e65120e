"""The game of generator and discriminator: the relativistic loss, its penalties, and a margin kept in bounds.

The discriminator compares a real picture with a fake one (Jolicoeur-Martineau 2018), its slopes on both are penalised
(Huang et al. 2024, "The GAN is dead; long live the GAN!", section 3).
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from wplus.core.shapes import Images
from wplus.training.features import FrozenFeatures
from wplus.training.networks import Discriminator

LOWEST, HIGHEST = 0.4, 1.6
"""Bounds of the margin: below, noise leads the generator; above, grain does."""

LOST = 0.1
"""A margin at which the discriminator tells nothing."""

WORSE = 1.5
"""A held-out error so many times the lowest of the adversarial stage stops the run."""

SLOWEST = 0.1
"""The smallest share of its rate that the generator is slowed down to."""


class Margin(nn.Module):
    """E[D(real) - D(fake)], the penalty that keeps it in bounds, and the generator's pace, the last resort.

    Args:
        penalty: the weight of R1 and R2 to begin with.
    """

    value: Tensor
    penalty: Tensor
    pace: Tensor

    def __init__(self, penalty: float) -> None:
        super().__init__()
        self.register_buffer("value", torch.tensor(0.5 * (LOWEST + HIGHEST)))
        self.register_buffer("penalty", torch.tensor(penalty))
        self.register_buffer("pace", torch.tensor(1.0))

    @property
    def lost(self) -> bool:
        """Whether the discriminator tells nothing although the generator waits for it."""
        return bool(self.value < LOST) and bool(self.pace <= SLOWEST)

    def follow(self, margin: Tensor) -> None:
        """Average the margin of another batch; too wide a one raises the penalty, too narrow a one lowers it."""
        self.value.lerp_(margin, 0.03)
        if self.value > HIGHEST:
            self.penalty.mul_(1.01)
        elif self.value < LOWEST:
            self.penalty.div_(1.01)
        self.pace.mul_(0.98 if self.value < LOWEST / 2 else 1.02).clamp_(SLOWEST, 1)


class StopRule(nn.Module):
    """The lowest held-out error so far, and when it makes no sense to go on."""

    best: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("best", torch.tensor(float("inf")))

    def objection(self, error: float, margin: Margin) -> str | None:
        """Why a run should stop that reconstructs with this error, or None."""
        self.best.fill_(min(float(self.best), error))
        if error > WORSE * float(self.best):
            return f"the held-out error {error:.3g} is {WORSE} times what it was: lower --adversary"
        if margin.lost:
            return "the discriminator no longer tells real from made: lower --generator-rate"
        return None


class Judged(NamedTuple):
    """Pictures with their levels of frozen features."""

    images: Images
    levels: list[Tensor]

    def detach(self) -> "Judged":
        """The same without a gradient."""
        return Judged(self.images.detach(), [level.detach() for level in self.levels])


class Judge(nn.Module):
    """A discriminator that learns, with the frozen features that it is shown and its margin.

    Args:
        discriminator, features: the networks.
        penalty: weight of R1 and R2 to begin with.
    """

    def __init__(self, discriminator: Discriminator, features: FrozenFeatures, *, penalty: float) -> None:
        super().__init__()
        self.discriminator, self.margin = discriminator, Margin(penalty)
        self._features = features

    def forward(self, shown: Judged) -> Tensor:
        """Logits, (batch,)."""
        return self.discriminator(shown.images, self._features.standard(shown.levels))

    def losses(self, real: Judged, fake: Judged, *, lazy: int) -> tuple[Tensor, Tensor, Tensor]:
        """The discriminator's loss, the logits of `real`, and the mean margin; of neither is a gradient wanted.

        Args:
            real, fake: as many of each, compared in pairs.
            lazy: how many steps' penalty is due in this one; 0 for none.
        """
        logits = self(real)
        apart = logits - self(fake.detach())
        loss = functional.softplus(-apart).mean()
        if lazy:
            some = [shown.images[::2].detach().requires_grad_(True) for shown in (real, fake)]
            told = torch.stack([self(Judged(images, self._features(images))).sum() for images in some]).sum()
            slopes = torch.autograd.grad(told, some, create_graph=True)
            size = torch.stack([slope.square().sum(dim=(1, 2, 3)).mean() for slope in slopes]).sum()
            loss = loss + lazy * self.margin.penalty.clone() / 2 * size
        return loss, logits.detach(), apart.mean().detach()

    def fooled(self, real_logits: Tensor, fake: Judged) -> Tensor:
        """The generator's loss; its gradient goes to `fake`."""
        return functional.softplus(real_logits - self(fake)).mean()
