"""wplus restore: an edited face back into its photograph."""

from pathlib import Path

import click

from wplus.alignment import Alignment, restore
from wplus.cli.options import device_option, output_option
from wplus.core import LatentError
from wplus.core.files import check_not_input
from wplus.core.images import read_photo, write_picture
from wplus.models.checkpoints.latents import load_latent
from wplus.pipelines.rendering import generator_of, render_one


@click.command()
@click.argument("photo", type=click.Path(path_type=Path))
@click.argument("latent", type=click.Path(path_type=Path))
@output_option(folder=False)
@click.option("--generator", help="Catalogue name or file, for codes that do not name their generator.")
@device_option
def command(photo: Path, latent: Path, output: Path, generator: str | None, device: str) -> None:
    """Render LATENT and paste it back into the PHOTO it came from, feathered; the rest stays bit for bit.

    \b
    Example:
      wplus restore portrait.jpg older.safetensors -o older.png
    """
    check_not_input(output, photo, latent)
    codes = load_latent(latent)
    if codes.origin is None or codes.origin.crop is None:
        raise LatentError(
            f"{latent}: does not tell where in a photograph it belongs; it was not made by 'wplus invert'"
        )
    network = generator_of(codes, generator).to(device)
    picture = render_one(network, codes)[0].clamp(-1, 1)
    try:
        alignment = Alignment.from_json(codes.origin.crop)
    except ValueError as error:
        raise LatentError(f"{latent}: {error}") from error
    write_picture(output, restore(read_photo(photo), picture, alignment))
    click.echo(output)
