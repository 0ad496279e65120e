"""wplus directions: find, list, show and compare directions."""

from pathlib import Path
from typing import Any

import click
import torch
from tqdm import tqdm

from wplus.cli.edit import tell
from wplus.cli.options import device_option, output_option, progress
from wplus.core.direction import Direction, save_directions
from wplus.core.errors import DirectionError
from wplus.editing.directions import ganspace, sefa
from wplus.models import EncoderNetwork, Generator, load_encoder, load_generator, read_encoder
from wplus.models.checkpoints.latents import load_latent
from wplus.pipelines.directions import known_directions
from wplus.pipelines.edit import SHIPPED

GENERATOR = click.option("--generator", default=SHIPPED, show_default=True, help="Catalogue name or file.")
FILE = click.option("--directions", type=click.Path(path_type=Path), help="Their file.  [the generator's own]")


@click.group()
def command() -> None:
    """Directions of a generator: how far a strength of 1 goes, where it came from, what it leaks into.

    \b
    Examples:
      wplus directions list
      wplus directions show smile
      wplus directions find --faces faces/ --labels labels/ -o directions.safetensors
      wplus directions find --method sefa -o sefa.safetensors
      wplus directions report -o report/
      wplus directions compare mine.safetensors theirs.npy
    """


@command.command("list")
@GENERATOR
@FILE
def list_(generator: str, directions: Path | None) -> None:
    """List directions with their units and what they leak into."""
    tell(known_directions(load_generator(generator), directions))


@command.command()
@click.argument("name")
@GENERATOR
@FILE
def show(name: str, generator: str, directions: Path | None) -> None:
    """Tell all about the direction NAME."""
    from wplus.pipelines.edit import choose

    (item,) = choose(known_directions(load_generator(generator), directions), {name: 1.0})
    about = item.about
    layers = item.layers
    facts = {
        "name": about.name,
        "a strength of 1": about.unit,
        "measured by": about.measure,
        "generator": f"{about.generator} ({about.fingerprint})",
        "found by": about.method,
        "layers": f"{layers[0]} to {layers[-1]}" if layers else "none",
        "acts on": about.region or "the whole crop",
        "length": f"{float(item.rows.norm(dim=1).max()):.3g}",
        **{key: _words(value) for key, value in about.details.items()},
        **{f"changes {key}": f"{value:+.2f} standard deviations" for key, value in about.leaks.items()},
    }  # fmt: skip
    width = max(map(len, facts))
    for key, value in facts.items():
        click.echo(f"{key:{width}}  {value}")


@command.command()
@click.argument("a", type=click.Path(path_type=Path))
@click.argument("b", type=click.Path(path_type=Path))
@GENERATOR
def compare(a: Path, b: Path, generator: str) -> None:
    """Cosines of the directions of file A (rows) with those of file B (columns)."""
    network = load_generator(generator)
    first, second = (known_directions(network, path) for path in (a, b))
    width = max(map(len, [*first, *second])) + 2
    click.echo(" " * width + "".join(f"{name:>{width}}" for name in second))
    for name, item in first.items():
        cells = "".join(f"{item.cosine(other):>{width}.2f}" for other in second.values())
        click.echo(f"{name:{width}}{cells}")


@command.command()
@output_option(folder=True)
@click.option("--count", type=click.IntRange(4), default=24, show_default=True, help="Faces that are moved.")
@click.option("--latents", type=click.Path(path_type=Path), help="Codes to move, of one file.  [drawn faces]")
@GENERATOR
@FILE
@device_option
def report(
    output: Path, count: int, latents: Path | None, generator: str, directions: Path | None, device: str
) -> None:
    """Measure what a unit of each direction changes: entanglement.csv, and entanglement.png as a matrix."""
    from wplus.pipelines.entanglement import entanglement

    network = load_generator(generator).to(device)
    known = list(known_directions(network, directions).values())
    codes = network.sample(range(count), psi=0.7) if latents is None else load_latent(latents)
    network.check(codes)
    with progress(len(known), text="measure", unit="direction") as bar:
        found = entanglement(network, known, codes.ws, watch=lambda done, total: _advance(bar, done))
    found.save(output / "entanglement.csv")
    found.draw(output / "entanglement.png")
    click.echo(output / "entanglement.csv")
    click.echo(output / "entanglement.png")


@command.command()
@output_option(folder=False)
@click.option(
    "--method",
    type=click.Choice(["labels", "landmarks", "sefa", "ganspace"]),
    default="labels",
    show_default=True,
    help="labels: of photographs, with landmarks; landmarks: of drawn faces; the others need no pictures.",
)
@click.option("--faces", type=click.Path(path_type=Path), help="Aligned faces: a folder of pictures or tar files.")
@click.option("--labels", type=click.Path(path_type=Path), multiple=True, help="Tables of labels, or a folder of them.")
@click.option("--count", type=click.IntRange(100), default=10_000, show_default=True, help="Faces to look at.")
@click.option("--components", type=click.IntRange(1), default=10, show_default=True, help="Of sefa and ganspace.")
@click.option("--layers", metavar="FIRST-LAST", help="Layers that sefa and ganspace look at and move.  [all]")
@click.option("--encoder", type=click.Path(path_type=Path), help="An encoder's file.  [the generator's own]")
@GENERATOR
@device_option
def find(
    output: Path,
    method: str,
    faces: Path | None,
    labels: tuple[Path, ...],
    count: int,
    components: int,
    layers: str | None,
    encoder: Path | None,
    generator: str,
    device: str,
) -> None:
    """Find directions of a generator anew and write them into one file, as fp16."""
    network = load_generator(generator).to(device)
    if method == "labels":
        if faces is None or not labels:
            raise click.UsageError("labels of photographs need --faces and --labels")
        found = _of_labels(network, encoder, faces, list(labels), count)
    elif method == "landmarks":
        found = _of_landmarks(network, min(count, 3000))
    else:
        finder = sefa if method == "sefa" else ganspace
        found = list(finder(network, count=components, layers=_range(layers)))
    save_directions(output, found, dtype=torch.float16)
    tell({item.name: item for item in found})
    click.echo(output)


def _of_labels(
    network: Generator, encoder: Path | None, faces: Path, labels: list[Path], count: int
) -> list[Direction]:
    from wplus.training.directions import calibrated, find, gather  # here: few need it

    eyes = read_encoder(encoder) if encoder is not None else load_encoder(network)
    if not isinstance(eyes, EncoderNetwork):
        raise DirectionError(f"{network.name} has {network.space}s; directions are of generators with W")
    with progress(count, text="look", unit="face") as bar:
        evidence = gather(
            network,
            eyes.to(network.device),
            faces=faces,
            labels=labels,
            count=count,
            watch=lambda done, total: _advance(bar, done),
        )
    return calibrated(network, find(network, evidence), evidence.codes)


def _advance(bar: "tqdm[Any]", done: int) -> None:
    bar.update(done - bar.n)


def _of_landmarks(network: Generator, count: int) -> list[Direction]:
    from wplus.training.directions import calibrated, drawn, find

    evidence = drawn(network, count=count)
    return calibrated(network, find(network, evidence), evidence.codes)


def _words(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def _range(text: str | None) -> range | None:
    if text is None:
        return None
    first, dash, last = text.partition("-")
    if not first.isdecimal() or not (last or first).isdecimal():
        raise click.UsageError(f"--layers {text}: expected two numbers such as 0-3")
    return range(int(first), int(last if dash else first) + 1)
