"""What wplus measure looks at: pictures and codes from files and folders, matched by name."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from wplus.alignment import Alignment, as_crop, crop
from wplus.core import Latent, LatentError, WplusError
from wplus.core.images import PICTURE_SUFFIXES, find_pictures, read_photo
from wplus.core.shapes import Picture, Resized
from wplus.core.tensorfile import KEY, is_foreign, read_header
from wplus.metrics.figures import Measure, Quantity
from wplus.metrics.latents import distance_to_mean, pn_norm
from wplus.models import Generator
from wplus.models.checkpoints.latents import load_latent
from wplus.models.pn import PNSpace, fit_pn
from wplus.pipelines.rendering import generator_of, render_one

PN_SAMPLES = 10_000


class Item(NamedTuple):
    """A picture file, or one code of a latent file; `name` is by which it finds its counterpart."""

    name: str
    path: Path
    latent: Latent | None = None


class Pair(NamedTuple):
    """Two items that belong together."""

    name: str
    a: Item
    b: Item


def items(path: Path) -> list[Item]:
    """What there is to measure in a file or a folder; where a folder holds codes, its pictures were made of them.

    Raises:
        WplusError: no such path, nothing in it, a damaged latent, or two of one name.
    """
    if not path.is_dir():
        return [Item(path.stem, path)] if path.suffix.lower() in PICTURE_SUFFIXES else _codes(path)
    codes = [item for file in sorted(path.glob("[!.]*.safetensors")) if _holds_latent(file) for item in _codes(file)]
    found = sorted(codes or [Item(file.stem, file) for file in find_pictures(path)], key=lambda item: item.name)
    for one, other in itertools.pairwise(found):
        if one.name == other.name:
            raise WplusError(f"{path}: {one.path.name} and {other.path.name} have one name; which is meant? rename one")
    return found


def matched(a: Sequence[Item], b: Sequence[Item]) -> tuple[list[Pair], list[str]]:
    """Items of one name as pairs, and the names that only one side has; single items belong together anyway.

    Raises:
        WplusError: no name is on both sides.
    """
    if len(a) == len(b) == 1:
        return [Pair(b[0].name, a[0], b[0])], []
    others = {item.name: item for item in b}
    pairs = [Pair(item.name, item, others[item.name]) for item in a if item.name in others]
    if not pairs:
        raise WplusError(f"no name is on both sides: {a[0].path.name} ... and {b[0].path.name} ... ; names must match")
    return pairs, sorted({item.name for item in (*a, *b)} - {pair.name for pair in pairs})


@dataclass
class Pictures:
    """Items as pictures; generators are opened once.

    Args:
        generator: whose codes they are that do not say it; a name in the catalogue, or a file.
        device: where to render.
    """

    generator: str | None
    device: str
    opened: dict[str, Generator] = field(default_factory=dict)
    spaces: dict[str, PNSpace] = field(default_factory=dict)

    def of(self, item: Item) -> Picture:
        """Read or render an item.

        Raises:
            WplusError: it cannot be read, or its generator cannot.
        """
        if item.latent is None:
            return read_photo(item.path)
        return render_one(self.owner(item.latent), item.latent)[0].clamp(-1, 1)

    def both(self, pair: Pair) -> tuple[Picture, Resized]:
        """Both pictures of a pair; a photograph is cut as the codes of its counterpart say that it was.

        Raises:
            WplusError: one cannot be read or rendered.
        """
        a, b = self.of(pair.a), self.of(pair.b)
        return _cut(a, pair.b), _cut(b, pair.a)

    def owner(self, latent: Latent) -> Generator:
        """The generator of a code."""
        key = latent.origin.fingerprint if latent.origin else ""
        if key not in self.opened:
            self.opened[key] = generator_of(latent, self.generator).to(self.device)
        generator = self.opened[key]
        generator.check(latent)
        return generator

    def about_code(self, item: Item) -> list[Measure]:
        """How far a code is from the mean, and in P_N, where its generator has that."""
        assert item.latent is not None
        generator = self.owner(item.latent)
        ws, name = item.latent.ws.to(generator.device), f"{generator.name} {generator.fingerprint}"
        distance = Quantity("mean-distance", "Euclidean over all rows; from 0", network=name)
        found = [Measure(item.name, distance, float(distance_to_mean(ws, generator)))]
        if generator.space == "W+":
            if generator.fingerprint not in self.spaces:
                self.spaces[generator.fingerprint] = fit_pn(generator, samples=PN_SAMPLES)
            norm = Quantity(
                "pn-norm", "root mean square; about 1 for mapped codes", "-", name, f"fitted on {PN_SAMPLES} codes"
            )
            found.append(Measure(item.name, norm, float(pn_norm(ws, self.spaces[generator.fingerprint]))))
        return found


def _codes(path: Path) -> list[Item]:
    latent = load_latent(path)
    if len(latent) == 1:
        return [Item(path.stem, path, latent)]
    return [Item(f"{path.stem}-{index}", path, latent[index]) for index in range(len(latent))]


def _holds_latent(path: Path) -> bool:
    """Whether a safetensors file is one of our latents, and no generator or network that lies beside them."""
    return not is_foreign(path) and read_header(path, error=LatentError, expected=KEY).get("kind") == "latent"


def _cut(picture: Picture, other: Item) -> Resized:
    """A photograph as the crop that the other side's code was found for; other pictures stay as they are."""
    origin = other.latent.origin if other.latent is not None else None
    if origin is None or origin.crop is None:
        return picture
    try:
        alignment = Alignment.from_json(origin.crop)
    except ValueError as error:
        raise LatentError(f"{other.path}: {error}") from error
    if alignment.photo != (picture.shape[2], picture.shape[1]):
        return picture
    if alignment.photo[0] == alignment.photo[1]:
        whole = as_crop(picture, size=alignment.size)
        if whole.alignment == alignment:  # it was a crop already
            return whole.picture
    return crop(picture, alignment).picture
