"""What a descent evaluates at every step as a CUDA graph: captured once, then started by one call to the GPU."""

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import torch
from torch import Tensor

from wplus.core.shapes import Losses

Evaluated = tuple[dict[str, Losses], Tensor]
"""Losses by term, and the gradient of their sum to the code."""

WARM_UP = 3
"""Evaluations before the capture: libraries choose their kernels and take their memory in them."""

AGREES = 1e-2
"""Relative difference, of norms, within which a replay is what it should be: kernels that add in any order stay below,
also in half precision."""


@dataclass(frozen=True, eq=False)
class Graph:
    """A CUDA graph, and all memory that it reads and writes, which it does not keep itself.

    Args:
        evaluate: what was captured; it keeps networks and targets.
        run: starts the graph.
        place: where they read the code.
        losses, gradient: where they leave what they found.
    """

    evaluate: Callable[[Tensor], Evaluated]
    run: Callable[[], None]
    place: Tensor
    losses: dict[str, Losses]
    gradient: Tensor

    def __call__(self, code: Tensor) -> Evaluated:
        self.place.copy_(code.detach())
        self.run()
        return {name: values.clone() for name, values in self.losses.items()}, self.gradient.clone()


def captured(evaluate: Callable[[Tensor], Evaluated], code: Tensor) -> Callable[[Tensor], Evaluated]:
    """The same function of codes of this shape on this GPU; itself where it cannot be captured, or replays otherwise.

    Args:
        evaluate: runs the same kernels at every call, and asks nothing of the host.
        code: a sample; a replay is tried with its half.
    """
    code = code.detach()
    place, other = code.clone(), 0.5 * code
    with torch.cuda.device(code.device):
        here, beside = torch.cuda.current_stream(), _stream(code.device)
        beside.wait_stream(here)
        try:
            with torch.cuda.stream(beside):
                for _ in range(WARM_UP):
                    expected = evaluate(other)
                graph = torch.cuda.CUDAGraph()
                with torch.cuda.graph(graph, stream=beside):
                    losses, gradient = evaluate(place)
        except RuntimeError as error:
            return _plainly(evaluate, str(error).split("\n", 1)[0])
        finally:
            here.wait_stream(beside)

    replay = Graph(evaluate, graph.replay, place, losses, gradient)
    return replay if _agree(replay(other), expected) else _plainly(evaluate, "a replay gave something else")


@cache
def _stream(device: torch.device) -> torch.cuda.Stream:
    """The one to capture on: libraries keep memory for every stream that they ran on."""
    return torch.cuda.Stream(device)


def _plainly(evaluate: Callable[[Tensor], Evaluated], reason: str) -> Callable[[Tensor], Evaluated]:
    warnings.warn(f"steps run one kernel after the other, not as a CUDA graph: {reason}", stacklevel=2)
    return evaluate


def _agree(ours: Evaluated, theirs: Evaluated) -> bool:
    """Whether numbers are the same but for rounding, where there are any: a trial may be out of all bounds."""
    pairs = [(ours[0][name], values) for name, values in theirs[0].items()] + [(ours[1], theirs[1])]
    return all(bool((a - b).nan_to_num().norm() <= AGREES * b.nan_to_num().norm()) for a, b in pairs)
