"""What a unit of each direction changes besides what it is about: measures, identity, and whether a face is left."""

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from wplus.alignment.measures import MEASURES, measure
from wplus.core.direction import Direction
from wplus.core.files import replacing, write_text
from wplus.core.knobs import OnProgress
from wplus.core.shapes import AnyPicture, Ws
from wplus.metrics import identity_distance
from wplus.models import Generator


@dataclass(frozen=True, eq=False)
class Entanglement:
    """A row a direction.

    Args:
        names: of the directions.
        changes: (directions, measures), mean change by a unit in standard deviations of `MEASURES` over the codes.
        identity: median of dlib's distance to the unmoved face; NaN where no face is found.
        faces: share of the moved codes that show a face.
        linearity: (directions,), R2 of a straight line through what strengths from -2 to 2 do to the own measure, or
            to the one that changes most.
    """

    names: tuple[str, ...]
    changes: np.ndarray
    identity: np.ndarray
    faces: np.ndarray
    linearity: np.ndarray

    def save(self, path: str | Path) -> None:
        """Write the numbers as CSV.

        Raises:
            OutputError: the file cannot be written.
        """
        text = io.StringIO()
        table = csv.writer(text, lineterminator="\n")
        table.writerow(["direction", *MEASURES, "identity", "faces", "linearity"])
        rows = zip(self.names, self.changes, self.identity, self.faces, self.linearity, strict=True)
        for name, changes, *others in rows:
            table.writerow([name, *(f"{value:.3f}" for value in (*changes, *others))])
        write_text(path, text.getvalue())

    def draw(self, path: str | Path) -> None:
        """Draw the changes as a matrix, directions down and measures across.

        Raises:
            OutputError: the file cannot be written.
        """
        from matplotlib.figure import Figure  # here, not above: it takes half a second

        figure = Figure(figsize=(2 + 0.7 * len(MEASURES), 1 + 0.35 * len(self.names)), layout="constrained")
        axes = figure.subplots()
        axes.imshow(self.changes, cmap="RdBu_r", vmin=-1.5, vmax=1.5, aspect="auto")
        axes.set_xticks(range(len(MEASURES)), MEASURES, rotation=40, ha="right")
        axes.set_yticks(range(len(self.names)), self.names)
        for (row, column), value in np.ndenumerate(self.changes):
            axes.text(column, row, f"{value:+.1f}", ha="center", va="center", fontsize=7)
        axes.set_title("change by one unit, in standard deviations", fontsize=9)
        with replacing(path) as temporary:
            figure.savefig(temporary, dpi=120)


def entanglement(
    generator: Generator, directions: Sequence[Direction], codes: Ws, *, watch: OnProgress = lambda done, total: None
) -> Entanglement:
    """Render codes moved along every direction and measure them.

    Args:
        generator: of the directions.
        directions: each at strengths of -2, -1, 0, 1 and 2.
        codes: (n, layers, w_dim), of photographs where there are some; two or more.
        watch: is told how many directions are done.

    Raises:
        DirectionError: directions of another generator.
    """
    pictures = _rendered(generator, codes)
    base = _measures(pictures)
    spread = base.std(axis=0)
    changes, identity, faces, linearity = [], [], [], []
    for index, item in enumerate(directions):
        moved = {strength: _rendered(generator, codes + strength * item.rows) for strength in (-2, -1, 1, 2)}
        measured = {strength: _measures(shown).mean(axis=0) for strength, shown in moved.items()} | {
            0: base.mean(axis=0)
        }
        changes.append((measured[1] - measured[-1]) / 2 / spread)
        distances = [identity_distance(a, b) for a, b in zip(pictures, moved[1], strict=True)]
        known = [distance for distance in distances if distance is not None]
        identity.append(np.median(known) if known else np.nan)
        faces.append(len(known) / len(distances))
        own = item.about.measure
        column = MEASURES.index(own) if own in MEASURES else int(np.abs(changes[-1]).argmax())
        strengths = sorted(measured)
        values = np.array([measured[strength][column] for strength in strengths])
        linearity.append(np.corrcoef(strengths, values)[0, 1] ** 2 if values.std() > 0 else np.nan)
        watch(index + 1, len(directions))
    names = tuple(item.name for item in directions)
    return Entanglement(names, np.array(changes), np.array(identity), np.array(faces), np.array(linearity))


@torch.inference_mode()
def _rendered(generator: Generator, codes: Ws) -> list[AnyPicture]:
    shown = [generator(part.to(generator.device)).clamp(-1, 1).cpu() for part in codes.split(8)]
    return list(torch.cat(shown))


def _measures(pictures: Sequence[AnyPicture]) -> np.ndarray:
    """All measures, (pictures, measures)."""
    rows = [measure(picture) for picture in pictures]
    return np.array([[row[name] for name in MEASURES] for row in rows])
