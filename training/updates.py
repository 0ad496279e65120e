"""What a step of a run ends with: slopes are balanced, optimisers go down, averages follow."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn
from torch.optim import Optimizer


class Balance(nn.Module):
    """Adds slopes of losses on different scales, so that each has a chosen share of the first one's running norm.

    Args:
        count: how many slopes there are.
    """

    norms: Tensor

    def __init__(self, count: int) -> None:
        super().__init__()
        self.register_buffer("norms", torch.zeros(count))

    def forward(self, slopes: Sequence[Tensor], shares: Sequence[float]) -> Tensor:
        """The sum, with slope i at `shares[i]` of the first one's norm."""
        norms = torch.stack([slope.norm() for slope in slopes])
        self.norms = torch.where(self.norms > 0, self.norms.lerp(norms, 0.01), norms)
        largest = torch.maximum(self.norms, norms) / self.norms[0]  # no critic may run away with the generator
        return torch.stack(
            [slope * share / norm for slope, share, norm in zip(slopes, shares, largest, strict=True)]
        ).sum(dim=0)


def descend(loss: Tensor, optimisers: Mapping[str, Optimizer], rates: Mapping[str, float]) -> None:
    """One step of the optimisers that `rates` names, at the learning rates that it gives."""
    for name, rate in rates.items():
        optimisers[name].param_groups[0]["lr"] = rate
        optimisers[name].zero_grad()
    loss.backward()
    for name in rates:
        optimisers[name].step()


@torch.no_grad()
def follow(average: nn.Module, network: nn.Module, *, seen: int, batch: int, half_life: int) -> None:
    """Draw an average towards the weights, with a half-life in pictures that is short while little has been seen."""
    decay = 0.5 ** (batch / min(half_life, max(seen * 0.05, 1)))
    for new, old in zip(network.parameters(), average.parameters(), strict=True):
        old.lerp_(new, 1 - decay)
