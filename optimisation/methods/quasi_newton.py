"""L-BFGS with the network's own preconditioner: one history and one line search a picture (Nocedal and Wright 2006).

Algorithm 7.4 in batches, with backtracking by interpolation (section 3.5): every evaluation is a trial of each
picture's line search, so pictures that accept go on while others shorten their step.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from wplus.core.knobs import knob
from wplus.core.shapes import Features, Losses
from wplus.optimisation.methods.method import Evaluation, Memory, Problem, Update

Histories = Float[Tensor, "batch history dims"]
"""The newest comes last; pairs that there are not yet are zero."""

DECREASE = 1e-4
"""Share of the slope's promise that a step must keep (Armijo)."""

CURVATURE = 1e-8
"""Pairs whose cosine is below this are left out of the history."""

DIRECTIONS = 64
"""Random directions to measure a preconditioner in, where none ships."""

TRIALS = 12
"""Shortenings after which a picture forgets its history."""


@dataclass(frozen=True)
class QuasiNewton:
    """L-BFGS.

    Raises:
        ValueError: a value out of its range.
    """

    history: int = knob(40, "History length of L-BFGS.")
    directions: int = knob(
        DIRECTIONS,
        "Random directions to measure a preconditioner in, once; 64: the one that ships, if any; 0: none.",
    )
    name: str = "quasi-newton"
    searches: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if self.history < 1 or self.directions < 0:
            raise ValueError("history must be 1 or more and directions not negative")

    def on(self, problem: Problem) -> Update:
        found = problem.landscape.curvature(self.directions)
        apply = found.apply if found is not None else lambda gradient: gradient

        def update(at: Evaluation, memory: Memory) -> tuple[Tensor, Memory]:
            code, gradient = at.code.flatten(1), at.gradient.flatten(1)
            after = _begin(code, at.losses, gradient, self.history) if not memory else _search(code, at, memory)
            # new directions where a step was taken, or where shortening came to nothing
            free = (after["trials"] == 0) | (after["trials"] >= TRIALS)
            stuck = after["trials"] >= TRIALS
            for name in ("s", "y"):
                after[name] = torch.where(stuck[:, None, None], 0.0, after[name])
            direction = _direction(after, apply)
            slope = (direction * after["gradient"]).sum(dim=1)
            after["direction"] = torch.where(free[:, None], direction, after["direction"])
            after["slope"] = torch.where(free, slope, after["slope"])
            after["length"] = torch.where(after["trials"] == 0, 1.0, after["length"])
            after["trials"] = torch.where(stuck, 1, after["trials"])
            code = after["code"] + after["length"][:, None] * after["direction"]
            return code.view_as(at.code), after

        return update


def _begin(code: Features, losses: Losses, gradient: Features, history: int) -> Memory:
    """The first point is accepted as it is."""
    empty = code.new_zeros(len(code), history, code.shape[1])
    ones = torch.ones_like(losses)
    return {
        "code": code, "loss": losses, "gradient": gradient, "s": empty, "y": empty, "direction": torch.zeros_like(code),
        "slope": -ones, "length": ones, "trials": torch.zeros_like(losses, dtype=torch.long),
    }  # fmt: skip


def _search(code: Features, at: Evaluation, memory: Memory) -> Memory:
    """Accept each picture's trial if its loss fell as it should have or cannot be compared, else shorten its step."""
    gradient, length, slope = at.gradient.flatten(1), memory["length"], memory["slope"]
    rise = at.losses - memory["loss"]
    taken = torch.isfinite(at.losses) & ((rise <= DECREASE * length * slope) | at.renewed)
    s, y = code - memory["code"], gradient - memory["gradient"]
    curved = taken & ((s * y).sum(dim=1) > CURVATURE * s.norm(dim=1) * y.norm(dim=1))
    shorter = -slope * length.square() / (2 * (rise - length * slope))  # the least of the parabola
    shorter = torch.maximum(torch.minimum(shorter.nan_to_num(0.0), 0.5 * length), 0.1 * length)

    def pushed(name: str, pair: Features) -> Histories:
        return torch.where(curved[:, None, None], torch.cat([memory[name][:, 1:], pair[:, None]], dim=1), memory[name])

    return memory | {
        "code": torch.where(taken[:, None], code, memory["code"]),
        "loss": torch.where(taken, at.losses, memory["loss"]),
        "gradient": torch.where(taken[:, None], gradient, memory["gradient"]),
        "s": pushed("s", s),
        "y": pushed("y", y),
        "length": torch.where(taken, length, shorter),
        "trials": torch.where(taken, 0, memory["trials"] + 1),
    }


def _direction(memory: Memory, apply: Callable[[Features], Features]) -> Features:
    """Minus the gradient through the inverse curvature of the history.

    Algorithm 7.4, its two loops as triangular systems: `grams` holds the products of each s with its own and later y.
    """
    precise = torch.float32 if memory["s"].device.type == "mps" else torch.float64  # sums of many products that cancel
    s, y, gradient = (memory[name].to(precise) for name in ("s", "y", "gradient"))
    grams = torch.triu(torch.bmm(s, y.transpose(1, 2)))
    products = grams.diagonal(dim1=1, dim2=2)  # (batch, history), 0 where there is no pair
    grams = grams + torch.diag_embed((products <= 0).to(grams))
    alphas = torch.linalg.solve_triangular(grams, torch.bmm(s, gradient[:, :, None]), upper=True)
    rest = gradient - torch.bmm(alphas.transpose(1, 2), y)[:, 0]
    newest = memory["y"][:, -1]
    bent, applied = apply(torch.cat([newest, rest.to(newest)])).chunk(2)
    scale = products[:, -1] / (newest * bent).sum(dim=1)  # equation 7.20
    # the first step: so long that the loss would be 0 if it fell as it begins to (Polyak 1969)
    slope = (memory["gradient"] * applied).sum(dim=1)
    first = torch.where(slope > 0, memory["loss"] / slope, 1.0)
    found = torch.where(products[:, -1] > 0, scale, first)[:, None] * applied
    missing = products[:, :, None] * alphas - torch.bmm(y, found[:, :, None])
    shares = torch.linalg.solve_triangular(grams.transpose(1, 2), missing, upper=False)
    return -(found + torch.bmm(shares.transpose(1, 2), s)[:, 0]).to(memory["code"])
