"""wplus invert: photographs to latents."""

import functools
import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import click

from wplus.alignment import Crop, align, as_crop
from wplus.cli.jobs import Job, Outcome, attempt, run
from wplus.cli.options import (
    descent,
    device_option,
    generator_option,
    output_option,
    record_options,
    render_one,
)
from wplus.core import Latent, LatentError, WplusError
from wplus.core.images import write_picture
from wplus.inversion import (
    SPACES,
    Encoder,
    Given,
    Identity,
    Inversion,
    Mean,
    Objective,
    Perceptual,
    Pixel,
    Random,
    Settings,
    Start,
    Term,
    face_place,
    invert,
)
from wplus.inversion.invert import check_space
from wplus.inversion.progress import load_progress, save_progress
from wplus.models import (
    IMAGE2STYLEGAN_TAPS,
    EncoderNetwork,
    Generator,
    load_encoder,
    load_generator,
    load_identity,
    load_perceptual,
    read_encoder,
)

PRESETS = {"quick": Settings(), "paper": Settings.image2stylegan()}
STARTS: dict[str, Start] = {"mean": Mean(), "random": Random()}


@click.command()
@click.argument("photos", nargs=-1, required=True, type=click.Path(path_type=Path))
@output_option(folder=True)
@generator_option
@click.option("--crop", "cropped", is_flag=True, help="The inputs are aligned crops already; squares of any size.")
@click.option("--face", type=click.IntRange(0), default=0, show_default=True, help="Which face; 0 is the largest.")
@click.option("--space", type=click.Choice([space.name for space in SPACES]), default="W+", show_default=True)
@click.option(
    "--start",
    default="mean",
    show_default=True,
    metavar="mean|random|encoder|LATENT",
    help="First codes; those of the same person's neutral photograph make differences of expression clean.",
)
@click.option(
    "--method",
    type=click.Choice(["optimise", "encoder"]),
    default="optimise",
    show_default=True,
    help="encoder: its codes are the answer, at once and less exact.",
)
@click.option("--encoder", type=click.Path(path_type=Path), help="An encoder's file.  [the generator's own]")
@click.option(
    "--perceptual", help="vgg-slim (ships), vgg16 (528 MB, downloaded once) or a file.  [the generator's own]"
)
@click.option("--taps", default=",".join(IMAGE2STYLEGAN_TAPS), show_default=True, help="Layers that are compared.")
@click.option("--perceptual-weight", type=float, default=1.0, show_default=True, help="Lambda of the four taps.")
@click.option("--pixel-weight", type=float, default=1.0, show_default=True, help="Lambda of the squared error.")
@click.option(
    "--identity-weight",
    type=float,
    default=0.0,
    show_default=True,
    help="Lambda of the squared distance of dlib's face descriptors; try 0.1.",
)
@click.option(
    "--preset",
    type=click.Choice(list(PRESETS)),
    default="quick",
    show_default=True,
    help="Settings below: quick, or Image2StyleGAN's own 5000 steps.",
)
@record_options(Settings)
@click.option(
    "--batch", type=click.IntRange(1), help="Pictures at once; the results are the same.  [8 up to 128 px, else 1]"
)
@device_option
def command(
    photos: tuple[Path, ...],
    output: Path,
    generator: str,
    cropped: bool,
    face: int,
    space: str,
    start: str,
    method: str,
    encoder: Path | None,
    perceptual: str | None,
    taps: str,
    perceptual_weight: float,
    pixel_weight: float,
    identity_weight: float,
    preset: str,
    batch: int | None,
    device: str,
    **changed: Any,
) -> None:
    """Embed PHOTOS (files or folders) in W+, or as stylemaps: align, then optimise the codes (Image2StyleGAN).

    NAME.safetensors is the latent, NAME.png its picture; manifest.csv tells what became of every input. A rerun skips
    what is finished, and goes on with what Ctrl-C broke off.

    \b
    Examples:
      wplus invert portrait.jpg -o codes
      wplus invert holiday/ -o codes --steps 1000
      wplus invert holiday/ -o codes --method encoder
      wplus invert crops/ --crop -o codes --preset paper --perceptual vgg16
    """
    opened = load_generator(generator).to(device)
    together = batch or (8 if opened.resolution <= 128 else 1)  # small networks leave a processor idle
    if method == "encoder":
        start, changed["steps"] = "encoder", 0
    chosen = next(item for item in SPACES if item.name == space)
    check_space(opened, chosen)
    begin = _start(start, opened, encoder)
    network = load_perceptual(perceptual or opened.card.perceptual).to(device)
    try:
        settings = replace(PRESETS[preset], **{name: value for name, value in changed.items() if value is not None})
        names = tuple(name.strip() for name in taps.split(","))
        terms: list[Term] = [Perceptual(network, names, weight=perceptual_weight), Pixel(pixel_weight)]
        if identity_weight != 0:
            terms.append(Identity(load_identity().to(device), identity_weight))
        objective = Objective(terms)
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    click.echo(
        f"generator {opened.name} ({opened.resolution} px), perceptual network {network.name}, {device}", err=True
    )
    described = asdict(settings) | {
        "generator": opened.fingerprint,
        "objective": objective.to_json(),
        "space": space,
        "start": _described(begin),
        "cropped": cropped,
        "face": face,
    }

    def work(jobs: Sequence[Job]) -> Iterator[tuple[Job, Outcome]]:
        for first in range(0, len(jobs), together):
            ready: list[tuple[Job, Crop]] = []
            for job in jobs[first : first + together]:
                try:
                    ready.append((job, read(job.source)))
                except WplusError as error:
                    yield job, Outcome("failed", reason=str(error))
            # a picture that was broken off goes on alone: its steps are not those of the others
            fresh = [item for item in ready if not _resume_file(item[0]).exists()]
            for group in ([fresh] if fresh else []) + [[item] for item in ready if item not in fresh]:
                found = invert_group(group, f"invert {first + len(group)}/{len(jobs)}")
                for index, (job, _) in enumerate(group):
                    yield job, attempt(job, functools.partial(_save, opened, found, index))
                if found.interrupted:
                    return

    def read(source: Path) -> Crop:
        size = opened.resolution
        crop = as_crop(source, size=size) if cropped else align(source, size=size, face=face)
        if identity_weight != 0:
            face_place(crop.picture, f"the crop of {source}")  # here it fails alone, later with its batch
        return crop

    def invert_group(group: list[tuple[Job, Crop]], text: str) -> Inversion:
        resume = load_progress(_resume_file(group[0][0]), key=group[0][0].key) if len(group) == 1 else None
        begun = 0 if resume is None else resume.step
        with descent(settings.steps + 1 - begun, text=text) as watch:
            return invert(
                opened,
                [crop for _, crop in group],
                objective=objective,
                settings=settings,
                resume=resume,
                watch=watch,
                space=chosen,
                start=begin,
            )

    run(photos, output, settings=described, suffix=".safetensors", work=work)


