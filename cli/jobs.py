"""Folder in, folder out: inputs keep their names, one failure stops no other, and a manifest tells of each.

The manifest is a table, `manifest.csv`, with one line an input: done, failed or interrupted, and why. An input is
skipped when an earlier run with the same settings finished it and its result is still there: its line stays.
"""

import csv
import hashlib
import io
import itertools
import json
import os
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from wplus.core import ImageError, OutputError, WplusError
from wplus.core.files import write_text
from wplus.core.images import find_pictures

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


def plan(
    inputs: Sequence[Path], folder: Path, settings: Mapping[str, Any], manifest: "Manifest"
) -> tuple[list[Job], dict[Path, str]]:
    """Jobs for all pictures in `inputs` (files and folders), and the inputs that hold none, with the reason.

    An input keeps the name that the manifest knows it by; no two inputs share one, in this run or from earlier ones.
    """
    sources: list[Path] = []
    failed: dict[Path, str] = {}
    for given in inputs:
        try:
            sources += [path for path in find_pictures(given) if path not in sources]
        except ImageError as error:
            failed[given] = str(error)
    names = {source: manifest.name_of(source) for source in sources}
    taken = manifest.names | {name for name in names.values() if name is not None}
    jobs = []
    for source in sources:
        try:
            data = source.read_bytes()
        except OSError as error:
            failed[source] = f"{source}: cannot be read: {error.strerror}"
            continue
        name = names[source]
        if name is None:  # a.jpg beside a.png, or one name in two folders
            others = (f"{source.stem}-{number}" for number in itertools.count(2))
            name = next(name for name in itertools.chain([source.stem], others) if name not in taken)
            taken.add(name)
        jobs.append(Job(source, folder / name, _key(data, settings), manifest.has_result(source)))
    return jobs, failed


def run(
    inputs: Sequence[Path],
    folder: Path,
    *,
    settings: Mapping[str, Any],
    suffix: str,
    work: Callable[[Sequence[Job], Sequence[Job]], Iterator[tuple[Job, Outcome]]],
) -> None:
    """Do all jobs that are not done yet; writes the manifest after each, and ends with exit code 1 if any failed.

    Args:
        settings: what decides the results, besides the inputs; JSON.
        suffix: of the results; a job is done when the manifest says so and this file is there.
        work: takes all jobs and those to do, gives outcomes as they come; it handles single jobs' mistakes.

    Raises:
        OutputError: the folder cannot be written.
    """
    manifest = Manifest(folder / "manifest.csv")
    jobs, failed = plan(inputs, folder, settings, manifest)
    if any(job.source.resolve().parent == folder.resolve() for job in jobs):
        raise OutputError(
            f"{folder}: the results would lie among the inputs and could replace them; give another folder"
        )
    todo = [job for job in jobs if not manifest.holds(job, suffix)]
    total = len(jobs) + len(failed)
    if todo:
        folder_must_be_writable(folder)
    manifest.order([*failed, *(job.source for job in jobs)])
    for path, reason in failed.items():
        manifest.add(path, Outcome("failed", reason=reason))
    for job in jobs:
        if job not in todo:
            manifest.skip(job)
    interrupted = False
    for job, outcome in work(jobs, todo):
        interrupted |= outcome.status == "interrupted"
        if outcome.status == "interrupted" and job.finished:
            continue  # what there was before stays, and so does its line
        manifest.add(job.source, outcome, job)
        if outcome.status == "done" and outcome.reason:
            click.echo(f"{job.source}: {outcome.reason}", err=True)
        if outcome.status != "failed" or total > 1:  # a single photograph that fails leaves nothing behind
            manifest.write()
    if interrupted:
        raise KeyboardInterrupt
    reasons = manifest.failures
    if total == 1 and reasons:
        raise WplusError(reasons[0])
    for reason in reasons:
        click.echo(f"wplus: {reason}", err=True)
    if jobs:
        manifest.write()
    click.echo(f"{folder}: {manifest.summary} of {total}")
    if reasons:
        raise WplusError(f"{len(reasons)} of {total} inputs failed; {manifest.path} says why")


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

    def holds(self, job: Job, suffix: str) -> bool:
        """Whether the finished result of a job is of these settings, and of this suffix."""
        row = self.rows.get(self._input(job.source), {})
        return job.finished and row["key"] == job.key and row["output"].endswith(suffix)

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
    def summary(self) -> str:
        """Counts of this run, such as "3 done, 1 failed"."""
        counts = Counter(self.now.values())
        return ", ".join(f"{count} {status}" for status, count in counts.items())

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
        try:
            return os.path.relpath(source, self.path.parent)
        except ValueError:  # another drive
            return str(source.absolute())


def attempt(job: Job, work: Callable[[Job], Outcome]) -> Outcome:
    """The outcome of one job, a user's mistake included."""
    try:
        return work(job)
    except WplusError as error:
        return Outcome("failed", reason=str(error))


def folder_must_be_writable(folder: Path) -> None:
    """Fail before hours of work, not after.

    Raises:
        OutputError: the folder cannot be made or written.
    """
    nearest = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    probe = nearest / f".wplus-probe-{os.getpid()}"
    try:
        write_text(probe, "")
    except OutputError as error:
        raise OutputError(str(error).replace(str(probe), str(folder))) from error
    probe.unlink()


def _key(data: bytes, settings: Mapping[str, Any]) -> str:
    return hashlib.sha256(data + json.dumps(settings, sort_keys=True).encode()).hexdigest()[:16]


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
