"""Faces of pictures that stand upright: where their landmarks lie and who they show, looked for once and kept."""

import functools

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from wplus.alignment import Face, as_crop, chip_quad
from wplus.alignment.landmarks import dlib_landmarks
from wplus.core.shapes import Descriptors, Images, Losses
from wplus.metrics import eye_opening, mouth_opening, mouth_width
from wplus.metrics.identity import enlarged
from wplus.models import IdentityNetwork, load_identity
from wplus.optimisation.losses.identity import SEEN_SIZE, chips
from wplus.studies.bench import Bench
from wplus.studies.photos import Photo

Landmarks = Float[Tensor, "batch 68 2"]
"""68 points of each face, in parts of the picture's side from the upper left corner; NaN where no face was found."""

TRUNCATION = 0.7
"""Of made-up faces that stand in for photographs: psi, at which nearly all are faces."""

_PARTS = tuple(
    (slice(*part), slice(*about))
    for part, about in (
        ((48, 68), (48, 68)),  # mouth
        ((36, 42), (36, 42)),  # eyes
        ((42, 48), (42, 48)),
        ((17, 22), (36, 42)),  # brows
        ((22, 27), (42, 48)),
    )
)

_TOGETHER = 32  # pictures that are looked at before what was found is kept


def landmarks(bench: Bench, pictures: Images) -> Landmarks:
    """The largest upright face of each picture; dlib's detector at one size only, for pictures in the FFHQ frame.

    `detect` would look turned and at every size for faces that are not there, a second for each picture.

    Raises:
        WeightsError: the file of dlib's predictor is missing.
    """
    parts = []
    for first in range(0, len(pictures), _TOGETHER):
        bench.watch("look for faces", first, len(pictures))
        group = pictures[first : first + _TOGETHER].contiguous()
        found = bench.kept({"what": "landmarks"}, {"pictures": group}, functools.partial(_find, group))
        parts.append(found["landmarks"])
    return torch.cat(parts)


def descriptors(bench: Bench, pictures: Images, points: Landmarks) -> Descriptors:
    """Descriptors of the faces whose landmarks are given, by dlib's network; NaN where there are none.

    Raises:
        WeightsError: dlib's network is missing.
    """
    inputs = {"pictures": pictures.contiguous(), "points": points}
    return bench.kept({"what": "descriptors"}, inputs, lambda: _describe(bench, pictures, points))["descriptors"]


def seen(points: Landmarks) -> list[bool]:
    """Whether a face was found, by picture."""
    return (~points.isnan().any(dim=(1, 2))).tolist()


def as_face(points: Tensor, *, size: int = 1) -> Face:
    """Landmarks (68, 2) in parts of a picture's side as a face in one of `size` pixels; nothing else is known of it."""
    return Face((0.0, 0.0, 1.0, 1.0), points.double().numpy() * size - 0.5, 0.0)


def apart(a: Descriptors, b: Descriptors) -> Losses:
    """Euclidean distance of descriptors, one number a pair; NaN where either shows no face."""
    return (a - b).norm(dim=1)


def shape(points: Landmarks) -> Tensor:
    """Mouth and eyes about their own middles, brows about the eyes', in distances of the outer corners of the eyes.

    Shape (batch, 42, 2). Where on the face they lie is left out: that is who it is, and how the head is turned.
    """
    flat = torch.view_as_complex(points.contiguous())
    flat = flat / (flat[:, 45:46] - flat[:, 36:37])
    parts = [flat[:, part] - flat[:, about].mean(dim=1, keepdim=True) for part, about in _PARTS]
    return torch.view_as_real(torch.cat(parts, dim=1))


def movement(change: Tensor, of: Tensor) -> Tensor:
    """How far changes (batch, points, 2) go along another: 1 is as far, 0 not at all or elsewhere; (batch,)."""
    return (change * of).sum(dim=(1, 2)) / of.square().sum(dim=(1, 2))


def openings_changed(after: Tensor, before: Tensor) -> dict[str, float | None]:
    """How mouth and eyes changed, in the units of `metrics/expression.py`."""
    measures = {"mouth width": mouth_width, "mouth opening": mouth_opening, "eye opening": eye_opening}
    if bool((after + before).isnan().any()):
        return dict.fromkeys(measures)
    return {name: measure(as_face(after)) - measure(as_face(before)) for name, measure in measures.items()}


def made_up(bench: Bench, count: int, *, psi: float = TRUNCATION) -> tuple[Photo, ...]:
    """Pictures of the generator's own (seeds 0, 1 ...) as if they were photographs of faces."""
    pictures = [bench.render(bench.generator.sample(seed, psi=psi).ws)[0] for seed in range(count)]
    crops = [as_crop(picture, size=bench.generator.resolution) for picture in pictures]
    return tuple(Photo(f"made up {seed}", "made up", crop, True) for seed, crop in enumerate(crops))


def _find(pictures: Images) -> dict[str, Tensor]:
    detector = dlib_landmarks()
    points = torch.full((len(pictures), 68, 2), float("nan"))
    for index, picture in enumerate(pictures):
        shown = enlarged(picture)
        faces = detector(shown)
        if faces:
            largest = max(faces, key=lambda face: face.size)
            points[index] = torch.from_numpy((largest.landmarks + 0.5) / shown.shape[2])
    return {"landmarks": points}


def _describe(bench: Bench, pictures: Images, points: Landmarks) -> dict[str, Tensor]:
    found = torch.full((len(pictures), 128), float("nan"))
    for index, picture in enumerate(pictures):
        bench.watch("compare faces", index, len(pictures))
        if not bool(points[index].isnan().any()):
            quad = chip_quad(as_face(points[index], size=SEEN_SIZE))
            quad = (quad + 0.5) * 2 / SEEN_SIZE - 1
            across, down, middle = (quad[3] - quad[0]) / 2, (quad[1] - quad[0]) / 2, (quad[0] + quad[2]) / 2
            place = torch.from_numpy(np.stack([across, down, middle], axis=1))
            found[index] = _network()(chips(picture[None], place[None]))[0]
    return {"descriptors": found}


@functools.cache
def _network() -> IdentityNetwork:
    """The process's one copy of dlib's descriptor."""
    return load_identity()
