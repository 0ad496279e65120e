"""What a study gives: rows of numbers, sheets of pictures, and from the rows alone tables, plots and findings."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from wplus.core.sheets import Sheet

Value = str | int | float | bool | None
"""One cell; None is written as an empty one."""

Row = Mapping[str, Value]
"""One line of a table of raw numbers, by column."""

Data = Mapping[str, Sequence[Row]]
"""Raw tables by name; each becomes NAME.csv."""


CONFIDENCE = {
    "S": "read in a source",
    "S2": "read in a secondary source",
    "M-hi": "remembered, high confidence",
    "M-md": "remembered, medium confidence",
    "M-lo": "remembered, low confidence",
}
"""How sure we are of what a paper found, and what the tags mean."""


@dataclass(frozen=True)
class Finding:
    """One claim of a paper beside what was found here.

    Args:
        paper: what the paper found, in one sentence.
        confidence: how sure we are that it did: "S" read in a source, "S2" in a secondary one, "M-hi", "M-md", "M-lo"
            remembered.
        expected: what that lets one expect of the numbers here.
        ours: what the numbers here say.
        holds: whether they agree; None where they cannot tell.
        remark: why not, or what limits the comparison.

    Raises:
        ValueError: an unknown degree of confidence.
    """

    paper: str
    confidence: str
    expected: str
    ours: str
    holds: bool | None
    remark: str = ""

    def __post_init__(self) -> None:
        if self.confidence not in CONFIDENCE:
            raise ValueError(f"confidence is one of {', '.join(CONFIDENCE)}, got {self.confidence!r}")


@dataclass(frozen=True)
class Table:
    """Aggregated numbers.

    Args:
        title: what it shows, with units.
        columns: their names.
        rows: cells; floats are shown with three significant digits.
        note: what a reader must know.

    Raises:
        ValueError: a row of another length than the columns.
    """

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Value, ...], ...]
    note: str = ""

    def __post_init__(self) -> None:
        if any(len(row) != len(self.columns) for row in self.rows):
            raise ValueError(f"{self.title}: a row has not {len(self.columns)} cells")


@dataclass(frozen=True, eq=False)
class Plot:
    """A matplotlib figure (`studies/plots.py` makes them); `name` is that of its file, `title` says what it shows."""

    name: str
    title: str
    figure: Any


@dataclass(frozen=True, eq=False)
class Measured:
    """What the machine worked for: raw rows, and pictures."""

    data: Data
    sheets: tuple[Sheet, ...] = ()


@dataclass(frozen=True, eq=False)
class Conclusion:
    """What follows from the raw rows."""

    findings: tuple[Finding, ...]
    tables: tuple[Table, ...] = ()
    plots: tuple[Plot, ...] = ()
