"""Inversion on a cluster: an executor of `wplus.pipelines.folder` on Ray, for a folder that all machines can read.

pip install ray
python docs/cluster.py photos/ -o codes --workers 16
"""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import click
import ray

from wplus.core import WplusError
from wplus.core.images import find_pictures
from wplus.core.processes import Died
from wplus.inversion import Inversion
from wplus.models import load_generator
from wplus.pipelines.folder import Group, Reading, Recipe, Task, invert_groups


class Worker:
    """Networks on one machine; Ray gives it as many threads as processors."""

    def __init__(self, recipe: Recipe, device: str) -> None:
        self._prepared = recipe.on(device)

    def invert(self, task: Task) -> Inversion:
        """The codes of a task's crops."""
        return self._prepared(task.crops, resume=task.resume)


class Cluster:
    """An `Executor`: every worker has one task; one that loses three workers is answered by `Died`.

    Args:
        recipe: what they invert with.
        workers: how many; a worker on a GPU takes a whole one.
        processors: of each.
        device: where they compute.
    """

    def __init__(self, recipe: Recipe, workers: int, *, processors: int = 1, device: str = "cpu") -> None:
        takes = {"num_cpus": processors, "num_gpus": 1 if device == "cuda" else 0}
        remote: Any = ray.remote(**takes, max_restarts=-1, max_task_retries=2)(Worker)
        self._workers = [remote.remote(recipe, device) for _ in range(workers)]

    def __call__(self, tasks: Iterable[Task]) -> Iterator[tuple[Task, Inversion | Died]]:
        """Inversions as they are ready."""
        remaining, idle, busy = iter(tasks), list(self._workers), {}
        while True:
            while idle and (task := next(remaining, None)) is not None:
                worker = idle.pop()
                busy[worker.invert.remote(task)] = task, worker
            if not busy:
                return
            (ready,), _ = ray.wait(list(busy), num_returns=1)
            task, worker = busy.pop(ready)
            idle.append(worker)
            try:
                yield task, ray.get(ready)
            except ray.exceptions.RayActorError as error:
                yield task, Died(str(error).splitlines()[0])


@click.command(help=__doc__)
@click.argument("photos", type=click.Path(path_type=Path))
@click.option("-o", "--output", required=True, type=click.Path(path_type=Path))
@click.option("--generator", default="faces-64", show_default=True)
@click.option("--workers", default=2, show_default=True)
@click.option("--processors", default=1, show_default=True, help="Of each worker.")
@click.option("--device", default="cpu", show_default=True)
@click.option("--batch", default=8, show_default=True)
def main(photos: Path, output: Path, generator: str, workers: int, processors: int, device: str, batch: int) -> None:
    """Invert photographs on a cluster."""
    try:
        groups, size = Group.chunks(find_pictures(photos), batch), load_generator(generator).resolution
    except WplusError as error:
        raise click.ClickException(str(error)) from error
    ray.init()
    output.mkdir(parents=True, exist_ok=True)
    cluster = Cluster(Recipe(generator), workers, processors=processors, device=device)
    for found in invert_groups(groups, Reading(size), cluster):
        if found.latent is None:
            click.echo(found.reason, err=True)
        else:
            found.latent.save(output / f"{found.photo.name}.safetensors")  # a.jpg may lie beside a.png


if __name__ == "__main__":
    main()
