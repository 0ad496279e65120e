"""Photographs to crops ahead of the optimiser: decoding, detection and alignment of the next groups in processes."""

import functools
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from wplus.alignment import Crop, align, as_crop
from wplus.alignment.painted import mask_file, painted_mask
from wplus.core.errors import WplusError
from wplus.core.processes import Died, Stop, Workers
from wplus.optimisation.losses.identity import face_place
from wplus.pipelines.folder.groups import Group

Found = Crop | WplusError
"""A photograph's crop, or why there is none."""

_START = 4.0
_ALIGNED, _CROPPED = 0.4, 0.02
"""Seconds that a worker takes to start, and a photograph to be aligned, or read as it is."""


@dataclass(frozen=True)
class Reading:
    """How a photograph becomes a crop.

    Args:
        size: side of the crops in pixels.
        cropped: the photographs are aligned crops already.
        face: which face; 0 is the largest.
        comparable: the crop must show a face itself, to be compared by `Identity`.
        mask: what counts, painted over the photograph or, square, over its crop; a folder holds one for each.
    """

    size: int
    cropped: bool = False
    face: int = 0
    comparable: bool = False
    mask: Path | None = None

    def __call__(self, photo: Path) -> Crop:
        """The crop of a photograph.

        Raises:
            ImageError: the file is no picture, or its mask is none.
            FaceError: it does not show the face.
            WeightsError: a file of dlib's is missing.
        """
        crop = as_crop(photo, size=self.size) if self.cropped else align(photo, size=self.size, face=self.face)
        if self.comparable:
            face_place(crop.picture, f"the crop of {photo}")  # here it fails alone, later with its group
        if self.mask is None:
            return crop
        return replace(crop, mask=painted_mask(mask_file(self.mask, photo), crop.alignment))

    def all(self, photos: Iterable[Path]) -> list[Found]:
        """The crops of several photographs, or what is wrong with each."""
        found: list[Found] = []
        for photo in photos:
            try:
                found.append(self(photo))
            except WplusError as error:
                found.append(error)
        return found

    def workers(self, groups: Sequence[Group]) -> int:
        """How many processes pay, of a quarter of the processors: of two none, and for few photographs none."""
        ahead = [len(group.photos) for group in groups[1:]]
        seconds = sum(ahead) * (_CROPPED if self.cropped else _ALIGNED)
        return min(torch.get_num_threads() // 4, len(ahead), int(seconds / _START))


def read_groups(
    groups: Sequence[Group], reading: Reading, *, workers: int | None = None
) -> Iterator[tuple[Group, list[Found]]]:
    """Groups with their crops as they are read, each worker one group ahead; what a worker dies of is read here.

    Args:
        workers: processes that read; None for as many as pay. With none a group is read when it is asked for.
    """
    workers = reading.workers(groups) if workers is None else workers
    if not workers or len(groups) < 2:
        yield from ((group, reading.all(group.photos)) for group in groups)
        return
    first, *others = groups
    with Workers([functools.partial(_reader, reading)] * workers) as crew:
        results = crew.run(others)
        yield first, reading.all(first.photos)  # the workers are still starting
        for group, found in results:
            yield group, reading.all(group.photos) if isinstance(found, Died) else found


def _reader(reading: Reading) -> Callable[[Group, Stop], list[Found]]:
    """A worker's function: the crops of a group."""
    torch.set_num_threads(1)  # the others belong to the optimiser
    return lambda group, stop: reading.all(group.photos)
