"""wplus demo: everything once on one photograph."""

from pathlib import Path

import click

from wplus.cli.options import device_option, output_option, progress, remark
from wplus.core.images import from_bytes
from wplus.core.photograph import Photograph, open_photograph
from wplus.models import load_generator
from wplus.pipelines.demo import PARTS, make_demo
from wplus.pipelines.edit import SHIPPED


@click.command()
@output_option(folder=True, default="demo")
@click.option("--photo", type=click.Path(path_type=Path), help="Your own photograph, instead of the astronaut's.")
@device_option
def command(output: Path, photo: Path | None, device: str) -> None:
    """Edit, morph, invert and mix a photograph; all results and index.html go to the folder -o.

    \b
    Examples:
      wplus demo
      wplus demo --photo me.jpg -o mine
    """
    picture = astronaut() if photo is None else open_photograph(photo)
    generator = load_generator(SHIPPED).to(device)
    remark(f"generator {generator.name} ({generator.resolution} px)")
    with progress(PARTS, text="demo", unit="part") as bar:
        for _ in make_demo(output, picture, generator):
            bar.update()
    click.echo(output / "index.html")


def astronaut() -> Photograph:
    """NASA's portrait of Eileen Collins (public domain), from scikit-image's wheel, 512 px."""
    from skimage import data  # here: only the demo needs it

    return Photograph(from_bytes(data.astronaut()))
