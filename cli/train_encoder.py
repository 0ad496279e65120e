"""wplus train-encoder: an encoder for a generator, from a folder of aligned faces."""

from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import click

from wplus.cli.options import device_option, output_option, record_options
from wplus.cli.train import shown
from wplus.core import WeightsError
from wplus.models import load_generator, load_perceptual, read_encoder
from wplus.pipelines.folder.jobs import folder_must_be_writable
from wplus.training.encoder import EncoderRecipe, EncoderRun
from wplus.training.faces import load_faces


@click.command()
@click.argument("generator")
@click.argument("folder", type=click.Path(path_type=Path))
@output_option(folder=True)
@record_options(EncoderRecipe)
@click.option(
    "--start",
    type=click.Path(path_type=Path),
    help="An encoder to go on from: of this generator, or of one that it was trained on from.",
)
@click.option("--licence", default="unknown", show_default=True, help="Stored in the encoder's file.")
@click.option("--every", type=click.IntRange(1), default=5_000, show_default=True, help="Pictures between two reports.")
@click.option("--skip-bad", is_flag=True, help="Go on without pictures that are damaged, too small or no squares.")
@device_option
def command(
    generator: str,
    folder: Path,
    output: Path,
    start: Path | None,
    licence: str,
    every: int,
    skip_bad: bool,
    device: str,
    **changed: Any,
) -> None:
    """Train an encoder for GENERATOR (a name or a file) on the aligned faces in FOLDER.

    The output folder gets checkpoint.pt, log.csv, sheets of reconstructions as it goes, and encoder.safetensors, for
    `wplus invert --encoder`. The same command goes on where it was stopped.

    \b
    Example:
      wplus train-encoder run/generator.safetensors faces -o encoder
    """
    try:
        recipe = replace(EncoderRecipe(), **{name: value for name, value in changed.items() if value is not None})
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    folder_must_be_writable(output)
    opened = load_generator(generator)
    if opened.space == "stylemap":
        raise WeightsError(f"{opened.name} is a StyleMapGAN, whose encoder is a part of it and needs no training")
    perceptual = load_perceptual(opened.card.perceptual)
    training, held_out = load_faces(folder, resolution=opened.resolution, skip_bad=skip_bad).split(recipe.held_out)
    begin = None if start is None else read_encoder(start)
    run = EncoderRun(recipe, training, generator=opened, perceptual=perceptual, start=begin, device=device)
    file = output / "encoder.safetensors"
    for report in shown(run, held_out, output, every=every):
        told = {"recipe": asdict(recipe), "images_seen": run.seen, "training_faces": len(training)}
        run.network.save(file, licence=licence, training=told | report.figures)
    if not file.exists():  # a finished run whose encoder was moved away
        run.network.save(file, licence=licence, training={"recipe": asdict(recipe), "images_seen": run.seen})
    click.echo(file)
