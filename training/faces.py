"""Training pictures in memory: a folder of pictures, or of tar files with pictures, at one resolution."""

import io
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from wplus.core.errors import TrainingError
from wplus.core.shapes import Images

SUFFIXES = {".webp", ".png", ".jpg", ".jpeg"}


@dataclass(frozen=True)
class Faces:
    """Pictures as bytes, (count, 3, resolution, resolution): a float copy would take four times the memory."""

    stored: Tensor

    def __len__(self) -> int:
        return self.stored.shape[0]

    def batch(self, indices: Tensor, *, flips: Tensor | None = None) -> Images:
        """Pictures in [-1, 1]; where `flips` is true, mirrored."""
        images = self.stored[indices].float() / 127.5 - 1
        return images if flips is None else torch.where(flips[:, None, None, None], images.flip(3), images)

    def split(self, held_out: int) -> tuple["Faces", "Faces"]:
        """Two parts: for training, and `held_out` (at most a tenth) spread evenly over the whole."""
        held_out = min(held_out, len(self) // 10)
        chosen = torch.zeros(len(self), dtype=torch.bool)
        chosen[torch.linspace(0, len(self) - 1, held_out).long()] = True
        return Faces(self.stored[~chosen]), Faces(self.stored[chosen])


def load_faces(folder: str | Path, *, resolution: int, skip_bad: bool = False) -> Faces:
    """Read every picture below `folder`, also in its tar files, reduced to `resolution` (square crops expected).

    Raises:
        TrainingError: no folder, fewer than 100 pictures; or some are damaged, no squares or smaller than `resolution`,
            which are passed over if `skip_bad`.
    """
    if not Path(folder).is_dir():
        raise TrainingError(f"{folder}: no such folder")
    arrays, bad = [], []
    for name, data in files_in(Path(folder)):
        try:
            with Image.open(io.BytesIO(data)) as picture:
                image = picture.convert("RGB")
        except (OSError, SyntaxError, ValueError):
            bad.append(f"{name}: not a picture, or damaged")
            continue
        if min(image.size) < resolution or image.width != image.height:
            bad.append(f"{name}: {image.width}x{image.height}, expected a square of {resolution} px or more")
            continue
        if image.width != resolution:
            image = image.resize((resolution, resolution), Image.Resampling.LANCZOS)
        arrays.append(np.asarray(image))
    if bad and not skip_bad:
        more = f" and {len(bad) - 9} more" if len(bad) > 9 else ""
        raise TrainingError("; ".join(bad[:9]) + more + " (--skip-bad goes on without them)")
    if len(arrays) < 100:
        raise TrainingError(f"{folder}: {len(arrays)} pictures found, training needs at least 100")
    return Faces(torch.from_numpy(np.stack(arrays)).permute(0, 3, 1, 2).contiguous())


def files_in(folder: Path) -> Iterator[tuple[str, bytes]]:
    """Names and contents, in sorted order, so that a run can be repeated."""
    for path in sorted(path for path in folder.rglob("*") if path.is_file() and not path.name.startswith(".")):
        if path.suffix == ".tar":
            try:
                with tarfile.open(path) as archive:
                    for member in archive:
                        inside = Path(member.name)
                        wanted = inside.suffix.lower() in SUFFIXES and not inside.name.startswith(".")
                        file = archive.extractfile(member) if wanted else None
                        if file is not None:
                            yield f"{path}:{member.name}", file.read()
            except tarfile.TarError as error:
                raise TrainingError(f"{path}: no tar file, or damaged: {error}") from error
        elif path.suffix.lower() in SUFFIXES:
            yield str(path), path.read_bytes()
