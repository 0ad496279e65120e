"""The one descent loop of the project, as an iterator of records (Image2StyleGAN algorithm 1)."""

import math
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace

import torch
from torch import Tensor

from wplus.core.shapes import Flags, Images, Losses
from wplus.inversion.graph import Evaluated, captured
from wplus.inversion.masks import Chosen
from wplus.inversion.methods import Evaluation, Memory, Problem
from wplus.inversion.objectives import Objective
from wplus.inversion.records import Ending, Progress, Record, total_of
from wplus.inversion.settings import WINDOW, Settings
from wplus.inversion.spaces import Space, read
from wplus.inversion.starts import Start
from wplus.models import Generator

PRECISE = 0.5
"""Share of the steps of a descent in bf16, its last, with losses in fp32: rounding hides what they have to gain."""

DIVERGED = 10.0
"""A loss this many times that of the start, and of a grey picture, counts as diverged."""


def steps(
    generator: Generator,
    target: Images,
    objective: Objective,
    *,
    space: Space,
    start: Start,
    settings: Settings,
    resume: Progress | None = None,
    precise: tuple[Generator, Objective] | None = None,
    graph: bool = False,
) -> Iterator[Record]:
    """Descend; yields at most `settings.steps` + 1 records, the first before any update.

    No picture feels another, so a batch gives what its pictures give alone. What is finished leaves the batch: a
    picture that reached `settings.target_loss` or a plateau, and one whose loss is not finite twice over, or rises to
    ten times that of its start and that of a grey picture; its best codes stay.

    Args:
        target: RGB (batch, 3, resolution, resolution) in [-1, 1].
        resume: the `progress` of an earlier record of the same call.
        precise: the same generator and objective in more precision, for the last `PRECISE` of the steps. All that a
            picture keeps of those before is its code and what the method learnt; one that was done is done anew.
        graph: evaluate by a CUDA graph where the GPU can; it is captured anew whenever a picture leaves the batch.
    """
    descent = _Descent(generator, target, objective, space, graph=graph)
    never = settings.steps + 1
    turn = never if precise is None else settings.steps - math.floor(PRECISE * settings.steps)
    update = settings.method.on(Problem(generator, objective, space, settings.steps, settings.seed))
    if resume is None:
        resume = descent.begin(space.code(start.ws(generator, target, seed=settings.seed), generator))
    state, origin, budget = resume, generator.origin(), settings.seconds * len(target) or math.inf
    began = time.monotonic() - state.seconds
    first = min(state.step, settings.steps)
    if not bool(state.running.any()) and not first <= turn < never:  # gone on with after all was done
        yield Record(first, state.best_losses, *read(state.best_code, space, generator), state, origin)
    for step in range(first, never):
        if precise is not None and step == max(first, turn):
            descent = _Descent(precise[0], target, precise[1], space, graph=graph)
            state = _renewed(state) if step == turn else state
        rows = state.running.nonzero().flatten()
        if not len(rows) and step < turn < never:
            continue  # what is done runs again from there on
        if not len(rows):
            break
        at, losses = descent.evaluate(step, state.code[rows], rows, renewed=step == turn)
        shown = {name: values.index_copy(0, rows, losses[name]) for name, values in state.best_losses.items()}
        code = state.best_code.index_copy(0, rows, at.code)
        state = _judged(state, at, losses, rows, settings)
        if step < settings.steps:
            following, memory = update(at, _of(state.memory, rows, len(target)))
            memory = _among(memory, state.memory, rows, len(target))
            state = replace(state, code=state.code.index_copy(0, rows, following), memory=memory)
        state = replace(state, step=step + 1, seconds=time.monotonic() - began)
        if state.seconds > budget:
            state = replace(state, ending=torch.where(state.running, Ending.SECONDS, state.ending))
        yield Record(step, shown, *read(code, space, generator), state, origin)


