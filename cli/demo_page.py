"""The demo's page: one file of HTML without scripts, that shows its neighbours in the folder."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

from wplus.core.files import write_text

STYLE = """
:root { color-scheme: light dark; }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 72rem; margin: 2rem auto; padding: 0 1rem; }
figure { margin: 2.5rem 0; }
figure img, figure svg { max-width: 100%; border-radius: 4px; }
figcaption { color: GrayText; }
td { padding: .15rem 1.5rem .15rem 0; }
td + td { font-variant-numeric: tabular-nums; }
"""


@dataclass(frozen=True)
class Figure:
    """A picture's file name in the page's folder, what it shows, and for a curve its values."""

    file: str
    text: str
    curve: Sequence[float] | None = None


@dataclass(frozen=True)
class Page:
    """All that the page shows."""

    title: str
    text: str
    numbers: dict[str, str]
    figures: Sequence[Figure]


def write_page(path: Path, page: Page) -> None:
    """Write the page, atomically.

    Raises:
        OutputError: the file cannot be written.
    """
    rows = "".join(f"<tr><td>{escape(name)}</td><td>{escape(value)}</td></tr>" for name, value in page.numbers.items())
    figures = "".join(_figure(figure) for figure in page.figures)
    write_text(
        path,
        f'<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        f"<title>{escape(page.title)}</title><style>{STYLE}</style>"
        f"<h1>{escape(page.title)}</h1><p>{escape(page.text)}</p><table>{rows}</table>{figures}</html>\n",
    )


def _figure(figure: Figure) -> str:
    text, file = escape(figure.text), escape(figure.file)
    body = f'<img src="{file}" alt="{text}">' if figure.curve is None else _svg(figure.curve)
    return f'<figure><a href="{file}">{body}</a><figcaption>{text}</figcaption></figure>'


def _svg(values: Sequence[float], *, width: int = 640, height: int = 240) -> str:
    """A curve on a logarithmic scale, with its ends written beside it."""
    logs = [math.log10(max(value, 1e-12)) for value in values]
    low, high = min(logs), max(logs)
    span = (high - low) or 1.0
    points = " ".join(
        f"{60 + (width - 130) * index / max(len(logs) - 1, 1):.1f},{20 + (height - 50) * (high - value) / span:.1f}"
        for index, value in enumerate(logs)
    )
    last = 20 + (height - 50) * (high - logs[-1]) / span
    label = 'font-size="13" fill="currentColor"'
    return (
        f'<svg viewBox="0 0 {width} {height}" width="{width}" role="img" aria-label="loss curve">'
        f'<polyline points="{points}" fill="none" stroke="#3b82f6" stroke-width="2"/>'
        f'<text x="4" y="24" {label}>{values[0]:.3g}</text>'
        f'<text x="{width - 64}" y="{last:.0f}" {label}>{values[-1]:.3g}</text>'
        f'<text x="60" y="{height - 6}" {label}>step 0</text>'
        f'<text x="{width - 130}" y="{height - 6}" {label}>{len(values) - 1}</text></svg>'
    )
