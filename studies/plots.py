"""Plots that are read by day and by night: figures without global state, as SVG that takes the page's ink, or PNG."""

import io
import re
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from wplus.core.files import replacing

INK = "#1f2933"
"""Text and axes; the SVG has the page's own colour in its place."""

COLOURS = ("#0284c7", "#e8590c", "#2f9e44", "#be4bdb", "#e0a800", "#15aabf", "#d6336c", "#868e96")
"""Told apart on white and on black, and by most of the colour-blind."""


def panels(count: int = 1, *, width: float = 8.0, height: float = 3.6) -> tuple[Figure, list[Axes]]:
    """A figure of `width` x `height` inches with `count` axes side by side."""
    figure = Figure(figsize=(width, height), layout="constrained")
    figure.patch.set_alpha(0)
    axes = [figure.add_subplot(1, count, index + 1) for index in range(count)]
    for item in axes:
        item.set_facecolor("none")
        item.tick_params(colors=INK, which="both", labelsize=9)
        item.spines[["top", "right"]].set_visible(False)
        item.spines[["left", "bottom"]].set_color(INK)
        item.grid(visible=True, axis="y", color="#808080", alpha=0.25, linewidth=0.8)
        item.set_axisbelow(True)
        for text in (item.xaxis.label, item.yaxis.label, item.title):
            text.set_color(INK)
            text.set_fontsize(10)
    return figure, axes


def legend(figure: Figure, axes: Axes) -> None:
    """What the colours of `axes` mean, in one line above the whole figure."""
    handles, labels = axes.get_legend_handles_labels()
    columns = min(len(labels), 6)
    figure.legend(handles, labels, loc="outside upper center", ncols=columns, frameon=False, fontsize=9, labelcolor=INK)


def bars(
    axes: Axes, groups: Sequence[str], series: Mapping[str, Sequence[float]], *, dots: Sequence[Sequence[float]] = ()
) -> None:
    """Bars in groups, one a series, and where there is one series dots of the single pictures on them."""
    share = 0.8 / len(series)
    for index, (name, heights) in enumerate(series.items()):
        places = [place - 0.4 + share * (index + 0.5) for place in range(len(groups))]
        axes.bar(places, heights, share * 0.92, color=COLOURS[index % len(COLOURS)], alpha=0.85, label=plain(name))
    for place, values in enumerate(dots):
        axes.plot([place] * len(values), values, "o", color=INK, markersize=3.5, alpha=0.7)
    long = max(map(len, groups)) * len(groups) > 50
    names = [plain(name) for name in groups]
    axes.set_xticks(range(len(groups)), names, rotation=30 if long else 0, ha="right" if long else "center")


def plain(name: str) -> str:
    """A name of a user's as matplotlib shows it letter by letter: it reads formulae between dollars."""
    return name.replace("$", r"\$")


def svg(figure: Figure) -> str:
    """The figure as an SVG element for a page, in the page's ink; the same bytes for the same numbers."""
    text = io.StringIO()
    with _quietly(), mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": "wplus"}):
        figure.savefig(text, format="svg", metadata={"Date": None, "Creator": None}, transparent=True)
    element = text.getvalue()[text.getvalue().index("<svg") :]
    head, rest = element.split(">", 1)  # its size is the page's to say
    element = re.sub(r' (width|height)="[^"]*"', "", head) + ">" + rest
    return element.replace(INK, "currentColor").replace("'DejaVu Sans'", "system-ui, 'DejaVu Sans'")


def write_png(path: Path, figure: Figure) -> None:
    """Write the figure on white, atomically.

    Raises:
        OutputError: the file cannot be written.
    """
    with _quietly(), replacing(path) as temporary:
        figure.savefig(temporary, format="png", dpi=150, facecolor="white", metadata={"Software": None})


@contextmanager
def _quietly() -> Iterator[None]:
    """Without warnings: of letters in names that the font lacks, whoever chose them can see as much."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        yield