class _Descent:
    """What is evaluated at every step; fixed targets are kept for as long as the same pictures run."""

    def __init__(
        self, generator: Generator, target: Images, objective: Objective, space: Space, *, graph: bool
    ) -> None:
        self.generator, self.target, self.objective, self.space = generator, target, objective, space
        self.graph = graph
        self.replay: Callable[[Tensor], Evaluated] | None = None
        self.rows = torch.arange(len(target), device=target.device)
        self.compare: Callable[[Images], Mapping[str, Losses]] = objective.against(target)

    def begin(self, code: Tensor) -> Progress:
        """The state before the first step; a loss far above that of a grey picture counts as diverged."""
        with torch.no_grad():
            grey = self._losses(code, torch.zeros_like(self.target))
        unknown = {name: torch.full_like(values, math.inf) for name, values in grey.items()}
        running = torch.full((len(code),), int(Ending.RUNNING), device=code.device)
        return Progress(0, code, {}, DIVERGED * total_of(grey), code, unknown, total_of(unknown), running, 0.0)

    def _losses(self, code: Tensor, images: Images) -> dict[str, Losses]:
        """By term, those of the picture first."""
        ws, noise = read(code, self.space, self.generator)
        penalties = {item.name: item.of(ws, noise, self.generator) for item in self.objective.penalties}
        return {**self.compare(images), **penalties}

    def evaluate(self, step: int, code: Tensor, rows: Tensor, *, renewed: bool) -> tuple[Evaluation, dict[str, Losses]]:
        """Losses and gradients of the pictures `rows` at their codes."""
        if not torch.equal(rows, self.rows):
            self.rows, self.compare = rows, self.objective.of(rows).against(self.target[rows])
            self.replay = None
        code = code.detach()
        if self.graph and self.replay is None:
            self.replay = captured(self.evaluated, code)
        losses, gradient = (self.replay or self.evaluated)(code)
        return Evaluation(step, code, total_of(losses), gradient, renewed), losses

    def evaluated(self, code: Tensor) -> Evaluated:
        """Losses by term and the gradient of their sum, with nothing asked of the host."""
        code = code.detach().requires_grad_(True)
        with torch.enable_grad():
            ws, noise = read(code, self.space, self.generator)
            losses = self._losses(code, self.generator(ws, noise=noise))
            (gradient,) = torch.autograd.grad(total_of(losses).sum(), code)  # a sum: no image feels the others
        return {name: values.detach() for name, values in losses.items()}, gradient


def _judged(
    state: Progress, at: Evaluation, losses: Mapping[str, Losses], rows: Tensor, settings: Settings
) -> Progress:
    """The state with the best codes so far, and with those pictures ended that are done for."""
    ceiling = state.ceiling[rows]
    if at.step == 0:
        ceiling = torch.fmax(ceiling, DIVERGED * at.losses)
    finite = torch.isfinite(at.losses)
    best = finite & (at.losses <= ceiling) & (at.losses < state.best[rows])
    best_code = torch.where(_beside(best, at.code), at.code, state.best_code[rows])
    found = {name: torch.where(best, losses[name], values[rows]) for name, values in state.best_losses.items()}
    ending = torch.full_like(rows, int(Ending.RUNNING))
    if at.step % WINDOW == 0:
        flat = total_of(found) > (1 - settings.plateau) * state.mark[rows]
        ending = torch.where(flat & (settings.plateau > 0), int(Ending.PLATEAU), ending)
        state = replace(state, mark=state.mark.index_copy(0, rows, total_of(found)))
    ending = torch.where(total_of(found) < settings.target_loss, int(Ending.TARGET), ending)
    if at.step == 0 or not settings.method.searches:  # a line search takes such steps back
        ending = torch.where(at.losses > ceiling, int(Ending.DIVERGED), ending)
        ending = torch.where(finite, ending, int(Ending.NOT_FINITE))
    return replace(
        state,
        ceiling=state.ceiling.index_copy(0, rows, ceiling),
        best_code=state.best_code.index_copy(0, rows, best_code),
        best_losses={name: values.index_copy(0, rows, found[name]) for name, values in state.best_losses.items()},
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


def _of(memory: Memory, rows: Chosen, count: int) -> Memory:
    """What is kept of the pictures `rows` among `count`; histories are large, so that of all is not copied."""
    return memory if len(rows) == count else {name: values[rows] for name, values in memory.items()}


def _among(memory: Memory, before: Memory, rows: Chosen, count: int) -> Memory:
    """The memory of the pictures `rows` put back among that of `count`."""
    if len(rows) == count:
        return memory
    whole = {name: before.get(name, values.new_zeros(count, *values.shape[1:])) for name, values in memory.items()}
    return {name: values.index_copy(0, rows, memory[name]) for name, values in whole.items()}
