"""wplus align: photographs to FFHQ crops."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import click

from wplus.alignment import align, chosen, detect
from wplus.cli.folders import report
from wplus.cli.options import output_option, progress, remark
from wplus.core import FaceError
from wplus.core.files import write_text
from wplus.core.images import read_photo, write_picture
from wplus.pipelines.folder.jobs import attempt, run
from wplus.pipelines.folder.manifest import Job, Outcome


@click.command()
@click.argument("photos", nargs=-1, required=True, type=click.Path(path_type=Path))
@output_option(folder=True)
@click.option("--face", type=click.IntRange(0), default=0, show_default=True, help="Which face; 0 is the largest.")
@click.option("--all", "every", is_flag=True, help="All faces of a photograph: NAME-0, NAME-1 ...")
@click.option("--size", type=click.IntRange(16, 4096), default=1024, show_default=True, help="Side of the crops, px.")
def command(photos: tuple[Path, ...], output: Path, face: int, every: bool, size: int) -> None:
    """Find faces in PHOTOS (files or folders) and cut them out as FFHQ did.

    Each crop NAME.png has a NAME.json beside it that tells where it lies in the photograph. A rerun skips what is
    finished; manifest.csv tells what became of every input.

    \b
    Examples:
      wplus align portrait.jpg -o crops
      wplus align holiday/ -o crops --all --size 256
    """

    def work(_: Sequence[Job], jobs: Sequence[Job]) -> Iterator[tuple[Job, Outcome]]:
        with progress(len(jobs), text="align", unit="photo") as bar:
            for job in jobs:
                yield job, attempt(job, one)
                bar.update()

    written: dict[Path, Path] = {}

    def one(job: Job) -> Outcome:
        photo = read_photo(job.source)
        faces = detect(photo)
        first = chosen(faces, 0 if every else face, str(job.source))
        found = faces if every else [first]
        names = [job.stem.name] if len(found) == 1 else [f"{job.stem.name}-{number}" for number in range(len(found))]
        for name, item in zip(names, found, strict=True):
            target = job.stem.with_name(f"{name}.png")
            if written.setdefault(target, job.source) != job.source:
                raise FaceError(
                    f"{job.source}: its crop {name}.png would replace that of {written[target]}; rename one"
                )
            crop = align(photo, size=size, face=item)
            write_picture(target, crop.picture)
            write_text(target.with_suffix(".json"), json.dumps(crop.alignment.to_json(), indent=1) + "\n")
        others = len(faces) - len(found)
        return Outcome("done", f"{names[0]}.png", f"{others} more face{'s' * (others > 1)} left out" if others else "")

    settings = {"face": "all" if every else face, "size": size}
    report(run(photos, output, settings=settings, suffix=".png", work=work, note=remark))
