"""wplus render: latents to pictures."""

from pathlib import Path

import click

from wplus.cli.options import PICTURES, device_option, opener, output_option, progress, write_result
from wplus.core import LatentError
from wplus.core.files import check_not_input
from wplus.models.checkpoints.latents import load_latent


@click.command()
@click.argument("latents", nargs=-1, required=True, type=click.Path(path_type=Path))
@output_option(folder=False)
@click.option(
    "--format",
    "suffix",
    type=click.Choice(["png", "jpg", "webp", "npy"]),
    default="png",
    show_default=True,
    help="File format where -o is a folder; npy holds exact values.",
)
@click.option("--generator", help="Catalogue name or file, for codes that do not name their generator.")
@device_option
def command(latents: tuple[Path, ...], output: Path, suffix: str, generator: str | None, device: str) -> None:
    """Render LATENTS to the file -o, or into the folder -o under their own names.

    \b
    Examples:
      wplus render codes/portrait.safetensors -o portrait.png
      wplus render codes/*.safetensors -o pictures/ --format npy
    """
    single = len(latents) == 1 and bool(output.suffix) and not output.is_dir()
    check_not_input(output, *latents)
    if not single and output.suffix.lower() in PICTURES and not output.is_dir():
        raise click.UsageError(f"{output} is one file, {len(latents)} latents need a folder")
    loaded = [load_latent(path) for path in latents]
    if not single and len({path.stem for path in latents}) < len(latents):
        raise LatentError("two latents have one file name, their pictures would be one file; render them in turn")
    with progress(len(loaded), text="render", unit="latent") as bar:
        for path, latent in zip(latents, loaded, strict=True):
            network = opener([latent], generator, device)
            target = output if single else output / f"{path.stem}.{suffix}"
            for index in range(len(latent)):
                number = f"-{index}" if len(latent) > 1 else ""
                write_result(target.with_name(f"{target.stem}{number}{target.suffix}"), latent[index], network)
            bar.update()
