"""wplus morph: from one face to another."""

from collections.abc import Callable, Iterator
from pathlib import Path

import click
import torch

from wplus.cli.options import FINITE, FiniteRange, device_option, opener, output_option, progress, write_result
from wplus.cli.photographs import mark_option
from wplus.core import Latent
from wplus.core.animation import PLAYED, there_and_back, write_frames
from wplus.core.files import check_not_input
from wplus.core.images import PICTURE_SUFFIXES
from wplus.core.photograph import open_photograph
from wplus.core.shapes import Picture
from wplus.editing import morph
from wplus.models import Generator, load_generator
from wplus.models.checkpoints.latents import load_latent
from wplus.pipelines.edit import SHIPPED, subject
from wplus.pipelines.morph import end_of, inside, morph_frames, reduced_to
from wplus.pipelines.rendering import render_one
from wplus.pipelines.restore import alignment_of, mark


@click.command()
@click.argument("a", type=click.Path(path_type=Path))
@click.argument("b", type=click.Path(path_type=Path))
@output_option(folder=False)
@click.option("--frames", type=click.IntRange(2), help="Frames, ends included.  [9 for a strip, 48 for an animation]")
@click.option("--weight", type=FINITE, help="One picture or latent at this weight instead; 0 is A, 1 is B.")
@click.option("--seconds", type=FiniteRange(0.1, 600), default=3.0, show_default=True, help="Length of an animation.")
@click.option("--fps", type=FiniteRange(1, 60), help="Frames a second of an animation, instead of --frames.")
@click.option(
    "--photos",
    nargs=2,
    type=click.Path(path_type=Path),
    metavar="PHOTO PHOTO",
    help="The photographs that the latents A and B are of: frames are as sharp as they are.",
)
@click.option("--inside", "in_photo", is_flag=True, help="Morph the face in A's photograph; the rest of it stays.")
@click.option(
    "--size",
    type=click.IntRange(64, 4096),
    help="Side of frames of photographs.  [512; with --inside 1024, the longer side]",
)
@mark_option
@click.option("--loop", is_flag=True, help="Play back to A again.")
@click.option("--generator", help=f"Catalogue name or file.  [what latents name; {SHIPPED} for photographs]")
@device_option
def command(
    a: Path,
    b: Path,
    output: Path,
    frames: int | None,
    weight: float | None,
    seconds: float,
    fps: float | None,
    photos: tuple[Path, Path] | None,
    in_photo: bool,
    size: int | None,
    marked: bool,
    loop: bool,
    generator: str | None,
    device: str,
) -> None:
    """Morph from A to B, two photographs or two latents; the first frame is A.

    -o is a strip (.png, .jpg), an animation (.gif, .webp, .mp4, .webm), or with --weight one picture or latent.

    \b
    Examples:
      wplus morph me.jpg her.jpg -o morph.mp4 --size 720
      wplus morph me.jpg her.jpg -o morph.webp --inside --loop
      wplus morph a.safetensors b.safetensors -o strip.png
      wplus morph a.safetensors b.safetensors -o sharp.mp4 --photos a.jpg b.jpg
      wplus morph a.safetensors b.safetensors --weight 0.5 -o half.safetensors
    """
    pictures = [path.suffix.lower() in PICTURE_SUFFIXES for path in (a, b)]
    if pictures[0] != pictures[1] or (photos and any(pictures)):
        raise click.UsageError("give two photographs, or two latents with or without --photos")
    if in_photo and not (photos or all(pictures)):
        raise click.UsageError("--inside needs photographs: give two, or --photos with the latents")
    check_not_input(output, a, b, *(photos or ()))
    if all(pictures):
        photos = (a, b)
        edits = load_generator(generator or SHIPPED).to(device)
        with progress(2, text="find codes", unit="photo") as bar:
            first, second = (found_in(path, edits, bar.update) for path in photos)
    else:
        first, second = load_latent(a), load_latent(b)
    network = opener([first, second], generator or (SHIPPED if all(pictures) else None), device)
    if weight is not None and (photos is None or output.suffix.lower() == ".safetensors"):
        write_result(output, morph(first, second, weight=weight), network)
        return
    animated = output.suffix.lower() in PLAYED
    count = frames or (max(2, round(fps * seconds)) if fps and animated else 48 if animated else 9)
    weights = torch.linspace(0, 1, count).tolist() if weight is None else [weight]
    if photos is None:
        made: Iterator[Picture] = (render_one(network(), morph(first, second, weight=share))[0] for share in weights)
    else:
        seen = [open_photograph(path).seen() for path in photos]
        side = size or (1024 if in_photo else 512)
        one, other = (
            end_of(picture, code, network(), size=min(side, 1024) if in_photo else side, anyway=all(pictures))
            for picture, code in zip(seen, (first, second), strict=True)
        )
        made = morph_frames(network(), (first, second), (one, other), weights)
        if in_photo:
            made = inside(*reduced_to(seen[0], alignment_of(first), side), made, weights)
    shown = []
    with progress(len(weights), text="morph", unit="frame") as bar:
        for picture in made:
            shown.append(picture)
            bar.update()
    played = there_and_back(shown) if loop else torch.stack(shown)
    write_frames(output, played, seconds=seconds, mark=mark("morph of two faces") if marked and photos else None)
    click.echo(output)


def found_in(path: Path, generator: Generator, done: Callable[[], object]) -> Latent:
    """The codes of the largest face in a photograph."""
    latent = subject(open_photograph(path), generator).latent
    done()
    return latent
