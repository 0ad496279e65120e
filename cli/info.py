"""wplus info: what a file is, and what the machine offers."""

import json
import os
import textwrap
from collections.abc import Mapping
from pathlib import Path

import click

from wplus.cli.contents import contents_of
from wplus.cli.options import json_option
from wplus.core import GeneratorError, WplusError
from wplus.core.marks import SOURCE_TYPE
from wplus.core.origin import ROWS
from wplus.core.photograph import open_photograph
from wplus.models import Machine, StyleMapGANConfig, compute_for, load_generator, load_perceptual, read_encoder
from wplus.models.catalogue import file_of, suggest
from wplus.models.checkpoints.latents import load_latent, read_codes
from wplus.models.entries import ENTRIES, Entry
from wplus.models.trunks import trunk_weights

WAITING = ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "KMP_BLOCKTIME", "KMP_LIBRARY")
"""What tells OpenMP how its threads wait; `import wplus` sets it where nobody has, and torch is not loaded yet."""

NAMES = [entry.name for entry in ENTRIES]


@click.command()
@click.argument("file", type=str, required=False)
@click.option("--machine", is_flag=True, help="Show the hardware, and the fastest path on it.")
@json_option
def command(file: str | None, machine: bool, as_json: bool) -> None:
    """Tell what FILE holds: a generator of any format, latents, a network, a picture; or a model by its name.

    \b
    Examples:
      wplus info faces-64
      wplus info ffhq.pkl
      wplus info codes/portrait.safetensors
      wplus info --machine --json
    """
    facts: dict[str, object] = {}
    if machine:
        facts |= _machine()
    elif file is None:
        raise click.UsageError("Missing argument 'FILE'.")
    if file is not None:
        facts |= _facts(file)
    if as_json:
        click.echo(json.dumps(facts, indent=2, default=str))
    else:
        _show(facts)


def _facts(file: str) -> dict[str, object]:
    """What is told of a file or a model."""
    entry = next((entry for entry in ENTRIES if entry.name == file), None)
    path = Path(file) if entry is None else file_of(entry, error=WplusError)
    if entry is not None and entry.kind in {"perceptual", "trunk"}:  # torchvision's files do not say what they hold
        return _perceptual(file) if entry.kind == "perceptual" else _trunk(entry)
    if not path.exists():
        raise GeneratorError(f"no generator and no file is named '{file}'{suggest(file, NAMES)}")
    match contents_of(path):
        case ("picture", _):
            return _picture(path)
        case ("latent", form):
            return _latent(path) if form == "wplus" else {"latent": file, **read_codes(path).describe()}
        case ("perceptual", _):
            return _perceptual(file)
        case ("generator", form):
            return _generator(file, form)
        case ("encoder", _):
            encoder = read_encoder(path)
            return {"encoder": str(path), "generator": encoder.generator, **vars(encoder.config)}
        case (kind, _):
            raise WplusError(f"{file}: a {kind}, of which there is nothing to tell")
    raise AssertionError


def _perceptual(file: str) -> dict[str, object]:
    network = load_perceptual(file)
    return {"perceptual network": network.name, "taps": list(network.convs)}


def _trunk(entry: Entry) -> dict[str, object]:
    """A classifier whose features metrics compare."""
    tensors = trunk_weights(entry.name)
    return {
        "classifier": entry.name,
        "format": entry.release.format,
        "tensors": len(tensors),
        "parameters": sum(tensor.numel() for tensor in tensors.values()),
        "licence": entry.release.licence,
        "terms": entry.terms,
        "origin": entry.release.source,
    }


def _picture(path: Path) -> dict[str, object]:
    photo = open_photograph(path)
    height, width = photo.picture.shape[1:]
    mark = photo.mark
    said = {} if mark is None else {"edited": mark.edit, "edited with": mark.software, "source type": SOURCE_TYPE}
    return {"picture": str(path), "width": width, "height": height, **said}


def _machine() -> dict[str, object]:
    here = Machine.here()
    devices = ["cpu", *(["cuda"] if here.cuda else []), *(["mps"] if here.mps else [])]
    paths = {device: compute_for(device=device, machine=here) for device in devices}
    return {
        "cores": here.cores,
        "threads": here.threads,
        "idle threads": ", ".join(f"{name}={os.environ[name]}" for name in WAITING if name in os.environ)
        or "spin as long as their runtime likes",
        "instructions": " ".join(here.instructions) or "none that count, or torch does not tell",
        "oneDNN": "yes" if here.onednn else "no",
        "bf16": "yes" if here.bf16 else "no",
        "CUDA": here.cuda or "no",
        "MPS": "yes" if here.mps else "no",
        **{f"auto on {device}": f"{chosen.path}: {chosen.why}" for device, chosen in paths.items()},
    }


def _latent(path: Path) -> dict[str, object]:
    latent = load_latent(path)
    shape = {"codes": len(latent), latent.rows: latent.ws.shape[1], "w_dim": latent.ws.shape[2]}
    noise = {"noise maps": len(latent.noise or ())}
    origin = vars(latent.origin) if latent.origin else {"origin": "not told"}
    return {"latent": str(path), **shape, **noise} | {
        name: value for name, value in origin.items() if value not in ({}, None)
    }


def _generator(name: str, form: str) -> dict[str, object]:
    generator = load_generator(name)
    card = generator.card
    config = generator.network.config
    own = {"normalisation": config.normalisation, "encoder": "its own"} if isinstance(config, StyleMapGANConfig) else {}
    return {
        "generator": card.name,
        "format": form,
        "architecture": config.title,
        "resolution": generator.resolution,
        ROWS[generator.space]: generator.layers,
        "z_dim": generator.z_dim,
        "w_dim": generator.w_dim,
        "classes": config.labels,
        "channels": list(config.channels),
        **own,
        "parameters": generator.parameters,
        "fingerprint": generator.fingerprint,
        "perceptual network": card.perceptual,
        "licence": card.licence,
        "terms": card.terms,
        "origin": card.origin,
        "training": card.training,
    }


def _show(facts: Mapping[str, object]) -> None:
    width = max(map(len, facts)) + 2
    for name, value in facts.items():
        text = _text(value)
        if isinstance(value, Mapping):
            text = textwrap.fill(text, 110 - width, break_long_words=False, break_on_hyphens=False)
        click.echo(f"{name:{width}}{text}".replace("\n", "\n" + " " * width))


def _text(value: object) -> str:
    """What a file tells, for people: numbers in six digits, names before their values."""
    match value:
        case str():
            return value
        case float():
            return f"{value:.6g}"
        case Mapping():
            pairs = (
                (name, f"({_text(item)})" if isinstance(item, Mapping) else _text(item)) for name, item in value.items()
            )
            return ", ".join(f"{name} {text}" for name, text in pairs)
        case list() | tuple():
            return f"[{', '.join(map(_text, value))}]"
    return json.dumps(value)
