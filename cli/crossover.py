"""wplus crossover: the layout of one face with the colours and texture of another."""

from pathlib import Path

import click

from wplus.cli.options import device_option, opener, output_option, write_result
from wplus.cli.photographs import mark_option, paste_option, write_photograph
from wplus.core.files import check_not_input
from wplus.core.photograph import open_photograph
from wplus.editing import crossover
from wplus.models.checkpoints.latents import load_latent
from wplus.pipelines.change import Carry
from wplus.pipelines.restore import restore_edit, restore_face


@click.command()
@click.argument("content", type=click.Path(path_type=Path))
@click.argument("style", type=click.Path(path_type=Path))
@output_option(folder=False)
@click.option(
    "--first-style-layer",
    metavar="N|SIZEpx",
    help="First row of W+ that STYLE gives: an index, or a resolution such as 16px.  [half of the rows]",
)
@click.option("--photo", type=click.Path(path_type=Path), help="The photograph of CONTENT: carry the change into it.")
@paste_option
@mark_option
@click.option("--generator", help="Catalogue name or file, for codes that do not name their generator.")
@device_option
def command(
    content: Path,
    style: Path,
    output: Path,
    first_style_layer: str | None,
    photo: Path | None,
    paste: str,
    marked: bool,
    generator: str | None,
    device: str,
) -> None:
    """Take coarse layers from CONTENT and fine ones from STYLE; -o is a picture, .npy, or a latent (.safetensors).

    \b
    Examples:
      wplus crossover me.safetensors painting.safetensors -o styled.png
      wplus crossover me.safetensors painting.safetensors --first-style-layer 16px -o styled.safetensors
    """
    check_not_input(output, content, style, *filter(None, [photo]))
    layer = int(first_style_layer) if first_style_layer and first_style_layer.isdecimal() else first_style_layer
    first, second = load_latent(content), load_latent(style)
    network = opener([first, second], generator, device)
    try:
        mixed = crossover(first, second, first_style_layer=layer)
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    if photo is None:
        write_result(output, mixed, network)
    else:
        settings = Carry(where=("face", "hair"), light=0.5)
        if paste == "face":
            result = restore_face(open_photograph(photo), mixed, network())
        else:
            result = restore_edit(open_photograph(photo), mixed, network(), settings=settings)
        write_photograph(output, result, edit="crossover of two faces", marked=marked)
