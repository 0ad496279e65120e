"""Tables and plots of one number by class and by what was varied."""

from collections.abc import Mapping, Sequence

from wplus.studies.plots import bars, legend, panels
from wplus.studies.rows import distinct, interval, mean, where
from wplus.studies.study import Plot, Row, Table


def crossed(title: str, rows: Sequence[Row], *, varied: str, column: str, note: str = "") -> Table:
    """The mean of a column: one row a class and one for all, one column a value of what was varied.

    Means of three pictures or more have their 95 % bootstrap interval in brackets.
    """
    values = [str(value) for value in distinct(rows, varied)]
    classes = [str(kind) for kind in distinct(rows, "class")]
    parts = {kind: where(rows, **{"class": kind}) for kind in classes}
    if len(classes) > 1:
        parts["all"] = list(rows)
    cells = tuple(
        (kind, *(interval(where(part, **{varied: value}), column) for value in values)) for kind, part in parts.items()
    )
    return Table(title, ("class", *values), cells, note)


def compared(
    name: str, title: str, rows: Sequence[Row], *, varied: str, columns: Mapping[str, str], log: bool = False
) -> Plot:
    """A plot of means by class, one bar a value of what was varied; one panel a column.

    Args:
        name, title: of the plot.
        rows: with a column "class".
        varied: what the bars of a group differ in.
        columns: what is plotted -> its label.
        log: whether the scale is logarithmic.
    """
    classes = [str(kind) for kind in distinct(rows, "class")]
    figure, axes = panels(len(columns), width=max(8.0, 5.0 * len(columns)))
    for item, (column, label) in zip(axes, columns.items(), strict=True):
        series = {
            str(value): [mean(where(rows, **{"class": kind, varied: value}), column) for kind in classes]
            for value in distinct(rows, varied)
        }
        bars(item, classes, series)
        item.set_ylabel(label)
        item.set_yscale("log" if log else "linear")
    legend(figure, axes[0])
    return Plot(name, title, figure)
