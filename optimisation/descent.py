"""The one descent loop of the project, as an iterator of steps (Image2StyleGAN algorithm 1).

What is looked for is whatever `decode` renders pictures of: codes of a frozen generator, the pixels of a picture, the
weights of a network.
"""

import math
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from wplus.core.shapes import Flags, Images, Losses
from wplus.optimisation.masks import Rows
from wplus.optimisation.methods import Evaluation, Landscape, Memory, Problem
from wplus.optimisation.objective import Objective, Rendering
from wplus.optimisation.records import Ending, Progress, Step, total_of
from wplus.optimisation.settings import WINDOW, Settings

Decode = Callable[[Tensor], Rendering]
"""Codes (batch, ...) to what they stand for; no picture feels another's code."""

PRECISE = 0.5
"""Share of the steps of a descent in bf16, its last, with losses in fp32: rounding hides what they have to gain."""

DIVERGED = 10.0
"""A loss this many times that of the start, and of a grey picture, counts as diverged."""


@dataclass(frozen=True, eq=False)
class Goal:
    """What is to be reached: an objective and its target.

    Args:
        objective: one loss a picture.
        target: RGB (batch, 3, height, width) in [-1, 1].
    """

    objective: Objective
    target: Images

    def select(self, rows: Rows) -> "Goal":
        """The goal of some of the pictures."""
        return Goal(self.objective.select(rows), self.target[rows])


def descend(
    decode: Decode,
    start: Tensor,
    goal: Goal,
    settings: Settings = Settings(),  # noqa: B008  (a frozen value)
    *,
    landscape: Landscape = Landscape(),  # noqa: B008
    resume: Progress | None = None,
    precise: tuple[Decode, Goal] | None = None,
) -> Iterator[Step]:
    """Descend; yields at most `settings.steps` + 1 steps, the first before any update.

    No picture feels another, so a batch gives what its pictures give alone. What is finished leaves the batch: a
    picture that reached `settings.target_loss` or a plateau, and one whose loss is not finite twice over, or rises to
    ten times that of its start and that of a grey picture; its best codes stay.

        white = torch.zeros(1, 3, 64, 64)
        for step in descend(Rendering, white, Goal(Objective([Pixel()]), target)):  # the pixels themselves
            print(step.step, float(step.total))

    Args:
        decode: codes to pictures, differentiable.
        start: the first codes, (batch, ...), a row for each picture of the target.
        goal: what pictures are compared with, and how.
        settings: how the descent goes, its method included.
        landscape: what the method may know of the loss.
        resume: the `progress` of an earlier step of the same call.
        precise: the same in more precision, for the last `PRECISE` of the steps. All that a picture keeps of those
            before is its code and what the method learnt; one that was done is done anew.
    """
    run = _Run(decode, goal)
    never = settings.steps + 1
    turn = never if precise is None else settings.steps - math.floor(PRECISE * settings.steps)
    update = settings.method.on(Problem(settings.steps, settings.seed, landscape))
    count = len(goal.target)
    state = run.begin(start) if resume is None else resume
    budget = settings.seconds * count or math.inf
    began = time.monotonic() - state.seconds
    first = min(state.step, settings.steps)
    if not bool(state.running.any()) and not first <= turn < never:  # resumed after all was done
        yield Step(first, state.best_losses, state.best_code, state)
    for step in range(first, never):
        if precise is not None and step == max(first, turn):
            run = _Run(*precise)
            state = _renewed(state) if step == turn else state
        rows = state.running.nonzero().flatten()
        if not len(rows) and step < turn < never:
            continue  # what is done runs again from there on
        if not len(rows):
            break
        at, losses = run.evaluate(step, state.code[rows], rows, renewed=step == turn)
        current = {name: values.index_copy(0, rows, losses[name]) for name, values in state.best_losses.items()}
        code = state.best_code.index_copy(0, rows, at.code)
        state = _judged(state, at, losses, rows, settings)
        if step < settings.steps:
            following, memory = update(at, _select(state.memory, rows, count))
            memory = _merge(memory, state.memory, rows, count)
            state = replace(state, code=state.code.index_copy(0, rows, following), memory=memory)
        state = replace(state, step=step + 1, seconds=time.monotonic() - began)
        if state.seconds > budget:
            state = replace(state, ending=torch.where(state.running, Ending.SECONDS, state.ending))
        yield Step(step, current, code, state)


