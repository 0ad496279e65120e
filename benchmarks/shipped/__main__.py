"""Every figure of the models that ship, beside its bar.

    python -m benchmarks.shipped ../shared -o runs/shipped

The folder holds `photos` (photographs), `faces` (those that the generator was trained on) and `networks` (GoogLeNet,
SqueezeNet and the teachers of vgg-slim). An hour on two cores; --only runs parts of it.
"""

import json
import platform
from importlib.metadata import version
from pathlib import Path

import click
import torch

from benchmarks.shipped import generator as samples
from benchmarks.shipped import held_out as unseen
from benchmarks.shipped import identity, inversion, perceptual, spatial
from benchmarks.shipped.figures import Figure, show
from wplus.core.files import replacing
from wplus.models import load_encoder, load_generator
from wplus.models.encoder import read_encoder
from wplus.models.googlenet import load_googlenet
from wplus.training.faces import load_faces

HELD_OUT = 3_000
PARTS = (
    "faces",
    "distribution",
    "neighbours",
    "inversion",
    "held-out",
    "encoder",
    "ranks",
    "guides",
    "identity",
    "stylemap",
)
FACES_64 = inversion.Bars(mse=0.008, identity=0.5, same=85)


@click.command(help=__doc__)
@click.argument("shared", type=click.Path(path_type=Path))
@click.option("-o", "--output", type=click.Path(path_type=Path), required=True)
@click.option("--generator", default="faces-64", show_default=True)
@click.option("--encoder", type=click.Path(path_type=Path), help="For held-out faces.  [the generator's own]")
@click.option("--stylemap", default="stylemap-faces", show_default=True)
@click.option("--only", type=click.Choice(PARTS), multiple=True, help="May be given several times.")
def main(
    shared: Path, output: Path, generator: str, encoder: Path | None, stylemap: str, only: tuple[str, ...]
) -> None:
    """Measure, print, and write figures.json and the sheets."""
    parts = only or PARTS
    photos, networks = shared / "photos", shared / "networks"
    network, coder = load_generator(generator), None if encoder is None else read_encoder(encoder)
    click.echo(f"{network.name} {network.fingerprint}, torch {torch.__version__}, {torch.get_num_threads()} threads")
    found: dict[str, list[Figure]] = {}

    def tell(title: str, figures: list[Figure]) -> None:
        found[title] = figures
        show(title, figures)

    if "faces" in parts:
        samples.sheet(network, output)
        tell("samples", samples.faces_and_variety(network))
    if {"distribution", "neighbours", "held-out", "ranks", "guides"} & set(parts):
        recipe = network.card.training.get("recipe", {})
        held = recipe.get("held_out", HELD_OUT)
        if "held_out" not in recipe:
            click.echo(f"its recipe does not say what it set aside: of the {held} reference faces most were trained on")
        training, held_out = load_faces(shared / "faces", resolution=network.resolution).split(held)
    if "distribution" in parts:
        googlenet = load_googlenet(networks / "googlenet_bvlc.safetensors")
        tell("distribution", samples.distances(network, googlenet, training, held_out))
    if "neighbours" in parts:
        tell("nearest training faces", samples.nearest_training_faces(network, training, output))
    if "inversion" in parts:
        embedded = inversion.invert_all(network, photos)
        tell("inversion", inversion.reconstruction(network, embedded, FACES_64) + inversion.edits(network, embedded))
    if "held-out" in parts:
        tell("held-out faces", unseen.through_w(network, coder or load_encoder(network), held_out, output))
    if "encoder" in parts:
        tell("encoder", inversion.encoder(network, photos))
    if {"ranks", "guides"} & set(parts):
        teacher = perceptual.ScaledTeacher(networks, training)
    if "ranks" in parts:
        tell("vgg-slim", perceptual.ranks(photos, teacher, size=64, bars=True))
        tell("vgg-slim, larger pictures", perceptual.ranks(photos, teacher, size=128, bars=False))
    if "guides" in parts:
        tell("vgg-slim as a guide", perceptual.guides(network, photos, networks, teacher))
    if "identity" in parts:
        tell("identity network", identity.parity(photos))
    if "stylemap" in parts:
        regional = load_generator(stylemap)
        tell(f"{regional.name} {regional.fingerprint}", spatial.embedding(regional, photos))
        tell("local edits", spatial.local_edits(regional, photos))
    about = {"generator": network.fingerprint, "torch": torch.__version__, "wplus": version("wplus")}
    about["machine"] = platform.processor() or platform.machine()
    with replacing(output / "figures.json") as temporary:
        rows = {title: [vars(figure) for figure in figures] for title, figures in found.items()}
        temporary.write_text(json.dumps({"about": about, "figures": rows}, indent=1))


if __name__ == "__main__":
    main()
