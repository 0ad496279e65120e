"""A photograph edited along named directions: align, invert near W, move the codes, carry the change back."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from wplus.alignment import Alignment, Crop, Face, align, as_crop, chosen, crop, detect, in_crop
from wplus.alignment.areas import area
from wplus.alignment.landmarks import Photo
from wplus.alignment.measures import landmarks_of
from wplus.alignment.warp import Array
from wplus.core.direction import Direction
from wplus.core.errors import DirectionError, FaceError, LatentError, WeightsError
from wplus.core.images import read_photo, write_picture
from wplus.core.knobs import knob
from wplus.core.latent import Latent
from wplus.core.shapes import Images, Mask, Picture
from wplus.inversion import Encoder, Mean, Objective, Settings, Start, image2stylegan, invert
from wplus.inversion.objectives import perceptual_network
from wplus.inversion.penalties import NearW, on_unlikely
from wplus.models import EncoderNetwork, Generator, load_encoder
from wplus.pipelines.carry import carry

MASK_SIDE = 256
"""Pixels of the side of the masks that tell where a photograph may change."""


@dataclass(frozen=True)
class Nearness:
    """How codes are looked for that are to be edited: near W, where directions were found.

    Raises:
        ValueError: steps below 0; a weight that is negative is refused by its penalty.
    """

    steps: int = knob(60, "Updates of the inversion before an edit.")
    offsets: float = knob(1.0, "Penalty on codes whose rows differ: edits work near W, likeness asks for more.")
    unlikely: float = knob(0.02, "Penalty on codes that the generator's mapping would hardly give.")

    def __post_init__(self) -> None:
        if self.steps < 0:
            raise ValueError(f"steps must be 0 or more, got {self.steps}")


@dataclass(frozen=True, eq=False)
class Subject:
    """A face of a photograph with its codes: found once, edited as often as one likes.

    Args:
        photo: the upright photograph (3, height, width) in [-1, 1].
        alignment: where the face's crop lies.
        landmarks: (68, 2) as parts of the crop's side.
        latent: its codes.
        before: what the generator shows of them, (1, 3, resolution, resolution).
    """

    photo: Picture
    alignment: Alignment
    landmarks: Array
    latent: Latent
    before: Images


@dataclass(frozen=True, eq=False)
class Edited:
    """An edited photograph, and the codes of its edited face."""

    picture: Picture
    latent: Latent

    def save(self, path: str | Path) -> None:
        """Write the picture, as its suffix says.

        Raises:
            OutputError: an unknown suffix, or the file cannot be written.
        """
        write_picture(path, self.picture)


def subject(
    photo: Photo,
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
        photo: a file, or an upright picture (3, height, width) in [-1, 1].
        generator: that renders the codes.
        face: which, the largest first, or one that was found before.
        cropped: the photograph is an aligned crop by itself.
        latent: codes that were found before; they are taken as they are.
        encoder: where the inversion begins; the generator's own if none, and its mean code where it has none.
        nearness: how codes are looked for.

    Raises:
        ImageError, FaceError, WeightsError: as of `align` and `invert`.
        LatentError: the latent belongs to another generator or photograph, or holds several codes.
    """
    picture = photo if isinstance(photo, torch.Tensor) else read_photo(photo)
    name = "the photograph" if isinstance(photo, torch.Tensor) else str(photo)
    found, landmarks = _crop(picture, generator.resolution, face=face, cropped=cropped, latent=latent, name=name)
    if latent is None:
        latent = _near_w(found, generator, encoder, nearness)
    if len(latent) != 1:
        raise LatentError(f"a latent of {len(latent)} codes; an edit takes one face at a time")
    with torch.inference_mode():
        before = generator(latent).cpu()
    return Subject(picture, found.alignment, landmarks, latent, before)


def edit(
    person: Subject,
    generator: Generator,
    directions: Sequence[Direction],
) -> Edited:
    """Move a face along directions, scaled as they are to act, and carry the change into its photograph.

    Without directions, or with strengths of 0, the photograph comes back bit for bit.

    Raises:
        DirectionError: a direction of another generator.
    """
    latent = person.latent
    for item in directions:
        latent = latent + item
    if torch.equal(latent.ws, person.latent.ws):
        return Edited(person.photo, person.latent)
    with torch.inference_mode():
        after = generator(latent).cpu()
    where = allowed(person.landmarks, directions)
    return Edited(carry(person.photo, person.before, after, person.alignment, allowed=where), latent)


def chosen_directions(known: Mapping[str, Direction], strengths: Mapping[str, float]) -> list[Direction]:
    """Directions by name, scaled by their strengths; hyphens may be written as underscores.

    Raises:
        DirectionError: an unknown name; the nearest is suggested.
    """
    from wplus.models.catalogue import suggest

    found = []
    for name, strength in strengths.items():
        key = name if name in known else name.replace("_", "-")
        if key not in known:
            raise DirectionError(f"no direction is named '{name}'{suggest(key, list(known))}")
        found.append(strength * known[key])
    return found


def allowed(landmarks: Array, directions: Sequence[Direction]) -> Mask | None:
    """Where directions may change a crop: the union of their areas, None if one of them may act anywhere."""
    names = {item.about.region for item in directions if item.strength}
    if None in names:
        return None
    masks = [area(landmarks, name, size=MASK_SIDE) for name in names if name is not None]
    return torch.stack(masks).amax(dim=0)


def _crop(
    picture: Picture, size: int, *, face: int | Face, cropped: bool, latent: Latent | None, name: str
) -> tuple[Crop, Array]:
    """The crop of a face, and its landmarks."""
    known = latent.origin.crop if latent is not None and latent.origin is not None else None
    if known is not None:
        try:
            found = crop(picture, Alignment.from_json(known))
        except ValueError as error:
            raise LatentError(f"the latent's alignment: {error}") from error
        return found, landmarks_of(found.picture)
    if cropped:
        found = as_crop(picture, size=size)
        return found, landmarks_of(as_crop(picture, size=max(size, 256)).picture)
    if latent is not None:
        raise FaceError("the latent does not tell where its face lies; give the crop itself with --crop")
    person = face if isinstance(face, Face) else chosen(detect(picture), face, name)
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
    penalties = (NearW(nearness.offsets), *on_unlikely(generator, nearness.unlikely))
    settings = Settings(steps=nearness.steps)
    return invert(generator, found, objective=Objective(terms, penalties), start=start, settings=settings).latent
