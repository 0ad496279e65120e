"""The moments of a descent: what was found, and all that is needed to go on."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from enum import IntEnum
from typing import Any

import torch
from torch import Tensor

from wplus.core.shapes import Flags, Losses
from wplus.optimisation.methods import Memory


class Ending(IntEnum):
    """Why a picture's descent is over."""

    RUNNING = 0
    DIVERGED = 1
    NOT_FINITE = 2
    TARGET = 3
    PLATEAU = 4
    SECONDS = 5


@dataclass(frozen=True)
class Progress:
    """All that a descent needs to go on, as if it had never stopped; the batch comes first in every tensor."""

    step: int
    """The next step to evaluate."""
    code: Tensor
    """Where."""
    memory: Memory
    """The method's."""
    ceiling: Losses
    """The loss above which a picture counts as diverged."""
    best_code: Tensor
    best_losses: dict[str, Losses]
    """Losses by term of `best_code`, infinite before any was finite."""
    mark: Losses
    """The best total at the last look for plateaus."""
    ending: Tensor
    """An `Ending` of each picture."""
    seconds: float
    """Wall time so far."""

    def to(self, device: torch.device) -> "Progress":
        """The same on another device."""
        return combined([self], lambda own: own[0].to(device))

    @property
    def running(self) -> Flags:
        """Which pictures go on."""
        return self.ending == Ending.RUNNING

    @property
    def best(self) -> Losses:
        """The total of `best_losses`."""
        return total_of(self.best_losses)


@dataclass(frozen=True)
class Step:
    """One moment of a descent: these losses belong to these codes, which of pictures that ended are their best.

    Args:
        step: updates made so far.
        losses: by term, each of shape (batch,).
        code: (batch, ...), in the shape that the descent was started with.
        progress: what is needed to go on after this step; also the best codes so far.
    """

    step: int
    losses: dict[str, Losses]
    code: Tensor
    progress: Progress

    @property
    def total(self) -> Losses:
        """The sum of the terms, shape (batch,)."""
        return total_of(self.losses)


def total_of(losses: Mapping[str, Losses]) -> Losses:
    """The sum of all terms."""
    return torch.stack(list(losses.values())).sum(dim=0)


def combined(states: Sequence[Progress], combine: Callable[[list[Tensor]], Tensor]) -> Progress:
    """One state of several, each of its tensors made of theirs; numbers are those of the first."""

    def of(values: list[Any]) -> Any:
        if isinstance(values[0], Mapping):
            return {name: of([value[name] for value in values]) for name in values[0]}
        return combine(values) if isinstance(values[0], Tensor) else values[0]

    return Progress(**{item.name: of([getattr(state, item.name) for state in states]) for item in fields(Progress)})
