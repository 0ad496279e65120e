"""One study from beginning to end: measure, write the rows, read them back, conclude, write what is to be seen."""

import inspect
import json
from dataclasses import asdict, dataclass
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import Any

from jaxtyping import Float
from torch import Tensor

from wplus.core.files import write_text
from wplus.core.images import write_picture
from wplus.core.sheets import drawn
from wplus.studies import STUDIES
from wplus.studies.bench import Bench
from wplus.studies.plots import write_png
from wplus.studies.protocol import Study
from wplus.studies.rows import read_rows, write_rows
from wplus.studies.study import Conclusion

Drawn = Float[Tensor, "3 _ _"]
"""A contact sheet; no two need be of one size."""


@dataclass(frozen=True, eq=False)
class Section:
    """A finished study, as a report shows it.

    Args:
        name, question, source: of the study.
        text: what is done and what the paper found, in paragraphs.
        conclusion: findings, tables and plots.
        sheets: title and picture of every contact sheet.
    """

    name: str
    question: str
    source: str
    text: tuple[str, ...]
    conclusion: Conclusion
    sheets: tuple[tuple[str, Drawn], ...]


def study_named(name: str) -> Study:
    """The study's module."""
    module = import_module(f"wplus.studies.{name}")
    assert isinstance(module, Study)
    return module


def run_study(name: str, bench: Bench, folder: Path) -> Section:
    """Run a study and write its rows (NAME.csv), sheet-NAME.png, plot-NAME.png and `result.json` to a folder.

    Raises:
        FaceError: it needs faces, and no photograph shows one.
        OutputError: the folder cannot be written.
    """
    study = study_named(name)
    measured = study.measure(bench)
    for table, rows in measured.data.items():
        write_rows(folder / f"{table}.csv", rows)
    # read back: the tables follow from the files, not from what stood in memory
    conclusion = study.conclude({table: read_rows(folder / f"{table}.csv") for table in measured.data})
    sheets = tuple((sheet.title, drawn(sheet)) for sheet in measured.sheets)
    for sheet, (_, picture) in zip(measured.sheets, sheets, strict=True):
        write_picture(folder / f"sheet-{sheet.name}.png", picture)
    for plot in conclusion.plots:
        write_png(folder / f"plot-{plot.name}.png", plot.figure)
    entry = next(entry for entry in STUDIES if entry.name == name)
    text = tuple(" ".join(part.split()) for part in inspect.cleandoc(inspect.getdoc(study) or "").split("\n\n"))
    section = Section(name, entry.question, study.SOURCE, text, conclusion, sheets)
    write_text(folder / "result.json", json.dumps(_json(section) | {"about": about(bench)}, indent=1) + "\n")
    return section


def about(bench: Bench) -> dict[str, str]:
    """What a second run must be given to find the same numbers."""
    classes = dict.fromkeys(photo.kind for photo in bench.photos)
    counted = ", ".join(f"{kind} ({sum(photo.kind == kind for photo in bench.photos)})" for kind in classes)
    generator = bench.generator
    return {
        "generator": f"{generator.name}, {generator.resolution} px, fingerprint {generator.fingerprint}",
        "perceptual network": bench.perceptual.name,
        "photographs": counted,
        "settings": ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in bench.settings.to_json().items()),
        "quick": "yes: few photographs, few steps; an order, not a figure to quote" if bench.quick else "no",
        "device": generator.device.type,
        "versions": ", ".join(f"{name} {version(name)}" for name in ("wplus", "torch", "numpy")),
    }


def _json(section: Section) -> dict[str, Any]:
    """Findings and tables, for programs."""
    return {
        "name": section.name,
        "question": section.question,
        "source": section.source,
        "findings": [asdict(finding) for finding in section.conclusion.findings],
        "tables": [asdict(table) for table in section.conclusion.tables],
    }
