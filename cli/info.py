"""wplus info: what a file is."""

import json
from pathlib import Path

import click

from wplus.core import Latent, WplusError
from wplus.core.images import read_photo
from wplus.core.tensorfile import read_header
from wplus.models import load_generator, load_perceptual


@click.command()
@click.argument("file", type=str)
def command(file: str) -> None:
    r"""Tell what FILE holds: a generator (or its name in the catalogue), a latent, a perceptual network, a picture.

    \b
    Examples:
      wplus info faces-64
      wplus info codes/portrait.safetensors
    """
    path = Path(file)
    if path.is_file() and path.suffix != ".safetensors":
        height, width = read_photo(path).shape[1:]
        _show({"picture": file, "width": width, "height": height})
        return
    kind = read_header(path, error=WplusError, expected="a file of wplus").get("kind") if path.exists() else "generator"
    if kind == "latent":
        _show(_latent(path))
    elif kind == "perceptual":
        network = load_perceptual(path)
        _show({"perceptual network": network.name, "taps": list(network.convs)})
    elif kind == "generator":
        _show(_generator(file))
    else:
        raise WplusError(f"{file}: a {kind}, of which there is nothing to tell")


def _latent(path: Path) -> dict[str, object]:
    latent = Latent.load(path)
    shape = {"codes": len(latent), "layers": latent.ws.shape[1], "w_dim": latent.ws.shape[2]}
    noise = {"noise maps": len(latent.noise or ())}
    return {"latent": str(path), **shape, **noise, "origin": vars(latent.origin) if latent.origin else None}


def _generator(name: str) -> dict[str, object]:
    generator = load_generator(name)
    card = generator.card
    return {
        "generator": card.name,
        "architecture": "StyleGAN2 (skip)",
        "resolution": generator.resolution,
        "layers": generator.layers,
        "z_dim": generator.z_dim,
        "w_dim": generator.w_dim,
        "channels": list(generator.network.config.channels),
        "parameters": generator.parameters,
        "fingerprint": generator.fingerprint,
        "perceptual network": card.perceptual,
        "licence": card.licence,
        "terms": card.terms,
        "origin": card.origin,
        "training": card.training,
    }


def _show(facts: dict[str, object]) -> None:
    width = max(map(len, facts))
    for name, value in facts.items():
        text = value if isinstance(value, str) else json.dumps(value)
        click.echo(f"{name:{width}}  {text}")
