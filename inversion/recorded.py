"""What a descent evaluates at every step as a CUDA graph: recorded once, then started by one call to the GPU."""

import warnings
from collections.abc import Callable

import torch
from torch import Tensor

from wplus.core.shapes import Losses

Evaluated = tuple[dict[str, Losses], Tensor]
"""Losses by term, and the gradient of their sum to the code."""

WARM_UP = 3
"""Evaluations before the recording: libraries choose their kernels and take their memory in them."""

AGREES = 1e-2
"""Relative difference, of norms, within which a replay is what it should be: kernels that add in any order stay below,
also in half precision."""


def recorded(evaluate: Callable[[Tensor], Evaluated], code: Tensor) -> Callable[[Tensor], Evaluated]:
    """The same function of codes of this shape on this GPU; itself where it cannot be recorded, or replays otherwise.

    Args:
        evaluate: runs the same kernels at every call, and asks nothing of the host.
        code: a sample; a replay is tried with its half.
    """
    place = code.clone()
    with torch.cuda.device(code.device):
        here, beside = torch.cuda.current_stream(), torch.cuda.Stream()
        beside.wait_stream(here)
        with torch.cuda.stream(beside):
            for _ in range(WARM_UP):
                evaluate(place)
        here.wait_stream(beside)
        graph = torch.cuda.CUDAGraph()
        try:
            with torch.cuda.graph(graph):
                losses, gradient = evaluate(place)
        except RuntimeError as error:
            return _plainly(evaluate, str(error).split("\n", 1)[0])

    def replay(code: Tensor) -> Evaluated:
        place.copy_(code)
        graph.replay()
        return {name: values.clone() for name, values in losses.items()}, gradient.clone()

    if not _agree(replay(0.5 * code), evaluate(0.5 * code)):
        return _plainly(evaluate, "a replay gave something else")
    return replay


def _plainly(evaluate: Callable[[Tensor], Evaluated], reason: str) -> Callable[[Tensor], Evaluated]:
    warnings.warn(f"steps run one kernel after the other, not as a CUDA graph: {reason}", stacklevel=2)
    return evaluate


def _agree(ours: Evaluated, theirs: Evaluated) -> bool:
    pairs = [(ours[0][name], values) for name, values in theirs[0].items()] + [(ours[1], theirs[1])]
    return all(bool((a - b).norm() <= AGREES * b.norm()) for a, b in pairs)
