"""Embedded pictures, and the pairs of them that morphing and crossover are tried on."""

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import torch

from wplus.core.errors import FaceError
from wplus.core.shapes import Images, Ws
from wplus.studies.bench import Bench, stacked
from wplus.studies.faces import made_up
from wplus.studies.photos import Photo

FACES, MIXED, WITHIN, BETWEEN = "two faces", "a face and another", "two of a class", "two classes"
"""How the pictures of a pair belong together."""


class Cast(NamedTuple):
    """Photographs in W+, and made-up faces behind them where no two photographs are faces."""

    photos: tuple[Photo, ...]
    faces: tuple[int, ...]
    """Numbers of those that the generator was trained for."""
    ws: Ws
    pictures: Images
    """What the codes render."""


class Pair(NamedTuple):
    """Two pictures by number, and how they belong together."""

    a: int
    b: int
    relation: str


def cast(bench: Bench) -> Cast:
    """All photographs of the bench, embedded from the mean as every study does it."""
    try:
        known = bench.faces
    except FaceError:
        known = ()
    more = made_up(bench, max(2 - len(known), 0))
    photos = (*bench.photos, *more)
    inside = {id(photo) for photo in (*known, *more)}
    ws = torch.cat([bench.embed(stacked(part)).ws for part in (bench.photos, more) if part])
    faces = tuple(index for index, photo in enumerate(photos) if id(photo) in inside)
    return Cast(photos, faces, ws, bench.render(ws))


def pairs(photos: Sequence[Photo], faces: Sequence[int], *, most: int) -> tuple[Pair, ...]:
    """At most so many pairs of every relation.

    Args:
        photos: all pictures.
        faces: numbers of those that the generator was trained for.
        most: pairs of one relation.
    """
    classes: dict[str, list[int]] = {}
    for index, photo in enumerate(photos):
        if index not in faces:
            classes.setdefault(photo.kind, []).append(index)
    firsts = [members[0] for members in classes.values()]
    half = len(faces) // 2
    found = {
        FACES: list(zip(faces[:half], faces[half:], strict=False)),  # neighbours may be one person twice
        MIXED: [(faces[place % len(faces)], other) for place, other in enumerate(firsts) if faces],
        WITHIN: [(members[0], members[1]) for members in classes.values() if len(members) > 1],
        BETWEEN: list(pairwise(firsts)),
    }
    return tuple(Pair(a, b, relation) for relation, chosen in found.items() for a, b in chosen[:most])
