"""Everything once on one photograph, with a page to look at: edits at full size first, numbers last."""

import csv
import io
import json
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import torch

from wplus.alignment import crop
from wplus.core.animation import sheet, shown, strip, there_and_back, write_frames
from wplus.core.files import write_text
from wplus.core.images import no_larger, write_picture
from wplus.core.latent import Latent, join
from wplus.core.photograph import Photograph
from wplus.core.shapes import Picture
from wplus.editing import crossover, morph
from wplus.inversion import Inversion, invert
from wplus.metrics import SAME_PERSON, identity_distance, mse, psnr
from wplus.models import Generator
from wplus.pipelines.carry import carry
from wplus.pipelines.demo_page import Figure, Page, write_page
from wplus.pipelines.directions import known_directions
from wplus.pipelines.edit import Subject, choose, move, subject
from wplus.pipelines.rendering import render_one

EDITS: Mapping[str, Mapping[str, float]] = {
    "broader smile": {"smile": 1.0},
    "milder smile": {"smile": -0.5},
    "blond": {"blond": 1.0},
    "older": {"age": 2.0},
}
"""What is shown first, and by which directions."""

STYLES = (49, 27, 37)
"""Seeds of the made-up faces that lend their style and their places in morphs."""

PSI = 0.7
"""Truncation of made-up faces."""

SIDE = 512
"""Pixels of the longer side of animations and strips of photographs."""


@dataclass
class _Demo:
    """What the parts share."""

    folder: Path
    generator: Generator
    person: Subject
    numbers: dict[str, str] = field(default_factory=dict)
    figures: list[Figure] = field(default_factory=list)

    def show(self, name: str, picture: Picture, text: str) -> None:
        """Write a picture and put it on the page."""
        write_picture(self.folder / name, picture)
        self.figures.append(Figure(name, text))

    def render(self, latent: Latent) -> torch.Tensor:
        """Pictures of codes as files would show them."""
        return render_one(self.generator, latent).clamp(-1, 1)


PARTS = 6
"""How many parts `make_demo` yields."""


def make_demo(folder: Path, photo: Photograph, generator: Generator) -> Iterator[str]:
    """Make the demo in a folder; yields the name of each of its `PARTS` when it is done, the page's file last.

    Raises:
        DirectionError: the generator has no directions.
        FaceError: the photograph shows no face.
        OutputError: the folder cannot be written.
    """
    began = time.monotonic()
    demo = _Demo(folder, generator, subject(photo, generator))
    demo.numbers["inversion for edits"] = f"{time.monotonic() - began:.1f} s"
    _edits(demo)
    yield "edits"
    samples = generator.sample(STYLES, psi=PSI).to("cpu")
    _morph(demo, samples[0])
    yield "morph"
    inversion = _invert(demo)
    yield "inversion"
    _crossover(demo, inversion.latent, samples)
    yield "crossover"
    faces = demo.render(generator.sample(range(64), psi=PSI).to("cpu"))
    demo.show("samples.png", sheet(faces, columns=8), f"Made-up faces, seeds 0 to 63, psi {PSI}, none left out.")
    yield "samples"
    _curve(demo, inversion)
    demo.numbers["all of it"] = f"{time.monotonic() - began:.0f} s"
    numbers = {"settings": inversion.latent.origin and dict(inversion.latent.origin.settings), "numbers": demo.numbers}
    write_text(folder / "numbers.json", json.dumps(numbers, indent=1) + "\n")
    text = f"{generator.name} ({generator.resolution} px); edits are carried into the photograph at its own resolution."
    write_page(folder / "index.html", Page("wplus demo", text, demo.numbers, demo.figures))
    yield "page"


def _edits(demo: _Demo) -> None:
    """The photograph beside what became of it, at full size."""
    person, known = demo.person, known_directions(demo.generator)
    person.photo.save(demo.folder / "photo.png")
    person.latent.save(demo.folder / "photo.safetensors")
    for text, strengths in EDITS.items():
        began = time.monotonic()
        edited = move(person, demo.generator, choose(known, strengths))
        file = f"{text.replace(' ', '-')}.png"
        edited.save(demo.folder / file)
        told = ", ".join(f"{name} {strength:+g}" for name, strength in strengths.items())
        demo.figures.append(Figure(file, f"{text} ({told})", before="photo.png"))
        demo.numbers[f"edit: {text}"] = f"{time.monotonic() - began:.1f} s"


def _morph(demo: _Demo, other: Latent) -> None:
    """A morph to a made-up face, inside the photograph."""
    person = demo.person
    photo = person.photo.seen()
    frames = []
    for weight in torch.linspace(0, 1, 13).tolist():
        after = demo.render(morph(person.latent, other, weight=weight))
        frames.append(no_larger(carry(photo, person.before, after, person.alignment), side=SIDE))
    write_frames(demo.folder / "morph.gif", there_and_back(frames))
    demo.figures.append(Figure("morph.gif", "A morph to a made-up face, inside the photograph."))
    demo.show("morph.png", strip(torch.stack(frames[::3])), "Five of its frames.")


def _invert(demo: _Demo) -> Inversion:
    """The inversion as `wplus invert` does it, beside the crop, with its numbers."""
    generator, person = demo.generator, demo.person
    photo = person.photo.seen()
    face, fine = (crop(photo, replace(person.alignment, size=size)) for size in (generator.resolution, 256))
    inversion = invert(generator, face)
    inversion.latent.save(demo.folder / "inversion.safetensors")
    picture = demo.render(inversion.latent)[0]
    pair = torch.stack([face.picture, picture])
    demo.show(
        "inversion_side_by_side.png", strip(shown(pair)), "What the generator sees: the crop, and its code in W+."
    )
    distance = identity_distance(fine.picture, picture)
    floor = identity_distance(fine.picture, face.picture)
    demo.numbers |= {
        "MSE on [-1, 1]": f"{float(mse(face.picture[None], picture[None])):.5f}",
        "PSNR": f"{float(psnr(face.picture[None], picture[None])):.2f} dB",
        f"dlib identity distance (same person below {SAME_PERSON})": _told(distance),
        f"the same for the photograph reduced to {generator.resolution} px": _told(floor),
        f"inversion, {len(inversion.history[0]) - 1} steps": f"{inversion.seconds:.1f} s",
    }
    return inversion


def _told(distance: float | None) -> str:
    return "no face found" if distance is None else f"{distance:.3f}"


def _crossover(demo: _Demo, content: Latent, styles: Latent) -> None:
    """A grid: the first row shows who gives the style, the first column from which layer on."""
    rows = [torch.ones_like(demo.render(content)), demo.render(styles)]
    layers = demo.generator.layers
    for first in (layers // 2 - 2, layers // 2, layers // 2 + 2):
        mixes = [crossover(content, styles[index], first_style_layer=first) for index in range(len(styles))]
        rows += [demo.render(content), demo.render(join(mixes))]
    text = "Crossover: fine layers from the face above, coarse ones from the left; from row to row more of the left."
    demo.show("crossover.png", sheet(shown(torch.cat(rows)), columns=len(styles) + 1), text)


def _curve(demo: _Demo, inversion: Inversion) -> None:
    """The loss of every step as a table; the page draws it."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("step", "loss"))
    writer.writerows(enumerate(inversion.history[0]))
    write_text(demo.folder / "loss.csv", text.getvalue())
    demo.figures.append(Figure("loss.csv", "Loss against step, on a logarithmic scale.", curve=inversion.history[0]))
