"""What a step of a run ends with: slopes are balanced, optimisers go down, averages follow."""

import math
from collections.abc import Iterable, Mapping, Sequence

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

COLOURS = 3
"""Of a picture; weights that read or write no more channels are no matrices to `Muon`."""


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


class Muon(Optimizer):
    """Momentum whose matrices are made orthogonal, so that every direction of a layer learns at one pace (Jordan 2024).

    The learning rate is the largest that a step adds to the length of a unit input. Convolutions are matrices of
    outputs by all that an output sums over.

    Args:
        parameters: weights of two dimensions or more.
        lr: learning rate.
        momentum: of the gradient, in Nesterov's form.
        equalised: whether the layers divide their weights by the root of what an output sums over (Karras et al. 2018).
    """

    def __init__(
        self, parameters: Iterable[nn.Parameter], lr: float = 1e-3, *, momentum: float = 0.95, equalised: bool = True
    ) -> None:
        super().__init__(parameters, {"lr": lr, "momentum": momentum, "equalised": equalised})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """Move every weight that has a gradient."""
        for group in self.param_groups:
            for weight in group["params"]:
                if weight.grad is None:
                    continue
                state = self.state[weight]
                if not state:
                    state["average"] = torch.zeros_like(weight)
                average = state["average"]
                average.mul_(group["momentum"]).add_(weight.grad)
                direction = orthogonal(weight.grad.add(average, alpha=group["momentum"]).flatten(1))
                rows, columns = direction.shape
                scale = max(1, rows / columns) * (columns if group["equalised"] else 1)
                weight.sub_(direction.view_as(weight) * math.sqrt(scale), alpha=group["lr"])


def split_weights(network: nn.Module) -> tuple[list[nn.Parameter], list[nn.Parameter]]:
    """Trained weights that mix many channels, which are `Muon`'s, and the others: biases, colours, constants."""
    parts: tuple[list[nn.Parameter], list[nn.Parameter]] = ([], [])
    for weight in network.parameters():
        if weight.requires_grad:
            parts[0 if weight.ndim > 1 and min(weight.flatten(1).shape) > COLOURS else 1].append(weight)
    return parts


def orthogonal(matrix: Tensor) -> Tensor:
    """The matrix with all its singular values brought near 1: to 0.7 to 1.2, by a quintic iteration.

    The iteration multiplies the matrix by polynomials of its smaller Gram matrix, so it is the polynomials that are
    multiplied, which for a wide matrix takes a fraction of the products.
    """
    wide = matrix.shape[0] <= matrix.shape[1]
    x = (matrix if wide else matrix.T).float()
    x = x / (x.norm() + torch.finfo(torch.float32).tiny)
    square = x @ x.T
    product = one = torch.eye(len(square), device=x.device)
    for _ in range(5):
        step = 3.4445 * one - 4.7750 * square + 2.0315 * square @ square
        product, square = step @ product, step @ step @ square
    x = product @ x
    return (x if wide else x.T).to(matrix.dtype)


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


def between(first: float, last: float, done: float) -> float:
    """From one rate to another along half a cosine, while `done` goes from 0 to 1."""
    return last + (first - last) * 0.5 * (1 + math.cos(math.pi * min(done, 1.0)))


def risen(first: float, last: float, done: float) -> float:
    """As `between`, after a short rise from a tenth."""
    return min(1.0, 0.1 + 20 * done) * between(first, last, done)
