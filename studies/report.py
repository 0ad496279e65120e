"""The report: one file of HTML with everything in it, that one would rather look at than read."""

import base64
import io
from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup
from PIL import Image

from wplus.core.files import write_text
from wplus.core.images import to_bytes
from wplus.core.shapes import Picture
from wplus.studies.plots import svg
from wplus.studies.rows import short
from wplus.studies.run import Section
from wplus.studies.study import CONFIDENCE, Plot, Value

WEBP_MAX_DIMENSION = 16383

MARKS = {True: ("agrees", "✓"), False: ("differs", "✗"), None: ("open", "?")}
"""Of a finding, by `holds`: the word and the sign."""


def write_report(path: Path, title: str, sections: Sequence[Section], about: Mapping[str, str]) -> None:
    """Write the report of some studies, atomically.

    Raises:
        OutputError: the file cannot be written.
    """
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters |= {"cell": cell, "picture": _picture, "plot": _plot}
    template = environment.from_string(files("wplus.studies").joinpath("report.html.jinja").read_text("utf-8"))
    known = {"title": title, "sections": sections, "about": about, "marks": MARKS, "confidence": CONFIDENCE}
    write_text(path, template.render(known))


def cell(value: Value) -> str:
    """A cell as text: floats with three significant digits, truth as yes and no."""
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return short(value) if isinstance(value, float) else str(value)


def _picture(picture: Picture) -> str:
    """A picture as a data URI; WebP, a tenth of the PNG beside the report, unless it is too tall for that."""
    kind = "webp" if max(picture.shape) <= WEBP_MAX_DIMENSION else "jpeg"
    file = io.BytesIO()
    Image.fromarray(to_bytes(picture)).save(file, kind, quality=88)
    return f"data:image/{kind};base64,{base64.b64encode(file.getvalue()).decode()}"


def _plot(plot: Plot) -> Markup:
    """A plot as an SVG element; what it says comes from numbers and from names that matplotlib escapes."""
    return Markup(svg(plot.figure))
