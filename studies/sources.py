"""Sources of expressions: persons with a neutral and another picture, photographed or made up, and their codes."""

from collections.abc import Sequence
from typing import NamedTuple

import torch

from wplus.alignment import Face
from wplus.core.latent import Latent
from wplus.core.shapes import Images, Ws
from wplus.inversion import Given
from wplus.metrics import mouth_opening, mouth_width
from wplus.studies.bench import Bench
from wplus.studies.faces import as_face, landmarks, seen
from wplus.studies.pairs import Cast
from wplus.studies.photos import Photo

MEAN, NEUTRAL = "from the mean", "from the neutral codes"
"""Where the descent to the expressive picture begins."""

INVENTED, MADE_UP = "made up", "a smile"
"""Person and expression of a source that the generator made up."""

SAMPLES = 96
"""Made-up faces among which wide open mouths are looked for."""


class Source(NamedTuple):
    """One person, twice."""

    person: str
    expression: str
    neutral: int
    expressive: int


class Stage(NamedTuple):
    """Pictures of sources with the codes of both, by where the descent to the second began."""

    sources: tuple[Source, ...]
    pictures: Images
    """Of all photographs, or made-up ones; a source's numbers count here."""
    neutral: Ws
    expressive: dict[str, Ws]


def sources(photos: Sequence[Photo], *, most: int) -> tuple[Source, ...]:
    """Persons with a neutral and another picture, by the names of their photographs.

    What stands before "neutral" in a name is the person; without anything before it the class is.
    """
    found = []
    for index, photo in enumerate(photos):
        before, word, after = photo.name.lower().partition("neutral")
        if not word or after or not photo.face:
            continue
        for number, other in enumerate(photos):
            if other.kind == photo.kind and other.face and number != index and other.name.lower().startswith(before):
                expression = other.name[len(before) :].strip("_- ")
                found.append(Source(before.strip("_- ") or photo.kind, expression, index, number))
    return tuple(found[:: max(1, -(-len(found) // most))])


def others(own: Cast, source: Source) -> list[int]:
    """Faces that are not the source's, by number."""
    if source.person == INVENTED:
        return list(own.faces)
    neutral = own.photos[source.neutral]
    before = neutral.name.lower().partition("neutral")[0]
    return [
        index
        for index in own.faces
        if own.photos[index].kind != neutral.kind or not own.photos[index].name.lower().startswith(before)
    ]


def stage_of(bench: Bench, own: Cast) -> Stage:
    """Sources among the photographs, else a made-up one; the second picture is also embedded from the first's codes."""
    found = sources(own.photos, most=2 if bench.quick else 6)
    if found:
        pictures, codes = torch.stack([photo.crop.picture for photo in own.photos]), own.ws
    else:
        pictures = bench.render(_mouths(bench))
        found, codes = (Source(INVENTED, MADE_UP, 0, 1),), bench.embed(pictures).ws
    before, after = [source.neutral for source in found], [source.expressive for source in found]
    again = bench.embed(pictures[after], start=Given(Latent(codes[before]))).ws
    return Stage(found, pictures, codes[before], {MEAN: codes[after], NEUTRAL: again})


def _mouths(bench: Bench) -> Ws:
    """A made-up face twice, far apart along what tells wide and open mouths from narrow and closed ones."""
    codes = torch.cat([bench.generator.sample(seed, psi=0.7).ws.cpu() for seed in range(SAMPLES)])
    points = landmarks(bench, bench.render(codes))
    known = [index for index, found in enumerate(seen(points)) if found]
    ordered = sorted(known, key=lambda index: _smile(as_face(points[index])))
    quarter = max(1, len(ordered) // 4)
    if not ordered:
        return codes[:2]
    serious, smiling = (codes[part].mean(dim=0, keepdim=True) for part in (ordered[:quarter], ordered[-quarter:]))
    middle, way = codes[ordered[len(ordered) // 2]][None], 2 * (smiling - serious)
    layers = way.shape[1]
    way[:, : layers // 4], way[:, layers - 1 :] = 0, 0  # hair, background and colours stay
    return torch.cat([middle - way, middle + way])


def _smile(face: Face) -> float:
    return mouth_width(face) + mouth_opening(face)
