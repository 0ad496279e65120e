"""The demo's page: one file of HTML that shows its neighbours in the folder, photographs with a slider first."""

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
.pair { position: relative; display: inline-block; max-width: 100%; }
.pair img { display: block; }
.pair img + img { position: absolute; inset: 0; clip-path: inset(0 0 0 var(--at, 50%)); }
.pair input { width: 100%; margin: .5rem 0 0; }
"""

SLIDE = "this.parentElement.style.setProperty('--at', this.value + '%')"
"""What a slider does: the picture on top begins where the slider stands."""


@dataclass(frozen=True)
class Figure:
    """One picture of the page.

    Args:
        file: its name in the page's folder.
        text: what it shows.
        before: the file of what it was, to slide to; of the same size.
        curve: the values, of a curve that is drawn.
    """

    file: str
    text: str
    before: str | None = None
    curve: Sequence[float] | None = None


@dataclass(frozen=True)
class Page:
    """All that the page shows."""

    title: str
    text: str
    numbers: dict[str, str]
    figures: Sequence[Figure]


def write_page(path: Path, page: Page) -> None:
    """Write the page, atomically: pictures first, numbers last.

    Raises:
        OutputError: the file cannot be written.
    """
    rows = "".join(f"<tr><td>{escape(name)}</td><td>{escape(value)}</td></tr>" for name, value in page.numbers.items())
    figures = "".join(_figure(figure) for figure in page.figures)
    write_text(
        path,
        f'<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        f"<title>{escape(page.title)}</title><style>{STYLE}</style>"
        f"<h1>{escape(page.title)}</h1><p>{escape(page.text)}</p>{figures}<h2>Numbers</h2><table>{rows}</table></html>\n",
    )


def _figure(figure: Figure) -> str:
    text, file = escape(figure.text), escape(figure.file)
    if figure.before is not None:
        label = escape(f"before and after: {figure.text}")
        body = (
            f'<div class="pair"><img src="{escape(figure.before)}" alt="before"><img src="{file}" alt="{text}">'
            f'<input type="range" min="0" max="100" value="50" aria-label="{label}" oninput="{SLIDE}"></div>'
        )
        return f'<figure>{body}<figcaption>{text} · <a href="{file}">full size</a></figcaption></figure>'
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
