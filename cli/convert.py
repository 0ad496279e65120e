"""wplus convert: generators and latents, from any form to any other."""

from pathlib import Path
from typing import get_args

import click

from wplus.cli.contents import contents_of
from wplus.cli.convert_latent import convert_latents
from wplus.cli.options import progress, remark
from wplus.core import OutputError, WplusError
from wplus.core.files import check_not_input
from wplus.models import Generator, StyleGAN2Config, load_generator
from wplus.models.catalogue import GENERATORS
from wplus.models.checkpoints.latents import LAYOUTS, Kind
from wplus.models.checkpoints.rosinality import constructor
from wplus.models.checkpoints.tables import TOLD
from wplus.models.checkpoints.writing import WRITERS, write_checkpoint
from wplus.models.export import write_onnx, write_torchscript

SUFFIXES = {
    ".safetensors": "wplus",
    ".pkl": "nvidia",
    ".pt": "rosinality",
    ".pth": "rosinality",
    ".onnx": "onnx",
    ".ts": "torchscript",
    ".torchscript": "torchscript",
}
"""What a generator is written as, unless told otherwise."""

FORMS = tuple(dict.fromkeys((*SUFFIXES.values(), *LAYOUTS)))
"""All that anything can be written as."""


@click.command()
@click.argument("source", type=str)
@click.argument("output", type=click.Path(path_type=Path))
@click.option("--to", "form", type=click.Choice(FORMS), help="File format where the suffix of OUTPUT is ambiguous.")
@click.option("--generator", help="Latents only: their generator; a catalogue name or a file.")
@click.option("--as", "kind", type=click.Choice(get_args(Kind)), help="Latents only: their space, if it is ambiguous.")
@click.option("--rows", type=int, help="Latents only: number of rows of W+ to write.")
def command(
    source: str, output: Path, form: str | None, generator: str | None, kind: Kind | None, rows: int | None
) -> None:
    """Write the generator or the latents of SOURCE as OUTPUT.

    \b
    Generators are written as wplus (.safetensors), rosinality (.pt), nvidia (.pkl), onnx (.onnx) and
    torchscript (.ts), the last two from codes of W+ to pictures. Latents are written as wplus (.safetensors),
    and as nvidia (.npz), plain (.npy, .pt), puzer (.npy), rosinality (.pt) and restyle (.npy).

    \b
    Examples:
      wplus convert ffhq.pkl ffhq.safetensors
      wplus convert faces-64 faces.onnx
      wplus convert projected_w.npz code.safetensors --generator ffhq.pkl
    """
    path = Path(source)
    holds = contents_of(path).kind if path.is_file() and source not in GENERATORS else "generator"
    check_not_input(output, path)
    if holds == "latent":
        program = form or SUFFIXES.get(output.suffix.lower())
        if program in {"onnx", "torchscript"}:
            raise OutputError(f"cannot write {output}: latents are no programs, they cannot be written as {program}")
        owner = None if generator is None else load_generator(generator)
        layout = next((item for item in LAYOUTS if item == form), None)
        for written in convert_latents(path, output, layout=layout, generator=owner, kind=kind, rows=rows):
            click.echo(written)
        return
    if holds != "generator":
        raise WplusError(f"{path}: holds a {holds}, expected a generator or latents")
    if generator is not None or kind is not None or rows is not None:
        raise click.UsageError(f"--generator, --as and --rows are for latents; {source} is a generator")
    with progress(1, text=f"convert {source}", unit="file") as bar:
        write_generator(load_generator(source), output, form)
        bar.update()
    click.echo(output)


def write_generator(generator: Generator, output: Path, form: str | None) -> None:
    """Write a generator, in the form told or in that of the suffix.

    Raises:
        OutputError: the suffix says nothing, the form cannot hold this generator, or the file cannot be written.
    """
    suffixes = [suffix.lower() for suffix in output.suffixes]
    if form is None:
        form = "torchscript" if ".torchscript" in suffixes[-2:] else SUFFIXES.get(output.suffix.lower())
    match form:
        case "wplus":
            generator.save(output)
        case "onnx":
            write_onnx(output, generator)
        case "torchscript":
            write_torchscript(output, generator)
        case "nvidia" | "rosinality":
            card = {name: getattr(generator.card, name) for name in TOLD}
            config = generator.network.config
            write_checkpoint(output, config, generator.network.state_dict(), form=form, card=card)
            if form == "rosinality" and isinstance(config, StyleGAN2Config):
                remark(f"{output}: for rosinality's {constructor(config)}")
        case None:
            raise OutputError(
                f"cannot write {output}: the suffix says nothing; use one of {', '.join(SUFFIXES)}, or --to"
            )
        case _:
            raise OutputError(f"cannot write {output}: {form} is a form of latents; generators: {', '.join(WRITERS)}")
