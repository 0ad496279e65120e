"""The latent half of wplus convert: others' latents to ours, and ours to theirs."""

from dataclasses import replace
from pathlib import Path

from wplus.core import Latent, LatentError, OutputError
from wplus.core.tensorfile import is_foreign
from wplus.models import Generator, StyleGAN3
from wplus.models.checkpoints.latents import Kind, Layout, load_latent, read_codes, write_codes
from wplus.models.stylespace import fit_rows
from wplus.pipelines.rendering import render_one


def convert_latents(
    path: Path,
    output: Path,
    *,
    layout: Layout | None = None,
    generator: Generator | None = None,
    kind: Kind | None = None,
    rows: int | None = None,
) -> list[Path]:
    """Read the latents of `path` and write them to `output`; gives the files written.

    Args:
        path: a latent of wplus, or of another program.
        output: .safetensors is ours, .npz, .npy and .pt are others'; a folder gets one of ours a code, under the
            names that the file gives them.
        layout: whose layout to write, where the suffix leaves that open.
        generator: whose codes they are: it becomes their origin, repeats codes of W for its layers, and renders the
            pictures that the layout rosinality keeps.
        kind: the space of the codes, where the file leaves that open.
        rows: how many rows to make of theirs, for a generator of another size but the same family.

    Raises:
        LatentError: not a latent, one that may be read two ways, or one that `generator` or `layout` cannot take.
        OutputError: the suffix is not the layout's, or a file cannot be written.
    """
    latent, names = _read(path, kind)
    if rows not in (None, latent.ws.shape[1]):
        latent = _resize(latent, rows, generator)
    if generator is not None:
        latent = _claim(latent, generator, names=names)
    suffix = output.suffix.lower()
    if output.is_dir() or not suffix:
        stems = [_stem(name) for name in names] if names else [f"{path.stem}-{index}" for index in range(len(latent))]
        if len(set(stems)) < len(stems):
            raise LatentError(f"{path}: two of its codes would be one file in a folder; convert to one file instead")
        targets = [output / f"{stem}.safetensors" for stem in stems]
        for index, target in enumerate(targets):
            latent[index].save(target)
        return targets
    if layout is not None and suffix == ".safetensors":
        raise OutputError(f"{output}: .safetensors is the form of wplus, not of layout {layout}")
    if suffix == ".safetensors":
        latent.save(output)
        return [output]
    pictures = None
    if layout == "rosinality" and generator is not None:
        pictures = render_one(generator, latent)
    write_codes(output, latent, layout=layout, names=names, pictures=pictures)
    return [output]


def _read(path: Path, kind: Kind | None) -> tuple[Latent, tuple[str, ...]]:
    """The codes of a file, and the names that it gives them."""
    if is_foreign(path):
        reading = read_codes(path, kind=kind)
        return reading.latent, reading.names
    latent = load_latent(path)
    kept = latent.origin.settings.get("names", ()) if latent.origin else ()
    return latent, tuple(map(str, kept)) if isinstance(kept, list) and len(kept) == len(latent) else ()


def _resize(latent: Latent, rows: int, generator: Generator | None) -> Latent:
    """The latent with `rows` rows, for a `generator` of another size than its own."""
    if latent.noise is not None:
        raise LatentError("the latent's noise maps belong to a generator of its own size; it cannot change its rows")
    if latent.rows == "cells":
        raise LatentError("the latent is a stylemap, whose cells are no layers; it cannot change its rows")
    if generator is not None and (isinstance(generator.network, StyleGAN3) or generator.space != "W+"):
        raise LatentError(f"generator {generator.name} has not two rows a resolution; rows cannot be fitted to it")
    latent = latent.edited(fit_rows(latent.ws, rows=rows), edit=f"{latent.ws.shape[1]} rows made {rows}")
    if latent.origin is None or generator is None:
        return replace(latent, origin=None)
    own = generator.origin()
    names = ("generator", "fingerprint", "resolution", "w_radius")
    return replace(latent, origin=replace(latent.origin, **{name: getattr(own, name) for name in names}))


def _claim(latent: Latent, generator: Generator, *, names: tuple[str, ...]) -> Latent:
    """The latent as one of `generator`'s, with as many rows as it has layers."""
    if latent.ws.shape[1] == 1 and generator.space == "W+":
        latent = replace(latent, ws=fit_rows(latent.ws, rows=generator.layers))
    generator.check(latent)
    if latent.origin is None:
        latent = replace(latent, origin=generator.origin(settings={"names": list(names)} if names else {}))
    return latent


def _stem(name: str) -> str:
    """A file name from what a stranger's file calls its code: no folders, no leading dots."""
    return Path(name.replace("\\", "/").replace("\0", "")).stem.lstrip(".") or "code"
