"""wplus align: photographs to FFHQ crops."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import click

from wplus.alignment import align, detect
from wplus.cli.jobs import Job, Outcome, attempt, run
from wplus.cli.options import output_option, progress
from wplus.core import FaceError
from wplus.core.files import write_text
from wplus.core.images import read_photo, write_picture


@click.command()
@click.argument("photos", nargs=-1, required=True, type=click.Path(path_type=Path))
@output_option(folder=True)
@click.option("--face", type=click.IntRange(1), default=1, show_default=True, help="Which face: 1 is the largest.")
@click.option("--all", "every", is_flag=True, help="All faces of a photograph: NAME-1, NAME-2 ...")
@click.option("--size", type=click.IntRange(16, 4096), default=1024, show_default=True, help="Side of the crops, px.")
def command(photos: tuple[Path, ...], output: Path, face: int, every: bool, size: int) -> None:
    r"""Find faces in PHOTOS (files or folders) and cut them out as FFHQ did.

    Each crop NAME.png has a NAME.json beside it that tells where it lies in the photograph. A rerun skips what is
    finished; manifest.csv tells what became of every input.

    \b
    Examples:
      wplus align portrait.jpg -o crops
      wplus align holiday/ -o crops --all --size 256
    """

    def work(jobs: Sequence[Job]) -> Iterator[tuple[Job, Outcome]]:
        with progress(len(jobs), text="align", unit="photo") as bar:
            for job in jobs:
                yield job, attempt(job, one)
                bar.update()

    def one(job: Job) -> Outcome:
        photo = read_photo(job.source)
        faces = detect(photo)
        if not faces:
            raise FaceError(f"no face found in {job.source}; is one visible, larger than about 40 px?")
        if not every and face > len(faces):
            raise FaceError(f"{job.source} shows {len(faces)} face{'s' * (len(faces) > 1)}, there is no number {face}")
        chosen = list(enumerate(faces, 1)) if every else [(face, faces[face - 1])]
        for number, item in chosen:
            crop = align(photo, size=size, face=item)
            stem = job.stem.name if len(chosen) == 1 else f"{job.stem.name}-{number}"
            write_picture(job.stem.with_name(f"{stem}.png"), crop.picture)
            write_text(job.stem.with_name(f"{stem}.json"), json.dumps(crop.alignment.to_json(), indent=1) + "\n")
        first = job.stem.name if len(chosen) == 1 else f"{job.stem.name}-1"
        others = len(faces) - len(chosen)
        return Outcome("done", f"{first}.png", f"{others} more face{'s' * (others > 1)} left out" if others else "")

    run(photos, output, settings={"face": 0 if every else face, "size": size}, suffix=".png", work=work)
