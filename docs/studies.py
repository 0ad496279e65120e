"""Make docs/studies.md of the studies in a folder: python docs/studies.py studies."""

import json
import textwrap
from pathlib import Path
from typing import Any

import click

from wplus.core.files import write_text
from wplus.models import load_generator
from wplus.studies import STUDIES
from wplus.studies.report import MARKS, cell
from wplus.studies.study import CONFIDENCE

HEAD = """
The experiments of Image2StyleGAN and its neighbours, run again by `wplus study all`. This page is made of its results
by `python docs/studies.py`; the reports themselves show the pictures, too.

The papers used StyleGAN1 with faces of 1024 pixels, VGG16, 5000 steps at a rate of 0.01, and five pictures of a class.
Here it is {generator}{since}: a small StyleGAN2 of 64 pixels, guided by {perceptual network}, {settings}. The
photographs: {photographs}; of the cats one is a house cat, one a tiger, two are lions, the dogs are two, twice each,
and the paintings three pieces of one; cars were not at hand.
A model of 64 pixels is not FFHQ at 1024: the order of things can be expected to come back, no single number can.
Where the order does not come back, that is a result, and what we know of the reason stands beside it.

How sure we are of what a paper found: {confidence}.

Of {count} findings {agree} agree, {differ} differ, and {open} cannot be told from these pictures.
"""

WHY: dict[tuple[str, str], str] = {
    ("start", "For other classes the random start"): (
        "The random start lies far from all codes of this generator, and 500 steps do not bring it back."
    ),
    ("robustness", "very sensitive to affine changes"): (
        "Both zooms lower the loss: what is left of a face of 64 pixels is flat, or smooth."
    ),
    ("expression", "gives another person"): (
        "Differences of codes found from the mean hold more than the expression. Codes kept likely by a penalty on"
        " their norm in P_N (weight 0.06, 60 steps) do transfer: mouth and eyes follow most sources in 4 of 4 people"
        " (benchmarks/main_job.py)."
    ),
    ("expression", "Lambda is the intensity"): ("Beyond 0.5 faces of 64 pixels break up, and movement means little."),
}
"""Study, and words of a paper's finding -> why ours differs, as far as we know."""


@click.command(help=__doc__)
@click.argument("folder", type=click.Path(path_type=Path))
def main(folder: Path) -> None:
    """Write the findings and the tables of all studies that have been run."""
    paths = {entry: folder / entry.name / "result.json" for entry in STUDIES}
    results = {entry: json.loads(path.read_text("utf-8")) for entry, path in paths.items() if path.exists()}
    about = next(iter(results.values()))["about"]
    parts = ["# Studies: what the papers found, and what is found here\n", _head(about, list(results.values()))]
    parts += [_study(entry.name, entry.question, result, about) for entry, result in results.items()]
    parts.append("## Settings and versions\n\n" + "\n".join(f"- {name}: {value}" for name, value in about.items()))
    write_text(Path(__file__).parent / "studies.md", "\n".join(parts) + "\n")


def _head(about: dict[str, str], results: list[dict[str, Any]]) -> str:
    found = [finding["holds"] for result in results for finding in result["findings"]]
    counts = {"count": len(found), "agree": found.count(True), "differ": found.count(False), "open": found.count(None)}
    confidence = ", ".join(f"[{tag}] {words}" for tag, words in CONFIDENCE.items())
    wanted = ("steps", "method", "learning rate", "final rate")
    settings = ", ".join(item for item in about["settings"].split(", ") if item.startswith(wanted))
    anew = load_generator(about["generator"].split(",")[0]).fingerprint not in about["generator"]
    since = " (since then it was trained anew)" if anew else ""
    text = HEAD.format_map({**about, **counts, "since": since, "settings": settings, "confidence": confidence})
    return "\n\n".join(textwrap.fill(part, 120) for part in text.strip().split("\n\n")) + "\n"


def _study(name: str, question: str, result: dict[str, Any], about: dict[str, str]) -> str:
    """Findings, then tables; and what this study was given that others were not."""
    lines = [f"## {name}: {question}", "", f"*{result['source']}*", ""]
    own = [f"{key} {value}" for key, value in result["about"].items() if value != about[key]]
    lines += [f"Run by itself: {'; '.join(own)}.", ""] if own else []
    lines += _table(
        ["the papers found", "so here", "found here", "", "why, or what limits it"],
        [
            [
                f"{finding['paper']} [{finding['confidence']}]",
                finding["expected"],
                finding["ours"],
                f"**{MARKS[finding['holds']][0]}**",
                " ".join(text for text in (finding["remark"], _why(name, finding)) if text),
            ]
            for finding in result["findings"]
        ],
    )
    for table in result["tables"]:
        lines += ["", f"**{table['title']}**", "", *_table(table["columns"], table["rows"])]
        lines += ["", table["note"]] if table["note"] else []
    return "\n".join(lines) + "\n"


def _why(name: str, finding: dict[str, Any]) -> str:
    """What we know of the reason, where ours differs."""
    if finding["holds"] is not False:
        return ""
    return " ".join(text for (study, words), text in WHY.items() if study == name and words in finding["paper"])


def _table(columns: list[str], rows: list[list[Any]]) -> list[str]:
    lines = [columns, ["---"] * len(columns), *([cell(value) for value in row] for row in rows)]
    return ["| " + " | ".join(text.replace("|", "\\|") for text in line) + " |" for line in lines]


if __name__ == "__main__":
    main()
