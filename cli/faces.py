"""wplus faces: which face of a photograph has which number."""

from pathlib import Path

import click
import numpy as np
from PIL import Image, ImageDraw

from wplus.alignment import detect
from wplus.cli.options import output_option
from wplus.core import FaceError
from wplus.core.files import check_not_input
from wplus.core.images import from_bytes, read_photo, to_bytes, write_picture


@click.command()
@click.argument("photo", type=click.Path(path_type=Path))
@output_option(folder=False)
def command(photo: Path, output: Path) -> None:
    """Draw boxes about the faces in PHOTO, with the numbers that --face takes; 0 is the largest.

    \b
    Example:
      wplus faces party.jpg -o numbered.jpg
    """
    check_not_input(output, photo)
    picture = read_photo(photo)
    faces = detect(picture)
    if not faces:
        raise FaceError(f"no face found in {photo}; give a photograph in which a face looks towards the camera")
    image = Image.fromarray(to_bytes(picture))
    draw = ImageDraw.Draw(image)
    for number, face in enumerate(faces):
        left, top, right, bottom = face.box
        width = max(2, round(face.size / 40))
        draw.rectangle((left, top, right, bottom), outline="white", width=width)
        letters = max(12, round(face.size / 4))
        draw.text((left + 2 * width, top), str(number), "white", font_size=letters, stroke_width=2, stroke_fill="black")
        click.echo(f"{number}: {face.size:.0f} px at {face.centre[0]:.0f}, {face.centre[1]:.0f}")
    write_picture(output, from_bytes(np.array(image)))
    click.echo(output)
