"""A measured figure beside the bar that it was to reach."""

from collections.abc import Sequence
from dataclasses import dataclass

import click


@dataclass(frozen=True)
class Figure:
    """One line of the table.

    Args:
        name: what was measured, on what.
        value: the figure.
        bar: what it was to reach; None where there is no bar.
        least: whether the bar is a lower bound.
    """

    name: str
    value: float
    bar: float | None = None
    least: bool = False

    @property
    def verdict(self) -> str:
        """Whether the bar was reached."""
        if self.bar is None:
            return ""
        return "met" if (self.value >= self.bar if self.least else self.value <= self.bar) else "MISSED"

    @property
    def wanted(self) -> str:
        """The bar in words."""
        return "" if self.bar is None else f"{'at least' if self.least else 'at most'} {self.bar:g}"


def show(title: str, figures: Sequence[Figure]) -> None:
    """Print a table of figures."""
    click.echo(f"\n{title}")
    for figure in figures:
        click.echo(f"  {figure.name:66} {figure.value:10.4g}   {figure.wanted:15} {figure.verdict}".rstrip())


def mean(values: Sequence[float]) -> float:
    """The arithmetic mean."""
    return sum(values) / len(values)
