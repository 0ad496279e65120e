"""Make the README's pictures from a demo's: python docs/pictures.py demo."""

from pathlib import Path

import click
from PIL import Image

PICTURES = {
    "inversion_side_by_side": 512,
    "samples": 1024,
    "morph": 1152,
    "crossover": 640,
    "expression": 1000,
    "restored_edited": 1152,
}
"""The demo's pictures and how wide they are shown."""


@click.command(help=__doc__)
@click.argument("demo", type=click.Path(path_type=Path))
def main(demo: Path) -> None:
    """Shrink each picture of the demo into docs/ as WebP."""
    for name, width in PICTURES.items():
        picture = Image.open(demo / f"{name}.png")
        if picture.width > width:
            picture = picture.resize((width, round(picture.height * width / picture.width)), Image.Resampling.LANCZOS)
        picture.save(Path(__file__).parent / f"{name}.webp", quality=88, method=6)


if __name__ == "__main__":
    main()
