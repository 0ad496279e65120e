"""Figures that can be compared with others': each says its range, size, network and version, and how sure it is."""

import csv
import io
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from wplus.core.files import write_text

DRAWS = 2_000
"""Resamplings of a bootstrap interval."""

COLUMNS = ("item", "metric", "value", "range", "size", "network", "version")
"""Of a table of measures."""


@dataclass(frozen=True)
class Quantity:
    """What a number means; only numbers of equal quantities may be compared.

    Args:
        name: of the metric.
        range: what the values are made from and lie in, such as "pixels in [-1, 1]".
        size: of the pictures as they were compared.
        network: by which they were compared, if by one.
        version: of the network's weights or of the program that computes.
        trim: share of the values at either end that its mean leaves out, 0.01 for path lengths and LEC.

    Raises:
        ValueError: no name or no range, or a share outside [0, 0.5).
    """

    name: str
    range: str
    size: str = "-"
    network: str = "-"
    version: str = "-"
    trim: float = 0.0

    def __post_init__(self) -> None:
        if not self.name or not self.range or not 0 <= self.trim < 0.5:
            raise ValueError(f"a quantity needs a name, a range, and a trim in [0, 0.5), got {self}")


@dataclass(frozen=True)
class Measure:
    """One number about one item; NaN where it could not be taken (a picture without a face)."""

    item: str
    quantity: Quantity
    value: float


@dataclass(frozen=True)
class Figure:
    """The mean of a quantity over items.

    Args:
        quantity: what was measured.
        mean: over the items that could be measured; NaN if there is none.
        interval: of the mean, 95 %, by bootstrap; None for fewer than two items.
        count: items that it is the mean of.
        missing: items that could not be measured.
    """

    quantity: Quantity
    mean: float
    interval: tuple[float, float] | None
    count: int
    missing: int = 0


def figures(measures: Sequence[Measure]) -> list[Figure]:
    """One figure a quantity, in the order in which they first appear."""
    values: dict[Quantity, list[float]] = {}
    for measure in measures:
        values.setdefault(measure.quantity, []).append(measure.value)
    return [_figure(quantity, found) for quantity, found in values.items()]


def bootstrap(values: Sequence[float], *, level: float = 0.95, seed: int = 0) -> tuple[float, float]:
    """A confidence interval of the mean: percentiles of the means of resampled values (Efron 1979).

    Raises:
        ValueError: fewer than two values, or a level outside (0, 1).
    """
    found = np.asarray(values, dtype=np.float64)
    if found.ndim != 1 or len(found) < 2 or not 0 < level < 1:
        raise ValueError(f"an interval needs two values and a level in (0, 1), got {found.shape} and {level}")
    draw = np.random.default_rng(seed)
    means = np.sort([found[draw.integers(0, len(found), len(found))].mean() for _ in range(DRAWS)])
    # means that were drawn, not values between them: between two infinities lies nothing
    low, high = (means[round(share * (DRAWS - 1))] for share in ((1 - level) / 2, (1 + level) / 2))
    return float(low), float(high)


def write_measures(path: str | Path, measures: Sequence[Measure]) -> None:
    """Write one line a measure as CSV, atomically; values as they are, so that every table can be made from it again.

    Raises:
        OutputError: the file cannot be written.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for measure in measures:
        about = measure.quantity
        writer.writerow(
            (measure.item, about.name, repr(measure.value), about.range, about.size, about.network, about.version)
        )
    write_text(path, text.getvalue())


def _figure(quantity: Quantity, values: Sequence[float]) -> Figure:
    found = sorted(value for value in values if not math.isnan(value))
    cut = math.floor(quantity.trim * max(len(found) - 1, 0))  # what lies on the percentiles stays
    found = found[cut : len(found) - cut]
    mean = sum(found) / len(found) if found else math.nan
    interval = bootstrap(found) if len(found) > 1 else None
    return Figure(quantity, mean, interval, len(found), sum(map(math.isnan, values)))
