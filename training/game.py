"""The game of generator and discriminator: the relativistic loss, its penalties, and a margin kept in bounds.

The discriminator compares a real picture with a fake one (Jolicoeur-Martineau 2018), its slopes on both are penalised
(Huang et al. 2024, "The GAN is dead; long live the GAN!", section 3).
"""

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.optim import Optimizer

from wplus.core.shapes import Images
from wplus.training.networks import Discriminator

LOWEST, HIGHEST = 0.4, 1.6
"""Bounds of the margin: below, noise leads the generator; above, grain does."""

LOST = 0.1
"""A margin at which the discriminator tells nothing."""

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


def judge(
    discriminator: Discriminator,
    optimiser: Optimizer,
    real: Images,
    fake: Images,
    *,
    rate: float,
    penalty: float,
) -> tuple[Tensor, Tensor]:
    """One step of the discriminator; the logits of `real` before it, and the margin between the two.

    Args:
        discriminator, optimiser: the one that learns, and how.
        real, fake: as many of each, compared in pairs; the gradient of neither is wanted.
        rate: learning rate.
        penalty: weight of R1 and R2 in this step; 0 where it has none.
    """
    logits = [discriminator(images) for images in (real, fake)]  # apart: each batch has its own spread
    apart = logits[0] - logits[1]
    loss = functional.softplus(-apart).mean()
    if penalty:
        some = [images[::2].detach().requires_grad_(True) for images in (real, fake)]
        told = torch.stack([discriminator(images).sum() for images in some]).sum()
        slopes = torch.autograd.grad(told, some, create_graph=True)
        loss = loss + penalty / 2 * sum(slope.square().sum(dim=(1, 2, 3)).mean() for slope in slopes)
    optimiser.param_groups[0]["lr"] = rate
    optimiser.zero_grad()
    loss.backward()
    optimiser.step()
    return logits[0].detach(), apart.mean().detach()


def fooled(discriminator: Discriminator, real_logits: Tensor, fake: Images) -> Tensor:
    """The generator's loss; its gradient goes to `fake`."""
    return functional.softplus(real_logits - discriminator(fake)).mean()
