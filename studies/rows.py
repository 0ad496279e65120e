"""Tables of raw numbers: CSV files that read back as they were written, and what is asked of their columns."""

import csv
import io
import operator
from collections.abc import Iterable, Sequence
from itertools import compress
from pathlib import Path

import numpy as np

from wplus.core.errors import OutputError
from wplus.core.files import write_text
from wplus.metrics.figures import bootstrap
from wplus.studies.study import Row, Value


def write_rows(path: Path, rows: Sequence[Row]) -> None:
    """Write rows as CSV, atomically; a column that a row lacks is an empty cell.

    Raises:
        OutputError: the file cannot be written.
    """
    columns = list(dict.fromkeys(name for row in rows for name in row))
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows({name: "" if value is None else value for name, value in row.items()} for row in rows)
    write_text(path, text.getvalue())


def read_rows(path: Path) -> list[Row]:
    """Read what `write_rows` wrote: numbers are numbers again, to the last bit, and empty cells None.

    Raises:
        OutputError: the file cannot be read.
    """
    try:
        with path.open(newline="", encoding="utf-8", errors="surrogateescape") as file:
            return [{name: _value(cell) for name, cell in row.items()} for row in csv.DictReader(file)]
    except (OSError, csv.Error) as error:
        raise OutputError(f"{path}: cannot be read: {error}") from error


def where(rows: Iterable[Row], **wanted: Value) -> list[Row]:
    """The rows whose columns have these values, as text: a class may be named "1"."""
    texts = {name: str(value) for name, value in wanted.items()}
    return [row for row in rows if all(str(row.get(name)) == text for name, text in texts.items())]


def distinct(rows: Iterable[Row], column: str) -> list[Value]:
    """The values of a column, each once, in the order they come."""
    return list(dict.fromkeys(row.get(column) for row in rows))


def by_domain(rows: Iterable[Row]) -> tuple[list[Row], list[Row]]:
    """Rows of the class that the generator was trained on, and all others.

    It is the class named "faces" where there is one, else all that was aligned by a face.
    """
    rows = list(rows)
    named = any(row["class"] == "faces" for row in rows)
    inside = [bool(row["class"] == "faces" if named else row["face"]) for row in rows]
    return list(compress(rows, inside)), list(compress(rows, map(operator.not_, inside)))


def numbers(rows: Iterable[Row], column: str) -> np.ndarray:
    """The numbers of a column, float64; empty cells are left out."""
    values = [row.get(column) for row in rows]
    return np.array([value for value in values if isinstance(value, int | float)], dtype=np.float64)


def mean(rows: Iterable[Row], column: str) -> float:
    """The mean of a column; NaN where it holds no numbers."""
    found = numbers(rows, column)
    return float(found.mean()) if len(found) else float("nan")


def interval(rows: Iterable[Row], column: str) -> str:
    """The mean of a column as text, from three rows on with its 95 % bootstrap interval: "0.309 (0.290 to 0.330)"."""
    found = numbers(rows, column)
    if len(found) < 3:
        return short(float(found.mean())) if len(found) else "–"
    low, high = bootstrap(found.tolist())
    return f"{short(float(found.mean()))} ({short(low)} to {short(high)})"


def short(value: float) -> str:
    """A number with three significant digits: "0.300", "52.5", "1,234"."""
    if value != value:  # NaN differs from itself
        return "–"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:#.3g}".removesuffix(".")


def _value(cell: str | None) -> Value:
    if cell is None or cell == "":
        return None
    if cell in {"True", "False"}:
        return cell == "True"
    for kind in (int, float):
        try:
            value = kind(cell)
        except ValueError:
            continue
        if str(value) == cell:  # "007" is a name
            return value
    return cell
