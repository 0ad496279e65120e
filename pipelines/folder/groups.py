"""Which photographs are inverted together: decided once, so that a rerun computes the very same bits.

The last bits of a convolution depend on its batch. What was broken off therefore goes on in the groups that it began
with, whatever of them is finished; they and a broken-off descent's state are kept in a folder until all is done.
"""

import hashlib
import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from wplus.core.files import write_text
from wplus.pipelines.folder.manifest import input_name


@dataclass(frozen=True)
class Group:
    """Photographs that are inverted together.

    Args:
        photos: all of them.
        wanted: those whose results are not there yet.
        state: the path that keeps the group's descent if it is broken off; None keeps nothing.
        key: names the photographs and the settings.
    """

    photos: tuple[Path, ...]
    wanted: frozenset[Path]
    state: Path | None = None
    key: str = ""

    @classmethod
    def chunks(cls, photos: Sequence[Path], batch: int) -> "list[Group]":
        """Photographs in their order, `batch` at a time."""
        chunks = [tuple(photos[first : first + batch]) for first in range(0, len(photos), batch)]
        return [cls(chunk, frozenset(chunk)) for chunk in chunks]


class Unfinished:
    """What a run into a folder has begun and not ended, kept in its subfolder `.unfinished`.

    Args:
        folder: where the results go.
    """

    def __init__(self, folder: Path) -> None:
        self.results = folder
        self.folder = folder / ".unfinished"
        self.plan = self.folder / "groups.json"

    def groups(
        self, keys: dict[Path, str], wanted: Sequence[Path], *, asked: object, batch: Callable[[], int]
    ) -> list[Group]:
        """The groups to compute: those begun earlier as they were, then the other photographs in their order.

        Args:
            keys: for every photograph, finished or not, what changes with its content and with the settings.
            wanted: those whose results are not there yet.
            asked: how their size was asked for, as JSON; groups of an earlier run that asked otherwise are forgotten.
            batch: the size of new groups; called when there are any.

        Raises:
            OutputError: the folder cannot be written.
        """
        begun = []
        by_name, missing = {self._name(photo): photo for photo in keys}, frozenset(wanted)
        for group in self._read(asked):
            photos = [by_name[name] for name, key in group if name in by_name and keys[by_name[name]] == key]
            if len(photos) == len(group) and not missing.isdisjoint(photos):
                begun.append(photos)
        grouped = {photo for group in begun for photo in group}
        rest = [photo for photo in wanted if photo not in grouped]
        fresh = [list(group.photos) for group in Group.chunks(rest, batch())] if rest else []
        self._sweep()
        if len(keys) > 1:  # one photograph is its own group, and leaves nothing behind if it fails
            listed = [[[self._name(photo), keys[photo]] for photo in group] for group in begun + fresh]
            write_text(self.plan, json.dumps({"asked": asked, "groups": listed}, indent=1))
        return [self._group(group, keys, missing) for group in begun + fresh]

    def begin(self) -> None:
        """Results are about to be written; should the run be killed, the next one sweeps up half a file."""
        self.folder.mkdir(parents=True, exist_ok=True)

    def end(self) -> None:
        """All is done: forget what was begun."""
        self._sweep()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _group(self, photos: list[Path], keys: dict[Path, str], missing: frozenset[Path]) -> Group:
        key = hashlib.sha256(json.dumps([keys[photo] for photo in photos]).encode()).hexdigest()[:16]
        return Group(tuple(photos), frozenset(photos) & missing, self.folder / key, key)

    def _name(self, photo: Path) -> str:
        """The same from whatever folder the command is called, as in the manifest."""
        return input_name(photo, self.results)

    def _sweep(self) -> None:
        """Remove the half-written files of a run that was killed in this folder."""
        if self.folder.is_dir():
            for path in [*self.results.glob(".wplus-*"), *self.folder.glob(".wplus-*")]:
                path.unlink(missing_ok=True)

    def _read(self, asked: object) -> list[Any]:
        """The groups of the plan, [[[photograph, key], ...], ...]; none where nothing was begun, or asked otherwise."""
        try:
            plan = json.loads(self.plan.read_text(encoding="utf-8"))
            return list(plan["groups"]) if plan["asked"] == asked else []
        except (OSError, ValueError, TypeError, KeyError):
            return []  # damaged: begun again
