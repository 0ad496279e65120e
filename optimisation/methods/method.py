"""What a method is: told the loss and the gradient at a code, it says at which code to look next."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from torch import Tensor

from wplus.core.shapes import Losses
from wplus.optimisation.preconditioner import Preconditioner

Memory = dict[str, Tensor]
"""What a method keeps from one evaluation to the next, empty before the first; the batch comes first in all of it."""


@dataclass(frozen=True, eq=False)
class Evaluation:
    """What was found at one code of each picture.

    Args:
        step: evaluations before this one.
        code: where, (batch, ...) in the space's own shape.
        losses: one total a picture; not finite where a step went too far.
        gradient: of each picture's own total, in the shape of `code`.
        renewed: whether losses of earlier evaluations say nothing about these, since the precision has changed.
    """

    step: int
    code: Tensor
    losses: Losses
    gradient: Tensor
    renewed: bool = False


Update = Callable[[Evaluation, Memory], tuple[Tensor, Memory]]
"""The next code to evaluate, and what to keep. No picture feels another, and nothing is changed in place."""


@dataclass(frozen=True)
class Landscape:
    """What is known of a loss before it is descended.

    Args:
        spread: the typical size of a number of the code, asked for by methods that disturb codes.
        undisturbed: how many numbers at the end of a code are left alone by them, such as noise maps.
        curvature: from a number of random directions to measure in, how sharply the loss bends; None where nothing is
            known.
    """

    spread: Callable[[], float] = lambda: 1.0
    undisturbed: int = 0
    curvature: Callable[[int], Preconditioner | None] = lambda directions: None


@dataclass(frozen=True)
class Problem:
    """What all pictures of a descent share.

    Args:
        steps: updates that will be made at most.
        seed: of whatever is drawn; the same for every picture.
        landscape: what is known of the loss.
    """

    steps: int
    seed: int
    landscape: Landscape = Landscape()


@runtime_checkable
class Method(Protocol):
    """A way of taking steps."""

    @property
    def name(self) -> str:
        """Short, for people and files."""

    @property
    def searches(self) -> bool:
        """Whether a step that raised the loss is taken back, however high it rose."""

    def on(self, problem: Problem) -> Update:
        """Prepare for a problem; whatever depends on no picture is computed here."""
