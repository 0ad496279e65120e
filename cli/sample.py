"""wplus sample: faces that the generator makes up."""

from pathlib import Path

import click
import torch

from wplus.cli.options import FINITE, device_option, generator_option, output_option, progress
from wplus.core.animation import sheet
from wplus.core.images import write_picture
from wplus.models import load_generator
from wplus.pipelines.rendering import render_one


@click.command()
@output_option(folder=True)
@generator_option
@click.option(
    "--seed",
    type=click.IntRange(0, 2**63 - 1),
    default=0,
    show_default=True,
    help="Seed of the first face; the others count up.",
)
@click.option("--count", type=click.IntRange(1), default=16, show_default=True, help="Number of faces.")
@click.option(
    "--psi", type=FINITE, default=0.7, show_default=True, help="Truncation: 1 keeps all variety, 0 gives the mean face."
)
@click.option("--label", type=int, help="Class, of a generator that knows classes.  [drawn]")
@device_option
def command(output: Path, generator: str, seed: int, count: int, psi: float, label: int | None, device: str) -> None:
    """Draw faces: seedNNNN.png, its latent seedNNNN.safetensors, and all of them on sheet.png.

    \b
    Example:
      wplus sample -o faces --count 64 --psi 0.8
    """
    network = load_generator(generator).to(device)
    pictures = []
    with progress(count, text="sample", unit="face") as bar:
        for number in range(seed, seed + count):
            latent = network.sample(number, psi=psi, label=label)
            pictures.append(render_one(network, latent)[0])
            latent.to("cpu").save(output / f"seed{number:04}.safetensors")
            write_picture(output / f"seed{number:04}.png", pictures[-1])
            bar.update()
    write_picture(output / "sheet.png", sheet(torch.stack(pictures), columns=max(1, round(count**0.5))))
    click.echo(output / "sheet.png")
