"""wplus edit: photographs changed along named directions."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import click
import torch

from wplus.cli.folders import report
from wplus.cli.options import FINITE, device_option, output_option, progress, record_options, remark
from wplus.cli.photographs import mark_option, paste_option, tell_lost
from wplus.core import Direction, DirectionError, OutputError
from wplus.core.animation import strip
from wplus.core.files import check_not_input
from wplus.core.images import no_larger
from wplus.core.photograph import Photograph, open_photograph
from wplus.core.shapes import Picture
from wplus.editing.directions import say
from wplus.models import Generator, load_generator, read_encoder
from wplus.models.checkpoints.latents import load_latent
from wplus.pipelines.directions import known_directions
from wplus.pipelines.edit import SHIPPED, Nearness, Subject, choose, edit_faces, move, subject
from wplus.pipelines.folder.jobs import attempt, run
from wplus.pipelines.folder.manifest import Job, Outcome
from wplus.pipelines.restore import Paste

SHEET = (-2, -1, 0, 1, 2)
"""Strengths that --sheet shows."""

SHOWN = 512
"""Pixels of the side of a photograph on a sheet at most."""


class Strengths(click.Command):
    """A command that takes `--smile 0.8` for any name: what is no option of its own is a direction's strength."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        own = {name for parameter in self.get_params(ctx) for name in (*parameter.opts, *parameter.secondary_opts)}
        rest: list[str] = []
        strengths: dict[str, float] = {}
        given = iter(args)
        for word in given:
            name, equals, value = word.partition("=")
            if not name.startswith("--") or name in own or name == "--":
                rest.append(word)
                continue
            text = value if equals else next(given, "")
            try:
                strengths[name[2:]] = FINITE.convert(text, None, ctx)
            except click.BadParameter:
                raise click.UsageError(
                    f"{name} is no option, and as a direction it needs a strength, for instance {name} 0.8", ctx
                ) from None
        ctx.ensure_object(dict)["strengths"] = strengths
        return super().parse_args(ctx, rest)


@click.command(cls=Strengths)
@click.argument("photos", nargs=-1, type=click.Path(path_type=Path))
@output_option(folder=False, default="edited.jpg")
@click.option("--say", "said", metavar="TEXT", help="The same in words: 'smiling, older, with glasses'.")
@click.option("--sheet", is_flag=True, help="A strip of strengths from -2 to 2, a row for each direction.")
@click.option("--list", "listed", is_flag=True, help="List directions with their units and what they leak into.")
@click.option("--face", metavar="NUMBER|all", default="0", show_default=True, help="Which face; 0 is the largest.")
@click.option("--crop", "cropped", is_flag=True, help="The photographs are already aligned crops.")
@click.option("--latent", type=click.Path(path_type=Path), help="Codes found before, of `wplus invert`.")
@click.option("--directions", type=click.Path(path_type=Path), help="A file of directions.  [the generator's own]")
@click.option("--generator", default=SHIPPED, show_default=True, help="Catalogue name or file.")
@click.option("--encoder", type=click.Path(path_type=Path), help="An encoder's file.  [the generator's own]")
@paste_option
@mark_option
@record_options(Nearness)
@device_option
@click.pass_context
def command(
    context: click.Context,
    /,
    photos: tuple[Path, ...],
    output: Path,
    said: str | None,
    sheet: bool,
    listed: bool,
    face: str,
    cropped: bool,
    latent: Path | None,
    directions: Path | None,
    generator: str,
    encoder: Path | None,
    paste: Paste,
    marked: bool,
    device: str,
    **given: Any,
) -> None:
    """Change faces in PHOTOS (files and folders) along named directions; strengths of 1 or so look natural.

    \b
    Examples:
      wplus edit me.jpg --smile 0.8 --age -0.5 -o edited.jpg
      wplus edit me.jpg --say "smiling, older, with glasses"
      wplus edit holiday/ --smile 0.6 -o smiling/
      wplus edit me.jpg --smile 1 --sheet -o strip.jpg
      wplus edit --list
    """
    network = load_generator(generator).to(device)
    known = known_directions(network, directions)
    if listed:
        tell(known)
        return
    strengths = (say(said) if said else {}) | context.obj["strengths"]
    moves = choose(known, strengths)
    if not photos:
        raise click.UsageError("give a photograph, or --list", context)
    if not moves:
        raise click.UsageError("say what to change, for instance --smile 0.8; --list lists the directions", context)
    if face != "all" and not face.isdecimal():
        raise click.UsageError(f"--face {face}: expected a number, or all", context)
    nearness = Nearness(**{name: value for name, value in given.items() if value is not None})
    how: dict[str, Any] = {
        "cropped": cropped,
        "latent": None if latent is None else load_latent(latent),
        "encoder": None if encoder is None else read_encoder(encoder).to(network.device),
        "nearness": nearness,
    }

    def work(path: Path) -> Photograph:
        photo = open_photograph(path)
        if not sheet:
            edited = edit_faces(photo, network, moves, face=None if face == "all" else int(face), paste=paste, **how)
            tell_lost(path, edited)
            return edited if marked else replace(edited, xmp=photo.xmp, exif=photo.exif)
        person = subject(photo, network, face=0 if face == "all" else int(face), **how)
        return Photograph(sheet_of(person, network, known, strengths))

    decided = {
        "strengths": strengths,
        "sheet": sheet,
        "face": face,
        "crop": cropped,
        "paste": paste,
        "mark": marked,
        "generator": network.fingerprint,
    }
    _run(photos, output, work, decided | {"directions": [item.about.details for item in moves], **asdict(nearness)})


