"""Where groups of crops are inverted: in this process, or in one process a device; more can follow the protocol."""

import functools
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch

from wplus.alignment import Crop
from wplus.core.processes import Died, Stop, Workers, never
from wplus.inversion.invert import Inversion
from wplus.inversion.steps import Record
from wplus.optimisation.records import Progress
from wplus.pipelines.folder.recipe import Prepared, Recipe


@dataclass(frozen=True, eq=False)
class Task:
    """Crops to invert together.

    Args:
        number: tells it from the others.
        crops: at least one.
        resume: what an earlier descent of the same crops came to.
    """

    number: int
    crops: tuple[Crop, ...]
    resume: Progress | None = None


@runtime_checkable
class Executor(Protocol):
    """What inverts many tasks somewhere."""

    def __call__(self, tasks: Iterable[Task]) -> Iterator[tuple[Task, Inversion | Died]]:
        """Inversions as they are ready, in any order; it asks for a task when it can begin one.

        When it is told to stop, what is under way ends and comes as interrupted, and nothing comes after.
        """


Watching = Callable[[Task], AbstractContextManager[Callable[[Record], None]]]
"""A context for the time of a task; it gives what is shown every record."""


def _unwatched(task: Task) -> AbstractContextManager[Callable[[Record], None]]:
    return nullcontext(lambda record: None)


@dataclass(frozen=True)
class Here:
    """One task after the other in this process."""

    prepared: Prepared
    watching: Watching = _unwatched
    stop: Stop = never

    def __call__(self, tasks: Iterable[Task]) -> Iterator[tuple[Task, Inversion | Died]]:
        for task in tasks:
            with self.watching(task) as watch:
                inversion = self.prepared(task.crops, resume=task.resume, watch=watch, stop=lambda record: self.stop())
            yield task, inversion
            if inversion.interrupted or self.stop():
                return


@dataclass(frozen=True)
class Processes:
    """One process for each of `devices`, such as cuda:0 and cuda:1; several on the CPU share its processors."""

    recipe: Recipe
    devices: Sequence[str]
    stop: Stop = never

    def __call__(self, tasks: Iterable[Task]) -> Iterator[tuple[Task, Inversion | Died]]:
        makes = [functools.partial(_worker, self.recipe, device, len(self.devices)) for device in self.devices]
        with Workers(makes) as crew:
            yield from crew.run(tasks, stop=self.stop)


def executor_for(
    recipe: Recipe,
    prepared: Prepared,
    *,
    groups: int,
    workers: int | None = None,
    watching: Watching = _unwatched,
    stop: Stop = never,
) -> Here | Processes:
    """What fills the machine with that many groups: as many processes as `workers`, by default one a GPU.

    Args:
        recipe, prepared: one and the same; in this process the networks that are there already are used.
        stop: whether to end with what there is.
    """
    device = prepared.generator.device.type
    present = torch.cuda.device_count() if device == "cuda" else 1
    count = min(workers or present, groups)
    if count < 2:
        return Here(prepared, watching, stop)
    return Processes(
        recipe, [f"cuda:{index % present}" if device == "cuda" else device for index in range(count)], stop
    )


def _worker(recipe: Recipe, device: str, among: int) -> Callable[[Task, Stop], Inversion]:
    """A worker's function, on its device and its share of the processors."""
    torch.set_num_threads(max(1, torch.get_num_threads() // among))
    prepared = recipe.on(device)

    def work(task: Task, stop: Stop) -> Inversion:
        return prepared(task.crops, resume=task.resume, stop=lambda record: stop())

    return work
