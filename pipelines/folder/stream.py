"""Many photographs as one stream: groups are read ahead, inverted by an executor, and told photograph by photograph."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from wplus.alignment import Crop
from wplus.core.latent import Latent
from wplus.core.processes import Died
from wplus.inversion.invert import Inversion
from wplus.pipelines.folder.executors import Executor, Task
from wplus.pipelines.folder.groups import Group
from wplus.pipelines.folder.reading import Reading, read_groups
from wplus.pipelines.folder.state import load_state, remove_state, save_state


@dataclass(frozen=True)
class Inverted:
    """What became of one photograph.

    Args:
        photo: its file.
        latent: the best codes; None if it failed.
        reason: why it failed, or why its descent ended early.
        interrupted: the step before which Ctrl-C broke its descent off.
    """

    photo: Path
    latent: Latent | None
    reason: str = ""
    interrupted: int | None = None


def invert_groups(
    groups: Sequence[Group], reading: Reading, executor: Executor, *, workers: int | None = None
) -> Iterator[Inverted]:
    """Invert photographs group by group; a photograph that fails stops no other.

    A group that Ctrl-C breaks off is told as far as it came, after its state was written; the next call goes on with
    it. Its state is removed when the stream is asked for more, that is, when its results have been written.

    Args:
        groups: of photographs, as `Group.chunks` makes them.
        reading: how a photograph becomes a crop of the generator's size.
        executor: where crops are inverted.
        workers: processes that read ahead; None for as many as pay.

    Raises:
        OutputError: the state of what was broken off cannot be written.
    """
    begun: dict[int, tuple[Group, list[Path]]] = {}
    failed: list[Inverted] = []

    def tasks() -> Iterator[Task]:
        for number, (group, found) in enumerate(read_groups(groups, reading, workers=workers)):
            pairs = list(zip(group.photos, found, strict=True))
            failed.extend(Inverted(photo, None, str(item)) for photo, item in pairs if not isinstance(item, Crop))
            ready = [photo for photo, item in pairs if isinstance(item, Crop)]
            if not group.wanted.isdisjoint(ready):
                begun[number] = group, ready
                resume = load_state(group.state, pictures=len(ready), key=group.key) if group.state else None
                yield Task(number, tuple(item for item in found if isinstance(item, Crop)), resume)

    wanted = frozenset(photo for group in groups for photo in group.wanted)
    for task, inversion in executor(tasks()):
        group, photos = begun.pop(task.number)
        whole = isinstance(inversion, Inversion) and not inversion.interrupted
        if group.state and isinstance(inversion, Inversion) and inversion.interrupted:
            save_state(group.state, inversion.progress, pictures=len(photos), key=group.key)
        results = [*failed, *_told(photos, inversion)]
        failed.clear()
        yield from (item for item in results if item.photo in wanted)
        if group.state and whole:
            remove_state(group.state)
    yield from (item for item in failed if item.photo in wanted)


def _told(photos: Sequence[Path], inversion: Inversion | Died) -> Iterator[Inverted]:
    """What became of the photographs of a group."""
    for index, photo in enumerate(photos):
        if isinstance(inversion, Died):
            yield Inverted(photo, None, f"{photo}: {inversion.reason}; run the command again")
            continue
        latent, reason = inversion.latents[index], inversion.stopped[index] or ""
        assert latent.origin is not None
        if all(map(math.isfinite, latent.origin.losses.values())):
            yield Inverted(photo, latent, reason, inversion.progress.step if inversion.interrupted else None)
        else:
            yield Inverted(photo, None, f"{photo}: {reason}")
