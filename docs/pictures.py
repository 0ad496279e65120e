"""Make the README's picture from a demo's: python docs/pictures.py demo."""

from pathlib import Path

import click
from PIL import Image

EDITS = ("photo", "broader-smile", "blond", "older")
"""The demo's pictures that stand side by side."""

FACE, SIDE = (100, 0, 330, 230), 460
"""The part of the astronaut's photograph that is shown, and how many pixels wide."""


@click.command(help=__doc__)
@click.argument("demo", type=click.Path(path_type=Path))
def main(demo: Path) -> None:
    """Put the photograph and what became of it side by side into docs/edits.webp."""
    row = Image.new("RGB", (SIDE * len(EDITS), SIDE))
    for index, name in enumerate(EDITS):
        picture = Image.open(demo / f"{name}.png").convert("RGB")
        row.paste(picture.crop(FACE).resize((SIDE, SIDE), Image.Resampling.LANCZOS), (SIDE * index, 0))
    row.save(Path(__file__).parent / "edits.webp", quality=90, method=6)


if __name__ == "__main__":
    main()
