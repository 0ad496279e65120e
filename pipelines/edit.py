"""A photograph edited along named directions: align, invert near W, move the codes, carry the change back."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from wplus.alignment import Alignment, Crop, Face, align, as_crop, chosen, crop, detect, in_crop
from wplus.alignment.areas import area
from wplus.alignment.measures import landmarks_of
from wplus.alignment.warp import Array
from wplus.core.direction import Direction
from wplus.core.errors import DirectionError, FaceError, LatentError, WeightsError
from wplus.core.images import AnyPhoto, as_picture
from wplus.core.knobs import knob
from wplus.core.latent import Latent
from wplus.core.photograph import Photograph, open_photograph
from wplus.core.shapes import Images, Mask, Picture
from wplus.inversion import Encoder, Mean, Start, image2stylegan, invert, perceptual_network
from wplus.inversion.penalties import NearW, on_unlikely
from wplus.models import EncoderNetwork, Generator, load_encoder, load_generator
from wplus.models.catalogue import suggest
from wplus.optimisation import Objective, Penalty, Settings
from wplus.pipelines.carry import carry
from wplus.pipelines.change import Carry
from wplus.pipelines.directions import known_directions
from wplus.pipelines.parts import GROUPS
from wplus.pipelines.restore import Paste, alignment_of, check_same_face, mark, restore_face

MASK_SIDE = 256
"""Pixels of the side of the masks that tell where a photograph may change."""


@dataclass(frozen=True)
class Nearness:
    """How codes are looked for that are to be edited: near W, where directions were found.

    Raises:
        ValueError: steps below 0; a weight that is negative is refused by its penalty.
    """

    steps: int = knob(60, "Updates of the inversion before an edit.")
    offsets: float = knob(2.0, "Penalty on codes whose rows differ: edits work near W, likeness asks for less.")
    unlikely: float = knob(0.02, "Penalty on codes that the generator's mapping would hardly give.")

    def __post_init__(self) -> None:
        if self.steps < 0:
            raise ValueError(f"steps must be 0 or more, got {self.steps}")


@dataclass(frozen=True, eq=False)
class Subject:
    """A face of a photograph with its codes: found once, edited as often as one likes.

    Args:
        photo: the photograph.
        alignment: where the face's crop lies.
        landmarks: (68, 2) as parts of the crop's side.
        latent: its codes.
        before: what the generator shows of them, (1, 3, resolution, resolution).
    """

    photo: Photograph
    alignment: Alignment
    landmarks: Array
    latent: Latent
    before: Images


def edit(
    photo: AnyPhoto,
    *,
    generator: Generator | str | Path | None = None,
    face: int | None = 0,
    directions: Mapping[str, Direction] | None = None,
    **strengths: float,
) -> Photograph:
    """Edit a face of a photograph along named directions; `wplus edit --list` lists them.

        wplus.edit("me.jpg", smile=0.8, age=-0.5).save("edited.jpg")

    Args:
        photo: a path, a PIL picture, an array or a tensor.
        generator: or its name or file; the one that ships if None.
        face: which, the largest first; None for all.
        directions: by name; those of the generator if None.
        strengths: of directions by name, in their units; underscores stand for hyphens.

    Raises:
        DirectionError: an unknown name, or directions of another generator.
        FaceError, ImageError, WeightsError: as of `align` and `invert`.
    """
    network = generator if isinstance(generator, Generator) else load_generator(generator or SHIPPED)
    moves = choose(known_directions(network) if directions is None else directions, strengths)
    return edit_faces(as_photograph(photo), network, moves, face=face)


SHIPPED = "faces-64w"
"""The generator that edits where none is given."""


def edit_faces(
    photo: Photograph,
    generator: Generator,
    moves: Sequence[Direction],
    *,
    face: int | None = 0,
    paste: Paste = "change",
    **how: Any,
) -> Photograph:
    """Edit one face of a photograph, or all of them if `face` is None; `how` is as of `subject`, `paste` as of `move`.

    Raises:
        FaceError: there is no face, or not the one asked for.
    """
    if face is not None:
        return move(subject(photo, generator, face=face, **how), generator, moves, paste=paste)
    faces = detect(photo.seen())
    chosen(faces, 0, "the photograph")
    for item in faces:  # each face lies where it lay: edits move nothing beyond its crop
        photo = move(subject(photo, generator, face=item, **how), generator, moves, paste=paste)
    return photo


def subject(
    photo: Photograph,
    generator: Generator,
    *,
    face: int | Face = 0,
    cropped: bool = False,
    latent: Latent | None = None,
    encoder: EncoderNetwork | None = None,
    nearness: Nearness = Nearness(),
) -> Subject:
    """Align a face and find its codes near W.

    Args:
        photo: the photograph.
        generator: that renders the codes.
        face: which, the largest first, or one that was found before.
        cropped: the photograph is an aligned crop by itself.
        latent: codes that were found before; they are taken as they are.
        encoder: where the inversion begins; the generator's own if None, and its mean code where it has none.
        nearness: how codes are looked for.

    Raises:
        ImageError, FaceError, WeightsError: as of `align` and `invert`.
        LatentError: the latent belongs to another generator or photograph, or holds several codes.
    """
    found, landmarks = _crop(photo.seen(), generator.resolution, face=face, cropped=cropped, latent=latent)
    given = latent is not None
    if latent is None:
        latent = _near_w(found, generator, encoder, nearness)
    if len(latent) != 1:
        raise LatentError(f"a latent of {len(latent)} codes; an edit takes one face at a time")
    with torch.inference_mode():
        before = generator(latent).cpu()
    if given:
        check_same_face(photo.seen(), before.clamp(-1, 1), found.alignment)
    return Subject(photo, found.alignment, landmarks, latent, before)


def move(person: Subject, generator: Generator, moves: Sequence[Direction], *, paste: Paste = "change") -> Photograph:
    """Move a face along directions, scaled as they are to act, and carry the change into its photograph.

    Without directions, or with strengths of 0, the photograph is given back, bit for bit. With `paste` "face" the face
    is pasted as the generator renders it.

    Raises:
        DirectionError: a direction of another generator.
    """
    latent = person.latent
    for item in moves:
        latent = latent + item
    if torch.equal(latent.ws, person.latent.ws):
        return person.photo
    if paste == "face":
        photo = restore_face(person.photo, latent, generator)
    else:
        with torch.inference_mode():
            after = generator(latent).cpu()
        where = allowed(person.landmarks, moves)
        photo = carry(person.photo, person.before, after, person.alignment, settings=parts(moves), allowed=where)
    return photo.marked(mark("; ".join(item.words for item in moves if item.strength)))


def choose(known: Mapping[str, Direction], strengths: Mapping[str, float]) -> list[Direction]:
    """Directions by name, scaled by their strengths; hyphens may be written as underscores.

    Raises:
        DirectionError: an unknown name; the nearest is suggested.
    """
    found = []
    for name, strength in strengths.items():
        key = name if name in known else name.replace("_", "-")
        if key not in known:
            raise DirectionError(f"no direction is named '{name}'{suggest(key, list(known))}")
        found.append(strength * known[key])
    return found


def parts(moves: Sequence[Direction]) -> Carry:
    """The parts of a photograph that directions are about, with their tint where that is what changes: all, or hair."""
    names = {item.about.region for item in moves if item.strength}
    if None in names:
        return Carry(where=tuple(GROUPS), light=1.0)
    groups = {group for name in names if name for group in GROUPS_OF.get(name, ("face",))}
    light = min((LIGHT.get(name, 0.0) for name in names), default=0.0)
    return Carry(where=tuple(sorted(groups or {"face"})), light=light)


LIGHT: Mapping[str | None, float] = {"hair": 1.0, "head": 0.5}
"""How much of a change of tint is carried by a region: hair changes by its tint, and age greys it."""

GROUPS_OF: Mapping[str, tuple[str, ...]] = {"hair": ("hair",), "head": ("face", "hair")}
"""The groups of a direction's region, if not the face alone."""


