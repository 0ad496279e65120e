"""wplus restore: an edited face back into its photograph."""

from pathlib import Path

import click

from wplus.cli.options import device_option, output_option
from wplus.cli.photographs import carry_options, mark_option, write_photograph
from wplus.core.files import check_not_input
from wplus.core.photograph import open_photograph
from wplus.models.checkpoints.latents import load_latent
from wplus.pipelines.change import Carry
from wplus.pipelines.rendering import generator_of
from wplus.pipelines.restore import alignment_of, fitted_to, restore_edit, restore_face


@click.command()
@click.argument("photo", type=click.Path(path_type=Path))
@click.argument("latent", type=click.Path(path_type=Path))
@output_option(folder=False)
@carry_options
@click.option("--fit", is_flag=True, help="PHOTO is another, or was cropped or turned: look for the face.")
@click.option("--face", type=click.IntRange(0), default=0, show_default=True, help="Which, with --fit; 0: largest.")
@click.option("--anyway", is_flag=True, help="Also where LATENT does not look like the face in PHOTO.")
@mark_option
@click.option("--generator", help="Catalogue name or file, for codes that do not name their generator.")
@device_option
def command(
    photo: Path,
    latent: Path,
    output: Path,
    paste: str,
    where: tuple[str, ...],
    light: float,
    fit: bool,
    face: int,
    anyway: bool,
    marked: bool,
    generator: str | None,
    device: str,
) -> None:
    """Carry what was edited of LATENT into the PHOTO it came from, at the photograph's own resolution.

    The photograph keeps its detail, which moves along with what moves; where nothing was edited it stays bit for bit.

    \b
    Examples:
      wplus restore portrait.jpg smile.safetensors -o smiling.png
      wplus restore portrait.jpg blond.safetensors -o blond.png --where hair --light 1
      wplus restore another.jpg smile.safetensors -o other.png --fit --anyway
    """
    check_not_input(output, photo, latent)
    codes = load_latent(latent)
    if not fit:
        alignment_of(codes, str(latent))  # before anything takes time
    network = generator_of(codes, generator).to(device)
    picture = open_photograph(photo)
    if fit:
        codes = fitted_to(codes, picture, face=face, name=str(photo))
    if paste == "face":
        result = restore_face(picture, codes, network)
    else:
        result = restore_edit(picture, codes, network, settings=Carry(where=where, light=light), anyway=anyway)
    if result.picture is picture.picture:
        click.echo("nothing of this latent was edited: this is the photograph", err=True)
        marked = False
    edit = codes.origin.edit if codes.origin is not None else None
    write_photograph(output, result, edit=edit or "face rendered by a generator", marked=marked)
