"""Names that can be given instead of files: models that ship, and models that were fetched (`models/entries.py`)."""

import difflib
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from wplus.core.errors import DownloadError, GeneratorError, OutputError, WeightsError, WplusError
from wplus.models.download import (
    Remote,
    Watch,
    download,
    is_offline,
    record_of,
    record_sum,
    recorded_sum,
    sha256_of,
)
from wplus.models.encoder import EncoderNetwork, read_encoder
from wplus.models.entries import ENTRIES, Entry
from wplus.models.generator import Generator, read_generator
from wplus.models.stylemap import StyleMapEncoder, StyleMapGAN
from wplus.models.vgg import VGG, load_vgg16, load_vgg_file

GENERATORS = tuple(entry.name for entry in ENTRIES if entry.kind == "generator")
PERCEPTUAL = tuple(entry.name for entry in ENTRIES if entry.kind == "perceptual")
ENCODERS = tuple(entry.name for entry in ENTRIES if entry.kind == "encoder")


def load_generator(name_or_path: str | Path) -> Generator:
    """Open a generator by its name in the catalogue, or from a file; on the CPU, in fp32.

    Raises:
        GeneratorError: an unknown name (the nearest is suggested), one that is not fetched yet, or a file that
            holds no generator.
    """
    name = str(name_or_path)
    if name in GENERATORS:
        entry = find(name)
        generator = read_generator(file_of(entry, error=GeneratorError))
        told = {"licence": entry.release.licence, "terms": entry.terms, "origin": entry.release.source}
        unknown: dict[str, Any] = {key: text for key, text in told.items() if getattr(generator.card, key) == "unknown"}
        generator.card = replace(generator.card, name=name, perceptual=entry.perceptual, **unknown)
        return generator
    if Path(name_or_path).is_file():
        return read_generator(name_or_path)
    raise GeneratorError(f"no generator and no file is named '{name}'{suggest(name, GENERATORS)}")


def load_perceptual(name_or_path: str | Path) -> VGG:
    """Open a perceptual network: "vgg-slim", "vgg16", or a safetensors file with torchvision's keys.

    `vgg-slim` ships; `vgg16` is torchvision's, downloaded on first use unless WPLUS_OFFLINE is set.

    Raises:
        WeightsError: an unknown name, a damaged file, or weights that are neither here nor to be downloaded.
    """
    name = str(name_or_path)
    if name == "vgg16":
        return load_vgg16()
    if name in PERCEPTUAL:
        return load_vgg_file(file_of(find(name), error=WeightsError))
    if Path(name_or_path).is_file():
        return load_vgg_file(name_or_path)
    raise WeightsError(f"no perceptual network and no file is named '{name}'{suggest(name, PERCEPTUAL)}")


def load_encoder(generator: Generator) -> EncoderNetwork | StyleMapEncoder:
    """The encoder that is part of a generator, or that ships with it, named after it.

    Raises:
        WeightsError: there is none.
    """
    if isinstance(generator.network, StyleMapGAN):
        return generator.network.encoder
    name = f"{generator.name}-encoder"
    if name not in ENCODERS:
        raise WeightsError(f"no encoder ships with {generator.name}; train one with `wplus train-encoder`")
    return read_encoder(file_of(find(name), error=WeightsError))


def find(name: str) -> Entry:
    """The entry of a name.

    Raises:
        DownloadError: there is none; the nearest is suggested.
    """
    for entry in ENTRIES:
        if entry.name == name:
            return entry
    raise DownloadError(f"no model is named '{name}'{suggest(name, [entry.name for entry in ENTRIES])}")


def fetch(entry: Entry, *, watch: Watch, again: bool = False, offline: bool = False) -> Path:
    """See that a model's file is here and whole, downloading it if need be; gives its path.

    Args:
        entry: which.
        watch: is told how far the download is.
        again: download it even if it is here; the old file stays until the new one is checked.
        offline: download nothing, as if WPLUS_OFFLINE were set.

    Raises:
        DownloadError: it is not here and there is no address or no leave to download, or the download failed.
        OutputError: the file cannot be written.
    """
    here = entry.path.is_file()
    damage = _damage(entry) if here else None
    if here and not damage and (entry.ships or not again):
        return entry.path
    if entry.url is None:
        raise DownloadError(damage or f"{entry.name}: no program can fetch it; {_by_hand(entry)}")
    if offline or is_offline():
        raise DownloadError(f"{damage or f'{entry.name} is not here'}; downloads are off (--offline or WPLUS_OFFLINE)")
    download(Remote(entry.url, entry.sha256, entry.size), entry.path, watch=watch)
    return entry.path


def file_of(entry: Entry, *, error: type[WplusError]) -> Path:
    """The file of a model, which must be here and whole; `error` is what to raise.

    Raises:
        error: it is not here, or damaged; the message says how to get it.
    """
    if entry.ships:
        return entry.path
    how = f"fetch it with `wplus models fetch {entry.name}`" if entry.url else _by_hand(entry)
    if not entry.path.is_file():
        raise error(f"{entry.name} is not here yet: {how}")
    if damage := _damage(entry):
        raise error(f"{damage}; {how}")
    return entry.path


def suggest(name: str, known: Sequence[str]) -> str:
    """The end of a message: the nearest known name, or where all of them are told."""
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    listed = ", ".join(known) if len(known) <= 12 else "`wplus models` lists them"
    return f"; did you mean '{near[0]}'?" if near else f"; known: {listed}"


def _damage(entry: Entry) -> str | None:
    """What is wrong with a file that is here; None if its sum is right. A sum that nobody knew is recorded."""
    try:
        found, expected = sha256_of(entry.path), entry.sha256 or entry.sum_start or recorded_sum(entry.path)
    except OSError as error:
        return f"{entry.path}: cannot be read: {error.strerror or error}"
    if expected is None:
        with suppress(OutputError):  # a folder that others own cannot be written, and can be read all the same
            record_sum(entry.path, found)
    if expected is None or found.startswith(expected):
        return None
    whence = "the catalogue has" if entry.sha256 or entry.sum_start else f"{record_of(entry.path)} recorded"
    return f"{entry.path}: damaged, its SHA-256 is {found}, {whence} {expected}"


def _by_hand(entry: Entry) -> str:
    """How to get a file that no program can fetch."""
    return f"get {entry.file} from {entry.release.source}, and put it into {entry.path.parent} or give the file itself"
