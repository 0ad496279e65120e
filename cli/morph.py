"""wplus morph: from one face to another."""

from collections.abc import Iterator
from pathlib import Path

import click
import torch

from wplus.cli.options import FINITE, FiniteRange, device_option, opener, output_option, progress, write_result
from wplus.core.animation import there_and_back, write_frames
from wplus.core.files import check_not_input
from wplus.core.photograph import open_photograph
from wplus.core.shapes import Picture
from wplus.editing import morph
from wplus.models.checkpoints.latents import load_latent
from wplus.pipelines.morph import end_of, morph_frames
from wplus.pipelines.rendering import render_one


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
    help="The photographs that A and B are of: frames are as sharp as they are.",
)
@click.option(
    "--size", type=click.IntRange(64, 2048), default=512, show_default=True, help="Side of frames, with --photos."
)
@click.option("--loop", is_flag=True, help="Play back to A again.")
@click.option("--generator", help="Catalogue name or file, for codes that do not name their generator.")
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
    size: int,
    loop: bool,
    generator: str | None,
    device: str,
) -> None:
    """Morph from latent A to latent B: a strip (.png) or an animation (.gif, .mp4, .webm); the first frame is A.

    \b
    Examples:
      wplus morph a.safetensors b.safetensors -o strip.png
      wplus morph a.safetensors b.safetensors -o morph.mp4 --frames 90
      wplus morph a.safetensors b.safetensors -o sharp.mp4 --photos a.jpg b.jpg --size 720
      wplus morph a.safetensors b.safetensors --weight 0.5 -o half.safetensors
    """
    check_not_input(output, a, b, *(photos or ()))
    first, second = load_latent(a), load_latent(b)
    network = opener([first, second], generator, device)
    if weight is not None and photos is None:
        write_result(output, morph(first, second, weight=weight), network)
        return
    animated = output.suffix.lower() in {".gif", ".mp4", ".webm"}
    count = frames or (max(2, round(fps * seconds)) if fps and animated else 48 if animated else 9)
    weights = torch.linspace(0, 1, count).tolist() if weight is None else [weight]
    if photos is None:
        made: Iterator[Picture] = (render_one(network(), morph(first, second, weight=share))[0] for share in weights)
    else:
        pair = zip(photos, (first, second), strict=True)
        one, other = (end_of(open_photograph(path).seen(), code, network(), size=size) for path, code in pair)
        made = morph_frames(network(), (first, second), (one, other), weights)
    pictures = []
    with progress(len(weights), text="morph", unit="frame") as bar:
        for picture in made:
            pictures.append(picture)
            bar.update()
    write_frames(output, there_and_back(pictures) if loop else torch.stack(pictures), seconds=seconds)
    click.echo(output)
