"""The table of what became of every input, `manifest.csv`: done, failed or interrupted, and why.

An input is skipped when an earlier run with the same settings finished it and its result is still there: its line
stays.
"""

import csv
import io
import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from wplus.core import OutputError
from wplus.core.files import write_text

COLUMNS = ("input", "status", "name", "output", "reason", "key")


@dataclass(frozen=True)
class Job:
    """One input and the path of its result without a suffix."""

    source: Path
    stem: Path
    key: str
    """Changes with the input's bytes and with the settings."""
    finished: bool = False
    """Whether there is a finished result already, of these settings or of others."""


@dataclass(frozen=True)
class Outcome:
    """What became of a job: its first result's file name, or why there is none."""

    status: str
    output: str = ""
    reason: str = ""


class Manifest:
    """The table of what became of every input, in this run and in earlier ones.

    Inputs are told by their paths from the table's folder, so that it does not matter where a command is called.

    Raises:
        OutputError: a file of this name is there that is no such table.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.rows = _read(path)
        self.now: dict[str, str] = {}
        self.ranks: dict[str, int] = {}

    @property
    def names(self) -> set[str]:
        """Names, without suffix, of all results there are."""
        return {row["name"] for row in self.rows.values()} - {""}

    def name_of(self, source: Path) -> str | None:
        """The name that an input's results had in an earlier run."""
        row = self.rows.get(self._input(source))
        return (row["name"] or None) if row is not None else None

    def has_result(self, source: Path) -> bool:
        """Whether an earlier run finished an input, and its result is still there."""
        row = self.rows.get(self._input(source))
        return row is not None and row["status"] == "done" and (self.path.parent / row["output"]).is_file()

    def holds(self, job: Job) -> bool:
        """Whether the finished result of a job is of these settings."""
        return job.finished and self.rows[self._input(job.source)]["key"] == job.key

    def must_be_of(self, suffix: str) -> None:
        """Refuse a folder of another command, whose results would be replaced.

        Raises:
            OutputError: a finished result there has another suffix.
        """
        others = [name for row in self.rows.values() if (name := row["output"]) and not name.endswith(suffix)]
        if others:
            raise OutputError(
                f"{self.path.parent}: holds the results of another command ({others[0]}); give another folder"
            )

    def order(self, sources: Sequence[Path]) -> None:
        """Lines of other inputs first, then those of `sources` in this order, however they come."""
        self.ranks = {self._input(source): rank for rank, source in enumerate(sources)}

    def skip(self, job: Job) -> None:
        """Note that a job was finished before; its line stays as it is, so that a rerun ends with the same table."""
        self.now[self._input(job.source)] = "skipped"

    def add(self, source: Path, outcome: Outcome, job: Job | None = None) -> None:
        """Note what became of an input, and of its job if it came to one."""
        given = self._input(source)
        self.now[given] = outcome.status
        name, key = ("", "") if job is None else (job.stem.name, job.key)
        values = (given, outcome.status, name, outcome.output, outcome.reason, key)
        self.rows[given] = dict(zip(COLUMNS, values, strict=True))

    @property
    def failures(self) -> list[str]:
        """Reasons of this run's failures."""
        return [self.rows[name]["reason"] for name, status in self.now.items() if status == "failed"]

    @property
    def counts(self) -> dict[str, int]:
        """How many inputs of this run were done, failed, skipped, interrupted."""
        return dict(Counter(self.now.values()))

    def append(self, source: Path) -> None:
        """Write one input's line behind the others; of two lines of an input the later counts.

        Raises:
            OutputError: it cannot be written.
        """
        try:
            with self.path.open("a", newline="", encoding="utf-8", errors="surrogateescape") as file:
                writer = csv.DictWriter(file, COLUMNS, extrasaction="ignore", lineterminator="\n")
                writer.writerow(self.rows[self._input(source)])
        except OSError as error:
            raise OutputError(f"cannot write {self.path}: {error.strerror or error}") from error

    def write(self) -> None:
        """Write the table, atomically, unless it stands there already.

        Raises:
            OutputError: it cannot be written.
        """
        text = io.StringIO()
        writer = csv.DictWriter(text, COLUMNS, extrasaction="ignore", lineterminator="\n")
        writer.writeheader()
        writer.writerows(sorted(self.rows.values(), key=lambda row: self.ranks.get(row["input"], -1)))
        if not self.path.exists() or self.path.read_bytes() != os.fsencode(text.getvalue()):
            write_text(self.path, text.getvalue())

    def _input(self, source: Path) -> str:
        return input_name(source, self.path.parent)


def input_name(source: Path, folder: Path) -> str:
    """An input's path from the folder of its results, the same from wherever a command is called."""
    try:
        return os.path.relpath(source, folder)
    except ValueError:  # another drive
        return str(source.absolute())


def _read(path: Path) -> dict[str, dict[str, str]]:
    """Lines of an earlier manifest by input."""
    if not path.exists():
        return {}
    try:
        with path.open(newline="", encoding="utf-8", errors="surrogateescape") as file:
            reader = csv.DictReader(file)
            if tuple(reader.fieldnames or ()) != COLUMNS:
                raise OutputError(f"{path}: not a manifest of wplus, and not to be lost; give another folder")
            return {row["input"]: row for row in reader if None not in row.values()}
    except (OSError, csv.Error) as error:
        raise OutputError(f"{path}: cannot be read: {error}") from error
