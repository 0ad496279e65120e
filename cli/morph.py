"""wplus morph: from one face to another."""

from pathlib import Path

import click
import torch

from wplus.cli.options import FINITE, FiniteRange, device_option, opener, output_option, progress, write_result
from wplus.core.animation import there_and_back, write_frames
from wplus.core.files import check_not_input
from wplus.editing import morph
from wplus.models.checkpoints.latents import load_latent
from wplus.pipelines.rendering import render_one


@click.command()
@click.argument("a", type=click.Path(path_type=Path))
@click.argument("b", type=click.Path(path_type=Path))
@output_option(folder=False)
@click.option("--frames", type=click.IntRange(2), help="Frames, ends included.  [9 for a strip, 48 for an animation]")
@click.option("--weight", type=FINITE, help="One picture or latent at this weight instead; 0 is A, 1 is B.")
@click.option("--seconds", type=FiniteRange(0.1, 600), default=3.0, show_default=True, help="Length of an animation.")
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
    loop: bool,
    generator: str | None,
    device: str,
) -> None:
    """Morph from latent A to latent B: a strip (.png) or an animation (.gif, .mp4); the first frame is A.

    \b
    Examples:
      wplus morph a.safetensors b.safetensors -o strip.png
      wplus morph a.safetensors b.safetensors -o morph.mp4 --frames 90
      wplus morph a.safetensors b.safetensors --weight 0.5 -o half.safetensors
    """
    check_not_input(output, a, b)
    first, second = load_latent(a), load_latent(b)
    network = opener([first, second], generator, device)
    if weight is not None:
        write_result(output, morph(first, second, weight=weight), network)
        return
    count = frames or (48 if output.suffix.lower() in {".gif", ".mp4"} else 9)
    with progress(count, text="morph", unit="frame") as bar:
        rendered = []
        for share in torch.linspace(0, 1, count).tolist():
            rendered.append(render_one(network(), morph(first, second, weight=share)))
            bar.update()
    pictures = torch.cat(rendered)
    write_frames(output, there_and_back(list(pictures)) if loop else pictures, seconds=seconds)
    click.echo(output)