def allowed(landmarks: Array, moves: Sequence[Direction]) -> Mask | None:
    """Where within these parts directions may change a crop: the union of areas; None if one needs all of a part."""
    names = {item.about.region for item in moves if item.strength}
    if not names or not names <= NARROW:
        return None
    return torch.stack([area(landmarks, name, size=MASK_SIDE) for name in names if name]).amax(dim=0)


NARROW = frozenset({"lower-face", "upper-face"})
"""Regions that are narrower than what a parser of faces tells apart."""


def as_photograph(photo: AnyPhoto) -> Photograph:
    """A photograph in any form; of a file with all that it says of itself.

    Raises:
        ImageError: it is no picture.
    """
    return open_photograph(photo) if isinstance(photo, str | Path) else Photograph(as_picture(photo))


def _crop(picture: Picture, size: int, *, face: int | Face, cropped: bool, latent: Latent | None) -> tuple[Crop, Array]:
    """The crop of a face, and its landmarks."""
    if latent is not None and latent.origin is not None and latent.origin.crop is not None:
        found = crop(picture, alignment_of(latent, "the latent's alignment"))
        return found, landmarks_of(found.picture)
    if cropped:
        return as_crop(picture, size=size), landmarks_of(as_crop(picture, size=max(size, 256)).picture)
    if latent is not None:
        raise FaceError("the latent does not tell where its face lies; give the crop itself, and --crop")
    person = face if isinstance(face, Face) else chosen(detect(picture), face, "the photograph")
    found = align(picture, size=size, face=person)
    return found, in_crop(person, found.alignment)


def _near_w(found: Crop, generator: Generator, encoder: EncoderNetwork | None, nearness: Nearness) -> Latent:
    """The codes of a crop, near W."""
    start: Start = Mean()
    try:
        start = Encoder(encoder or load_encoder(generator))
    except WeightsError:
        if encoder is not None:
            raise
    terms = image2stylegan(perceptual_network(generator)).terms
    penalties: tuple[Penalty, ...] = (NearW(nearness.offsets), *on_unlikely(generator, nearness.unlikely))
    settings = Settings(steps=nearness.steps)
    return invert(generator, found, objective=Objective(terms, penalties), start=start, settings=settings).latent
