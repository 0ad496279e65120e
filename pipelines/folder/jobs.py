"""Folder in, folder out: inputs keep their names, and a failed input does not stop the batch.

A manifest records the outcome of each.
"""

import hashlib
import json
import os
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from wplus.core import ImageError, OutputError, WplusError
from wplus.core.files import cache_folder, write_text
from wplus.core.images import find_pictures, passed_over
from wplus.pipelines.folder.groups import Unfinished
from wplus.pipelines.folder.manifest import Job, Manifest, Outcome

RESULTS = (".safetensors", ".png", ".json")
"""Suffixes of what commands write into folders."""


def plan(
    inputs: Sequence[Path],
    folder: Path,
    settings: Callable[[Path], Mapping[str, Any]],
    manifest: Manifest,
    *,
    suffix: str,
) -> tuple[list[Job], dict[Path, str]]:
    """Jobs for all pictures in `inputs` (files and folders), and the inputs that hold none, with the reason.

    An input keeps the name that the manifest knows it by; no two inputs share one, in this run or from earlier ones,
    and none takes the name of a file that is not ours, of `suffix` or of another of `RESULTS`. A run that was killed
    may have left some that are, untold.
    """
    sources: dict[Path, Path] = {}  # by the file itself: one photograph under two paths is one job
    failed: dict[Path, str] = {}
    for given in inputs:
        try:
            for path in find_pictures(given):
                sources.setdefault(path.resolve(), path)
        except ImageError as error:
            failed[given] = str(error)
    names = {source: manifest.name_of(source) for source in sources.values()}
    taken = manifest.names | {name for name in names.values() if name is not None}
    if not Unfinished(folder).folder.exists():
        taken |= {path.stem for path in folder.glob("*") if path.suffix in {*RESULTS, suffix}}
    numbers: dict[str, int] = {}
    jobs = []
    for source, name in names.items():
        try:
            data = source.read_bytes()
        except OSError as error:
            failed[source] = f"{source}: cannot be read: {error.strerror}"
            continue
        if name is None:
            name = _fresh_name(source.stem, taken, numbers)
            taken.add(name)
        jobs.append(Job(source, folder / name, _key(data, settings(source)), manifest.has_result(source)))
    return jobs, failed


def _fresh_name(stem: str, taken: Collection[str], numbers: dict[str, int]) -> str:
    """A name that no result has: a.jpg beside a.png, or one name in two folders, gets a number."""
    name = stem
    while name in taken:
        numbers[stem] = numbers.get(stem, 1) + 1
        name = f"{stem}-{numbers[stem]}"
    return name


@dataclass(frozen=True)
class Summary:
    """The result of a run.

    Args:
        folder: of the results.
        counts: how many inputs were done, failed, skipped, interrupted.
        failures: why inputs failed.
        interrupted: whether the run was told to stop.
    """

    folder: Path
    counts: Mapping[str, int]
    failures: tuple[str, ...]
    interrupted: bool

    @property
    def total(self) -> int:
        """How many inputs there were."""
        return sum(self.counts.values())

    def __str__(self) -> str:
        counts = ", ".join(f"{count} {status}" for status, count in self.counts.items())
        return f"{self.folder}: {counts} of {self.total}"

    def to_json(self) -> dict[str, Any]:
        """The same as plain values."""
        return {"folder": str(self.folder), **self.counts, "total": self.total, "failures": list(self.failures)}


def run(
    inputs: Sequence[Path],
    folder: Path,
    *,
    settings: Mapping[str, Any] | Callable[[Path], Mapping[str, Any]],
    suffix: str,
    work: Callable[[Sequence[Job], Sequence[Job]], Iterator[tuple[Job, Outcome]]],
    note: Callable[[str], None] = lambda line: None,
) -> Summary:
    """Do all jobs that are not done yet; the manifest has a line for each as soon as it is done.

    Args:
        inputs: files and folders.
        folder: of the results.
        settings: what decides the results, besides the inputs; JSON, of all inputs or of each.
        suffix: of the results; a folder with results of another is refused.
        work: takes all jobs and those to do, gives outcomes as they come; it handles single jobs' mistakes.
        note: called with remarks on what was done.

    Raises:
        OutputError: the folder cannot be written, holds another command's results, or another run writes into it.
        WplusError: a single input failed; it leaves nothing behind.
    """
    with _alone(folder):
        manifest = Manifest(folder / "manifest.csv")
        manifest.must_be_of(suffix)
        of_each = settings if callable(settings) else lambda source: settings
        jobs, failed = plan(inputs, folder, of_each, manifest, suffix=suffix)
        if any(job.source.resolve().parent == folder.resolve() for job in jobs):
            raise OutputError(
                f"{folder}: the results would lie among the inputs and could replace them; give another folder"
            )
        todo = [job for job in jobs if not manifest.holds(job)]
        others = [path for given in inputs for path in passed_over(given)]
        if others:
            named = ", ".join(path.name for path in others[:5]) + (", ..." if len(others) > 5 else "")
            note(f"passed over {len(others)} files that are no pictures: {named}")
        many = len(jobs) + len(failed) > 1
        if todo:
            folder_must_be_writable(folder)
        manifest.order([*failed, *(job.source for job in jobs)])
        for path, reason in failed.items():
            manifest.add(path, Outcome("failed", reason=reason))
        pending = {job.source for job in todo}
        for job in jobs:
            if job.source not in pending:
                manifest.skip(job)
        if todo and many:
            manifest.write()
        interrupted = False
        for job, outcome in work(jobs, todo):
            interrupted |= outcome.status == "interrupted"
            if outcome.status == "interrupted" and not outcome.output:
                continue  # what there was before stays, and so does its line
            manifest.add(job.source, outcome, job)
            if outcome.status == "done" and outcome.reason:
                note(f"{job.source}: {outcome.reason}")
            if many:
                manifest.append(job.source)
        summary = Summary(folder, manifest.counts, tuple(manifest.failures), interrupted)
        if not many and summary.failures:
            raise WplusError(summary.failures[0])
        if jobs:
            manifest.write()
        return summary


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """One run into a folder at a time on a machine; a run that was killed holds nothing.

    Raises:
        OutputError: another run writes into it.
    """
    name = hashlib.sha256(str(folder.resolve()).encode()).hexdigest()[:16]
    file = cache_folder() / "locks" / name
    lock = FileLock(file)
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        lock.acquire(timeout=0)
    except Timeout:
        raise OutputError(f"{folder}: another run writes into it; let it end, or give another folder") from None
    except OSError:  # a cache that cannot be written
        pass
    try:
        yield
    finally:
        lock.release()


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