class _Run:
    """What is evaluated at every step; fixed targets are kept for as long as the same pictures run."""

    def __init__(self, decode: Decode, goal: Goal) -> None:
        self.decode, self.goal = decode, goal
        self.rows = torch.arange(len(goal.target), device=goal.target.device)
        self.compare = goal.objective.against(goal.target)

    def begin(self, code: Tensor) -> Progress:
        """The state before the first step; a loss far above that of a grey picture counts as diverged."""
        with torch.no_grad():
            grey = self.compare(torch.zeros_like(self.goal.target))
        names = [*grey, *(penalty.name for penalty in self.goal.objective.penalties)]
        total = total_of(grey)
        unknown = {name: torch.full_like(total, math.inf) for name in names}
        running = torch.full((len(code),), int(Ending.RUNNING), device=code.device)
        return Progress(0, code, {}, DIVERGED * total, code, unknown, total_of(unknown), running, 0.0)

    def evaluate(self, step: int, code: Tensor, rows: Rows, *, renewed: bool) -> tuple[Evaluation, dict[str, Losses]]:
        """Losses and gradients of the pictures `rows` at their codes."""
        if not torch.equal(rows, self.rows):
            selected = self.goal.select(rows)
            self.rows, self.compare = rows, selected.objective.against(selected.target)
        code = code.detach().requires_grad_(True)
        with torch.enable_grad():
            rendering = self.decode(code)
            losses = {**self.compare(rendering.images), **self.goal.objective.costs(rendering)}
            (gradient,) = torch.autograd.grad(total_of(losses).sum(), code)  # a sum: no image feels the others
        losses = {name: values.detach() for name, values in losses.items()}
        return Evaluation(step, code.detach(), total_of(losses), gradient, renewed), losses


def _judged(state: Progress, at: Evaluation, losses: Mapping[str, Losses], rows: Rows, settings: Settings) -> Progress:
    """The state with the best codes so far, and with those pictures ended that are done for."""
    ceiling = state.ceiling[rows]
    if at.step == 0:
        ceiling = torch.fmax(ceiling, DIVERGED * at.losses)
    finite = torch.isfinite(at.losses)
    best = finite & (at.losses <= ceiling) & (at.losses < state.best[rows])
    best_code = torch.where(_beside(best, at.code), at.code, state.best_code[rows])
    best_losses = {name: torch.where(best, losses[name], values[rows]) for name, values in state.best_losses.items()}
    ending = torch.full_like(rows, int(Ending.RUNNING))
    if at.step % WINDOW == 0:
        flat = total_of(best_losses) > (1 - settings.plateau) * state.mark[rows]
        ending = torch.where(flat & (settings.plateau > 0), int(Ending.PLATEAU), ending)
        state = replace(state, mark=state.mark.index_copy(0, rows, total_of(best_losses)))
    ending = torch.where(total_of(best_losses) < settings.target_loss, int(Ending.TARGET), ending)
    if at.step == 0 or not settings.method.searches:  # a line search takes such steps back
        ending = torch.where(at.losses > ceiling, int(Ending.DIVERGED), ending)
        ending = torch.where(finite, ending, int(Ending.NOT_FINITE))
    return replace(
        state,
        ceiling=state.ceiling.index_copy(0, rows, ceiling),
        best_code=state.best_code.index_copy(0, rows, best_code),
        best_losses={name: values.index_copy(0, rows, best_losses[name]) for name, values in state.best_losses.items()},
        ending=state.ending.index_copy(0, rows, ending),
    )


def _renewed(state: Progress) -> Progress:
    """The state before the first step of another precision; what stopped for its loss runs again."""
    again = state.running | (state.ending == Ending.TARGET) | (state.ending == Ending.PLATEAU)
    return replace(
        state,
        best_losses={name: torch.where(again, math.inf, values) for name, values in state.best_losses.items()},
        mark=torch.where(again, math.inf, state.mark),
        ending=torch.where(again, int(Ending.RUNNING), state.ending),
    )


def _beside(flags: Flags, code: Tensor) -> Tensor:
    """Flags in as many dimensions as the code has."""
    return flags.reshape(-1, *[1] * (code.ndim - 1))


def _select(memory: Memory, rows: Rows, count: int) -> Memory:
    """What is kept of the pictures `rows` among `count`; histories are large, so that of all is not copied."""
    return memory if len(rows) == count else {name: values[rows] for name, values in memory.items()}


def _merge(memory: Memory, before: Memory, rows: Rows, count: int) -> Memory:
    """The memory of the pictures `rows` put back among that of `count`."""
    if len(rows) == count:
        return memory
    whole = {name: before.get(name, values.new_zeros(count, *values.shape[1:])) for name, values in memory.items()}
    return {name: values.index_copy(0, rows, memory[name]) for name, values in whole.items()}
