"""Make studies.md from the results of `wplus study all`: python docs/studies.py FOLDER."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from wplus.studies import STUDIES
from wplus.studies.study import CONFIDENCE

VERDICTS = {True: "yes", False: "**no**", None: "cannot tell"}
INTRO = """# What the studies say

Made by `python docs/studies.py`, from `wplus study all`. The papers worked with StyleGAN at 1024 px, trained on FFHQ
for weeks; this is a small model at 64 px, and few photographs. An order may carry over, a number does not. An
expectation that fails is a result, and stands here as one.
"""


@click.command(help=__doc__)
@click.argument("folder", type=click.Path(path_type=Path))
def main(folder: Path) -> None:
    """Write the tables of every study that has finished."""
    results = {entry.name: folder / entry.name / "result.json" for entry in STUDIES}
    read = {name: json.loads(path.read_text()) for name, path in results.items() if path.exists()}
    about = next(iter(read.values()))["about"]
    parts = [INTRO, "\n".join(f"- {name}: {value}" for name, value in about.items())]
    parts += [_section(name, result) for name, result in read.items()]
    (Path(__file__).parent / "studies.md").write_text("\n".join(parts))


def _section(name: str, result: Mapping[str, Any]) -> str:
    """A study: its findings beside the paper's, then its tables."""
    lines = [f"\n## {name}: {result['question']}", "", f"{result['source']}.", ""]
    columns = ("the paper", "how sure we are of that", "here", "agrees", "why not, or what limits it")
    lines += [_line(*columns), "|---" * len(columns) + "|"]
    for finding in result["findings"]:
        sure = CONFIDENCE[finding["confidence"]]
        lines.append(_line(finding["paper"], sure, finding["ours"], VERDICTS[finding["holds"]], finding["remark"]))
    for table in result["tables"]:
        lines += ["", f"{table['title']}.", "", _line(*table["columns"]), "|---" * len(table["columns"]) + "|"]
        lines += [_line(*row) for row in table["rows"]]
        lines += ["", table["note"]] if table["note"] else []
    return "\n".join([*lines, ""])


def _line(*cells: object) -> str:
    return "| " + " | ".join(str("" if cell is None else cell).replace("|", "/") for cell in cells) + " |"


if __name__ == "__main__":
    main()