def _run(photos: Sequence[Path], output: Path, work: Callable[[Path], Photograph], settings: Mapping[str, Any]) -> None:
    """Edit one photograph into a file; several, or a folder, into a folder under their own names, with a manifest.

    Raises:
        OutputError: a file for several photographs, or a result over its input.
        WplusError: photographs failed; the others are edited all the same.
    """
    if len(photos) == 1 and not photos[0].is_dir() and output.suffix:
        check_not_input(output, *photos)
        work(photos[0]).save(output)
        click.echo(output)
        return
    if output.suffix:
        raise OutputError(f"{output}: several photographs need a folder; give one without a suffix")

    def one(job: Job) -> Outcome:
        target = job.stem.with_name(f"{job.stem.name}.jpg")
        work(job.source).save(target)
        return Outcome("done", target.name)

    def each(_: Sequence[Job], jobs: Sequence[Job]) -> Iterator[tuple[Job, Outcome]]:
        with progress(len(jobs), text="edit", unit="photo") as bar:
            for job in jobs:
                yield job, attempt(job, one)
                bar.update()

    report(run(photos, output, settings=settings, suffix=".jpg", work=each, note=remark))


def sheet_of(
    person: Subject, network: Generator, known: Mapping[str, Direction], strengths: Mapping[str, float]
) -> Picture:
    """A row for each direction named: the photograph edited from -2 to 2, reduced to `SHOWN` px."""
    rows = []
    for name in strengths:
        shown = [move(person, network, choose(known, {name: strength})).seen() for strength in SHEET]
        rows.append(strip(torch.stack([no_larger(picture, side=SHOWN) for picture in shown])))
    return torch.cat(rows, dim=1)


def tell(known: Mapping[str, Direction]) -> None:
    """A line for each direction: name, unit, and the measures that it changes by a fifth of a deviation or more.

    Raises:
        DirectionError: there are none.
    """
    if not known:
        raise DirectionError("there are no directions for this generator; find some with `wplus directions find`")
    names, units = max(map(len, known)), max(len(item.about.unit) for item in known.values())
    click.echo(f"{'name':{names}}  {'a strength of 1':{units}}  leaks into")
    for name, item in known.items():
        leaks = {key: value for key, value in item.about.leaks.items() if key != item.about.measure}
        worst = sorted(leaks, key=lambda key: -abs(leaks[key]))[:3]
        words = ", ".join(f"{key} {leaks[key]:+.2f}" for key in worst if abs(leaks[key]) >= 0.2)
        click.echo(f"{name:{names}}  {item.about.unit:{units}}  {words or '-'}")
