"""wplus train: a generator from a folder of aligned faces."""

import sys
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

import click

from wplus.cli.options import device_option, output_option, progress, record_options, remark
from wplus.core.errors import TrainingError
from wplus.models import Card, load_generator
from wplus.models.encoder import read_encoder
from wplus.models.squeezenet import SqueezeNetLevels
from wplus.models.stylegan2 import StyleGAN2
from wplus.pipelines.folder.jobs import folder_must_be_writable
from wplus.training.faces import Faces, load_faces
from wplus.training.generator import Run
from wplus.training.precision import native
from wplus.training.recipe import Recipe
from wplus.training.run import Report, Trainable, export, load_checkpoint, train
from wplus.training.stylemap import StyleMapRecipe, StyleMapRun

RECIPES: dict[str, type[Recipe] | type[StyleMapRecipe]] = {"stylegan2": Recipe, "stylemap": StyleMapRecipe}


@click.command()
@click.argument("folder", type=click.Path(path_type=Path))
@output_option(folder=True)
@click.option(
    "--model",
    type=click.Choice(list(RECIPES)),
    default="stylegan2",
    show_default=True,
    help="A StyleGAN2 with an encoder beside it, or a StyleMapGAN, for editing regions.",
)
@record_options(*RECIPES.values())
@click.option("--features", type=click.Path(path_type=Path), help="SqueezeNet 1.1 weights.  [downloaded once]")
@click.option(
    "--start", help="A StyleGAN2 to go on from, a name or a file: of this resolution, or of half of it, which is grown."
)
@click.option("--start-encoder", type=click.Path(path_type=Path), help="An encoder of --start's codes.")
@click.option("--licence", default="unknown", show_default=True, help="Stored in the generator's file.")
@click.option("--terms", default="unknown", show_default=True, help="Stored in the generator's file.")
@click.option("--every", type=click.IntRange(1), default=5_000, show_default=True, help="Pictures between two reports.")
@click.option("--skip-bad", is_flag=True, help="Go on without pictures that are damaged, too small or no squares.")
@device_option
def command(
    folder: Path,
    output: Path,
    model: str,
    features: Path | None,
    start: str | None,
    start_encoder: Path | None,
    licence: str,
    terms: str,
    every: int,
    skip_bad: bool,
    device: str,
    **changed: Any,
) -> None:
    """Train a generator on the aligned faces in FOLDER (pictures, or tar files of pictures).

    The output folder gets checkpoint.pt, log.csv, sheets of reconstructions, mixes and samples as it goes, and
    generator.safetensors with the encoder and the discriminator that were trained with it beside it; a StyleMapGAN
    holds its own encoder. The same command resumes an interrupted run. A run that goes wrong stops with the reason.

    \b
    Examples:
      wplus align photos/ -o faces --size 64 --all
      wplus train faces -o run
      wplus train faces -o run --model stylemap
    """
    recipe = _recipe(model, {name: value for name, value in changed.items() if value is not None})
    folder_must_be_writable(output)
    faces = load_faces(folder, resolution=recipe.resolution, skip_bad=skip_bad)
    training, held_out = faces.split(recipe.held_out)
    trunk = SqueezeNetLevels(features).to(native(device))
    run: Run | StyleMapRun
    if isinstance(recipe, Recipe):
        encoder = None if start_encoder is None else read_encoder(start_encoder)
        begun = None if start is None else load_generator(start).network
        if begun is not None and not isinstance(begun, StyleGAN2):
            raise TrainingError(f"{start}: a StyleGAN2 expected")
        run = Run(recipe, training, trunk=trunk, start=begun, encoder=encoder, device=device)
    else:
        run = StyleMapRun(recipe, training, trunk=trunk, device=device)
    card = Card(
        output.name, licence=licence, terms=terms, origin=f"wplus train, {len(training)} faces", perceptual="vgg-slim"
    )
    for _ in shown(run, held_out, output, every=every):
        if not run.warm:  # before, the mapping network is not yet a sampler
            export(run, output, card)
    click.echo(output / "generator.safetensors")


def _recipe(model: str, given: dict[str, Any]) -> Recipe | StyleMapRecipe:
    """The recipe of a model with some settings given; its widths follow from its sizes."""
    record = RECIPES[model]
    strangers = sorted(set(given) - {item.name for item in fields(record)})
    if strangers:
        raise click.UsageError(f"a {model} has no --{strangers[0].replace('_', '-')}")
    sizes = {name: given.get(name, getattr(record, name)) for name in ("resolution", "side") if hasattr(record, name)}
    try:
        return record(**given, channels=record.widths(**sizes))
    except ValueError as error:
        raise click.UsageError(str(error)) from error


def shown(run: Trainable, held_out: Faces, output: Path, *, every: int) -> Iterator[Report]:
    """Begin a run, or go on where `output` left it, with a bar and a line a report.

    Raises:
        TrainingError: the checkpoint in `output` is damaged, or of another run.
    """
    checkpoint = output / "checkpoint.pt"
    if checkpoint.exists():
        load_checkpoint(run, checkpoint)
        remark(f"going on at {run.seen:,} pictures")
    with progress(run.recipe.images, text="train", unit="picture") as bar:
        bar.update(run.seen)
        for report in train(run, held_out, output, every=every):
            bar.update(report.seen - bar.n)
            bar.write(str(report), file=sys.stderr)
            yield report
