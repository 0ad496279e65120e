"""What one row of W+ changes in the generator's own pictures: regions of the face, its shape, its colours."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from wplus.alignment.regions import REGIONS, region
from wplus.core.shapes import Images, Mask, Picture
from wplus.core.sheets import Sheet
from wplus.models import Generator
from wplus.studies.bench import Bench
from wplus.studies.faces import TRUNCATION, landmarks, seen
from wplus.studies.plots import COLOURS, INK, panels
from wplus.studies.rows import distinct, mean, where
from wplus.studies.study import Finding, Plot, Row, Table

ELSEWHERE = "elsewhere"
"""What no region of the face covers."""


def effects_of(bench: Bench, count: int) -> tuple[list[Row], Sheet]:
    """Every row of some made-up faces taken from others, and what that does to each region."""
    layers = bench.generator.layers
    own, other = (
        torch.cat([bench.generator.sample(seed, psi=TRUNCATION).ws.cpu() for seed in range(first, first + count)])
        for first in (0, count)
    )
    swapped = torch.stack([own] * layers)  # (layers, batch, layers, w_dim)
    for row in range(layers):
        swapped[row, :, row] = other[:, row]
    before, after = bench.render(own), bench.render(swapped.flatten(0, 1))
    points, moved = landmarks(bench, before), landmarks(bench, after)
    after = after.unflatten(0, (layers, count))
    moved = moved.unflatten(0, (layers, count))
    rows: list[Row] = []
    for sample, found in enumerate(seen(points)):
        if not found:
            continue
        masks = regions(points[sample], size=bench.generator.resolution)
        for row in range(layers):
            ways = (moved[row, sample] - points[sample]).norm(dim=1).mean()
            shift = (after[row, sample] - before[sample]).mean(dim=(1, 2)).square().mean().sqrt()
            change = (after[row, sample] - before[sample]).square().mean(dim=0)
            rows.append(
                {
                    "sample": sample,
                    "row": row,
                    "landmarks": None if bool(ways.isnan()) else float(ways),
                    "colour": float(shift),
                    "uniform": float(shift.square() / change.mean()) if bool(change.any()) else None,
                    **{name: float(((change * mask).sum() / mask.sum()).sqrt()) for name, mask in masks.items()},
                }
            )
    return rows, _sheet(bench, before, after)


def regions(points: Tensor, *, size: int) -> dict[str, Mask]:
    """The regions of a face, from its landmarks (68, 2) in parts of the side, and what none of them covers."""
    masks = {name: region(points.double().numpy(), name, size=size) for name in REGIONS}
    rest = 1 - torch.stack(list(masks.values())).amax(dim=0)
    return {**masks, ELSEWHERE: rest}


def _sheet(bench: Bench, before: Images, after: Tensor) -> Sheet:
    """Two faces with single rows swapped, and where the pictures of all change, by row."""
    where_changed = (after - before).square().mean(dim=(1, 2)).sqrt()  # (layers, height, width)
    heat = torch.stack([_warm(change / where_changed.max()) for change in where_changed])
    lines = [(before[index], *after[:, index]) for index in range(min(2, len(before)))]
    return Sheet(
        "rows",
        "Two made-up faces, each with one row of another's code; and where one row changes pictures, bright is much.",
        (*lines, (None, *heat)),
        ("own code", *_names(bench.generator)),
        (*(f"face {index + 1}" for index in range(len(lines))), f"change, mean of {len(before)} faces"),
    )


def _warm(values: Mask) -> Picture:
    """Numbers in [0, 1] as colours from black over red and yellow to white."""
    return (3 * values[None] - torch.arange(3.0)[:, None, None]).clamp(0, 1) * 2 - 1


def _names(generator: Generator) -> list[str]:
    """Rows with their resolutions, where there are two of them a resolution."""
    paired = generator.layers == 2 * generator.resolution.bit_length() - 4
    return [f"row {row}, {4 << row // 2} px" if paired else f"row {row}" for row in range(generator.layers)]


def effects_table(rows: Sequence[Row]) -> Table:
    """Means by row."""
    columns = ("landmarks", "colour", "uniform", *REGIONS, ELSEWHERE)
    return Table(
        "What one row of another's code changes",
        ("row", *columns),
        tuple(
            (int(str(row)), *(float(mean(where(rows, row=row), column)) for column in columns))
            for row in distinct(rows, "row")
        ),
        note="Landmarks: mean movement in parts of the picture's side. Colour: change of the mean colour; regions: root"
        " mean square change; both on [-1, 1]. Uniform: the part of the squared change that is one colour everywhere.",
    )


def effects_plot(rows: Sequence[Row]) -> Plot:
    """Regions by row, and shape and colour by row."""
    names = [*REGIONS, ELSEWHERE]
    numbered = [int(str(row)) for row in distinct(rows, "row")]
    changes = np.array([[mean(where(rows, row=row), name) for name in names] for row in numbered or [0]])
    figure, axes = panels(2, width=11, height=4.6)
    axes[0].grid(visible=False)
    axes[0].pcolormesh(changes, cmap="viridis", edgecolors="none")
    for (row, column), value in np.ndenumerate(changes):
        colour = "white" if value < 0.6 * changes.max() else "black"
        axes[0].text(column + 0.5, row + 0.5, f"{value:.2f}", ha="center", va="center", fontsize=7, color=colour)
    axes[0].set_xticks(np.arange(len(names)) + 0.5, names, rotation=30, ha="right")
    axes[0].set_yticks(np.arange(len(changes)) + 0.5, [str(row) for row in numbered or [0]])
    axes[0].invert_yaxis()
    axes[0].set_ylabel("row of W+, coarse to fine")
    labels = {"landmarks": "landmarks moved", "colour": "mean colour", "uniform": "one colour everywhere"}
    for index, (column, label) in enumerate(labels.items()):
        found = np.array([mean(where(rows, row=row), column) for row in numbered])
        axes[1].plot(numbered, found / max(found, default=1.0), "o-", color=COLOURS[index], label=label, markersize=4)
    axes[1].set_xlabel("row of W+")
    axes[1].set_ylabel("of the row that changes most")
    axes[1].set_ylim(bottom=0)
    axes[1].legend(frameon=False, fontsize=9, labelcolor=INK)
    return Plot("rows", "What one row changes, by region of the face (left), in shape and in colour (right).", figure)


def coarse_to_fine(rows: Sequence[Row]) -> Finding:
    """Whether shapes are changed by coarser rows than colours."""
    numbered = [int(str(row)) for row in distinct(rows, "row")]
    # where on the rows the change sits, on average
    centres = {}
    for column in ("landmarks", "uniform"):
        found = np.array([mean(where(rows, row=row), column) for row in numbered])
        centres[column] = float((found * numbered).sum() / found.sum()) if len(found) else float("nan")
    known = all(value == value for value in centres.values())  # NaN differs from itself
    return Finding(
        "Coarse rows change pose and shape, fine rows colours.",
        "M-hi",
        "landmarks are moved by coarser rows than those whose change is one colour everywhere",
        f"the middle of the moving rows is row {centres['landmarks']:.1f} of 0 to {max(numbered, default=0)}, that"
        f" of the colouring rows {centres['uniform']:.1f}",
        centres["landmarks"] < centres["uniform"] if known else None,
        "The paper's fine rows begin at 64 px, where a model of 64 px ends.",
    )