def _start(name: str, generator: Generator, encoder: Path | None) -> Start:
    """The start of that name, or the latent in the file of that name; it belongs to `generator`."""
    if name in STARTS:
        return STARTS[name]
    if name == "encoder":
        return Encoder(read_encoder(encoder) if encoder else load_encoder(generator))
    latent = Latent.load(name)
    generator.check(latent)
    if len(latent) != 1:
        raise LatentError(f"{name}: holds {len(latent)} codes, expected one to start every picture from")
    return Given(latent)


def _described(start: Start) -> object:
    """What tells a start from any other."""
    match start:
        case Given(latent=latent):
            return latent.ws.flatten().tolist()
        case Encoder(network=EncoderNetwork() as network):
            return network.fingerprint
    return start.name


def _save(generator: Generator, found: Inversion, index: int, job: Job) -> Outcome:
    """Write latent and picture; of a descent that was broken off also what it needs to go on."""
    latent = found.latents[index]
    assert latent.origin is not None
    if not all(map(math.isfinite, latent.origin.losses.values())):
        return Outcome("failed", reason=f"{job.source}: {found.stopped[index]}")
    file = job.stem.with_name(job.stem.name + ".safetensors")
    latent.save(file)
    write_picture(job.stem.with_name(job.stem.name + ".png"), render_one(generator, latent)[0])
    if found.interrupted:
        save_progress(_resume_file(job), found.progress, index=index, key=job.key)
        return Outcome("interrupted", file.name, f"broken off before step {found.progress.step}; a rerun goes on")
    _resume_file(job).unlink(missing_ok=True)
    return Outcome("done", file.name, found.stopped[index] or "")


def _resume_file(job: Job) -> Path:
    return job.stem.with_name(f".{job.stem.name}.resume.safetensors")
