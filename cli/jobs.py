"""Folder in, folder out: inputs keep their names, one failure stops no other, and a manifest tells of each."""

import hashlib
import itertools
import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from wplus.cli.manifest import Job, Manifest, Outcome
from wplus.core import ImageError, OutputError, WplusError
from wplus.core.files import write_text
from wplus.core.images import find_pictures
from wplus.inversion.folder.groups import Unfinished

RESULTS = (".safetensors", ".png", ".json")
"""Suffixes of what commands write into folders."""


def plan(
    inputs: Sequence[Path], folder: Path, settings: Mapping[str, Any], manifest: Manifest
) -> tuple[list[Job], dict[Path, str]]:
    """Jobs for all pictures in `inputs` (files and folders), and the inputs that hold none, with the reason.

    An input keeps the name that the manifest knows it by; no two inputs share one, in this run or from earlier ones,
    and none takes the name of a file that is not ours. A run that was killed may have left some that are, untold.
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
    if not Unfinished(folder).folder.exists():
        taken |= {path.stem for path in folder.glob("*") if path.suffix in RESULTS}
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
        suffix: of the results; a folder with results of another is refused.
        work: takes all jobs and those to do, gives outcomes as they come; it handles single jobs' mistakes.

    Raises:
        OutputError: the folder cannot be written, or holds another command's results.
    """
    manifest = Manifest(folder / "manifest.csv")
    manifest.must_be_of(suffix)
    jobs, failed = plan(inputs, folder, settings, manifest)
    if any(job.source.resolve().parent == folder.resolve() for job in jobs):
        raise OutputError(
            f"{folder}: the results would lie among the inputs and could replace them; give another folder"
        )
    todo = [job for job in jobs if not manifest.holds(job)]
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
        if outcome.status == "interrupted" and not outcome.output:
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
