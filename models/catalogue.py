"""Names that can be given instead of files: what ships, whence it is, and on what terms."""

import difflib
from dataclasses import dataclass, replace
from pathlib import Path

from wplus.core.errors import GeneratorError, WeightsError
from wplus.models.generator import Generator, read_generator
from wplus.models.vgg import VGG, load_vgg16, load_vgg_file

WEIGHTS = Path(__file__).parent / "weights"


@dataclass(frozen=True)
class Entry:
    """One shipped generator.

    Args:
        name: what users type.
        file: its file in `models/weights`.
        perceptual: the perceptual network that inversions with it use unless told otherwise.
        terms: what it may be used for.
    """

    name: str
    file: str
    perceptual: str
    terms: str


GENERATORS = (Entry("faces-64", "faces-64.safetensors", "vgg-slim", "research and non-commercial use (see its card)"),)

PERCEPTUAL = ("vgg-slim", "vgg16")
"""`vgg-slim` ships; `vgg16` is torchvision's, downloaded on first use."""


def load_generator(name_or_path: str | Path) -> Generator:
    """Open a generator by its name in the catalogue, or from a file; on the CPU, in fp32.

    Raises:
        GeneratorError: an unknown name (the nearest is suggested), or a file that holds no generator.
    """
    for entry in GENERATORS:
        if str(name_or_path) == entry.name:
            generator = read_generator(WEIGHTS / entry.file)
            generator.card = replace(generator.card, name=entry.name, perceptual=entry.perceptual)
            return generator
    if Path(name_or_path).is_file():
        return read_generator(name_or_path)
    names = [entry.name for entry in GENERATORS]
    raise GeneratorError(f"no generator and no file is named '{name_or_path}'{suggest(str(name_or_path), names)}")


def load_perceptual(name_or_path: str | Path) -> VGG:
    """Open a perceptual network: "vgg-slim", "vgg16", or a safetensors file with torchvision's keys.

    Raises:
        WeightsError: an unknown name, a damaged file, or weights that are neither here nor to be downloaded.
    """
    if str(name_or_path) == "vgg16":
        return load_vgg16()
    if str(name_or_path) == "vgg-slim":
        return load_vgg_file(WEIGHTS / "vgg-slim.safetensors")
    if Path(name_or_path).is_file():
        return load_vgg_file(name_or_path)
    found = suggest(str(name_or_path), PERCEPTUAL)
    raise WeightsError(f"no perceptual network and no file is named '{name_or_path}'{found}")


def suggest(name: str, known: list[str] | tuple[str, ...]) -> str:
    """The end of a message: the nearest known name, or all of them."""
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    return f"; did you mean '{near[0]}'?" if near else f"; known: {', '.join(known)}"
