"""wplus demo: everything once, on NASA's photograph of Eileen Collins and on faces that the generator makes up."""

import csv
import io
import json
import time
from dataclasses import dataclass, field
from pathlib import Path

import click
import torch

from wplus.alignment import Crop, Face, align, detect, restore
from wplus.cli.demo_page import Figure, Page, write_page
from wplus.cli.options import DEFAULT_GENERATOR, descent, device_option, output_option, progress
from wplus.core import FaceError, Latent
from wplus.core.animation import sheet, shown, strip, there_and_back, write_frames
from wplus.core.files import write_text
from wplus.core.images import from_bytes, read_photo, write_picture
from wplus.core.latent import join
from wplus.core.shapes import Picture
from wplus.editing import crossover, morph, transfer_expression
from wplus.inversion import Inversion, invert
from wplus.metrics import SAME_PERSON, identity_distance, mouth_width, mse, psnr
from wplus.metrics.identity import enlarged
from wplus.models import Generator, load_generator
from wplus.optimisation import Settings
from wplus.pipelines.rendering import render_one

STYLES = (49, 27, 37)
"""Seeds of the made-up faces that lend their style and their places in morphs."""

SURVEY = 300
"""Made-up faces among which the widest and the narrowest smiles are looked for."""

PSI = 0.7


@dataclass
class Demo:
    """What the steps of the demo share."""

    folder: Path
    generator: Generator
    photo: Picture
    face: Face
    numbers: dict[str, str] = field(default_factory=dict)
    figures: list[Figure] = field(default_factory=list)

    def show(self, name: str, picture: Picture, text: str) -> None:
        """Write a picture and put it on the page."""
        write_picture(self.folder / name, picture)
        self.figures.append(Figure(name, text))

    def render(self, latent: Latent) -> torch.Tensor:
        """Pictures of codes as files would show them."""
        return render_one(self.generator, latent).clamp(-1, 1)


@click.command()
@output_option(folder=True, default="demo")
@click.option("--photo", type=click.Path(path_type=Path), help="Your own photograph instead of the astronaut's.")
@device_option
def command(output: Path, photo: Path | None, device: str) -> None:
    """Crop, invert, morph, mix, change the expression, paste back: all results and index.html go to the folder -o.

    \b
    Examples:
      wplus demo
      wplus demo --photo me.jpg -o mine
    """
    began = time.monotonic()
    picture = astronaut() if photo is None else read_photo(photo)
    faces = detect(picture)
    if not faces:
        raise FaceError(f"no face found in {photo}")
    generator = load_generator(DEFAULT_GENERATOR).to(device)
    demo = Demo(output, generator, picture, faces[0])
    text = f"generator {generator.name} ({generator.resolution} px), perceptual network {generator.card.perceptual}"
    click.echo(text, err=True)
    samples = [generator.sample(seed, psi=PSI).to("cpu") for seed in STYLES]
    with progress(6, text="demo", unit="part") as bar:
        latent = _invert(demo)
        bar.update()
        _sample(demo)
        bar.update()
        _morph(demo, latent, samples[0])
        bar.update()
        _crossover(demo, latent, samples)
        bar.update()
        edited = _express(demo, latent)
        bar.update()
        _restore(demo, latent, edited)
        bar.update()
    demo.numbers["all of it"] = f"{time.monotonic() - began:.0f} s"
    write_page(output / "index.html", Page("wplus demo", text, demo.numbers, demo.figures))
    click.echo(output / "index.html")


def astronaut() -> Picture:
    """NASA's portrait of Eileen Collins (public domain), from scikit-image's wheel; (3, 512, 512)."""
    from skimage import data  # here: only the demo needs it

    return from_bytes(data.astronaut())  # type: ignore[no-untyped-call]


def _invert(demo: Demo) -> Latent:
    """Crop and inversion with loss curve, side by side with numbers."""
    generator, settings = demo.generator, Settings()
    write_picture(demo.folder / "photo.png", demo.photo)
    fine = align(demo.photo, size=256, face=demo.face)
    crop = align(demo.photo, size=generator.resolution, face=demo.face)
    write_picture(demo.folder / "crop.png", crop.picture)
    with descent(settings.steps + 1, text="invert") as watch:
        found = invert(generator, crop, settings=settings, watch=watch)
    latent = found.latent
    latent.save(demo.folder / "inversion.safetensors")
    _curve(demo, found)
    picture = demo.render(latent)[0]
    write_picture(demo.folder / "inversion.png", picture)
    pair = torch.stack([crop.picture, picture])
    demo.show("inversion_side_by_side.png", strip(shown(pair)), "The crop, and the picture of its code in W+.")
    _measure(demo, found, crop, fine, picture)
    return latent


def _curve(demo: Demo, found: Inversion) -> None:
    """The loss of every step as a table; the page draws it."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("step", "loss"))
    writer.writerows(enumerate(found.history[0]))
    write_text(demo.folder / "loss.csv", text.getvalue())
    demo.figures.append(Figure("loss.csv", "Loss against step, on a logarithmic scale.", curve=found.history[0]))


def _measure(demo: Demo, found: Inversion, crop: Crop, fine: Crop, picture: Picture) -> None:
    """Numbers of the inversion; identity is told against the sharp crop, beside the merely reduced one's."""
    pair = crop.picture[None], picture[None]
    losses = found.latent.origin.losses if found.latent.origin else {}
    distance = identity_distance(fine.picture, picture)
    floor = identity_distance(fine.picture, crop.picture)
    shown_distance = "no face found" if distance is None else f"{distance:.3f}"
    demo.numbers |= {
        "MSE on [-1, 1]": f"{float(mse(*pair)):.5f}",
        "PSNR": f"{float(psnr(*pair)):.2f} dB",
        f"perceptual loss ({demo.generator.card.perceptual})": f"{losses.get('perceptual', float('nan')):.4f}",
        f"dlib identity distance (same person below {SAME_PERSON})": shown_distance,
        f"the same for the photograph reduced to {demo.generator.resolution} px": (
            "no face found" if floor is None else f"{floor:.3f}"
        ),
        f"inversion, {len(found.history[0]) - 1} steps": f"{found.seconds:.1f} s",
    }
    numbers = {"settings": found.latent.origin and dict(found.latent.origin.settings), "numbers": demo.numbers}
    write_text(demo.folder / "numbers.json", json.dumps(numbers, indent=1) + "\n")


def _sample(demo: Demo) -> None:
    faces = demo.render(join([demo.generator.sample(seed, psi=PSI).to("cpu") for seed in range(64)]))
    demo.show(
        "samples.png", sheet(shown(faces)[:, :, ::2, ::2], columns=8), f"Made-up faces, seeds 0 to 63, psi {PSI}."
    )


def _morph(demo: Demo, a: Latent, b: Latent) -> None:
    frames = demo.render(join([morph(a, b, weight=weight) for weight in torch.linspace(0, 1, 9).tolist()]))
    demo.show("morph.png", strip(shown(frames)), "Morph to a made-up face, ends included.")
    smooth = demo.render(join([morph(a, b, weight=weight) for weight in torch.linspace(0, 1, 25).tolist()]))
    write_frames(demo.folder / "morph.gif", there_and_back(list(smooth)))
    demo.figures.append(Figure("morph.gif", "The same as an animation."))


def _crossover(demo: Demo, content: Latent, styles: list[Latent]) -> None:
    """A grid: the first row shows who gives the style, the first column from which layer on."""
    blank = torch.ones_like(demo.render(content))
    rows = [blank, *(demo.render(style) for style in styles)]
    layers = demo.generator.layers
    for first in (layers // 2 - 2, layers // 2, layers // 2 + 2):
        rows.append(demo.render(content))
        rows += [demo.render(crossover(content, style, first_style_layer=first)) for style in styles]
    crossover(content, styles[0]).save(demo.folder / "crossover.safetensors")
    text = "Crossover: fine layers from the face above, coarse ones from the left; from row to row more of the left."
    demo.show("crossover.png", sheet(shown(torch.cat(rows)), columns=len(styles) + 1), text)


def _express(demo: Demo, target: Latent) -> Latent:
    """The difference between the mean of the widest smiles and the mean of the narrowest, on the target."""
    generator = demo.generator
    widths: list[tuple[float, Latent]] = []
    with progress(SURVEY, text="look for smiles", unit="face") as bar:
        for seed in range(100, 100 + SURVEY):
            sample = generator.sample(seed, psi=PSI).to("cpu")
            faces = detect(enlarged(demo.render(sample)[0]))
            widths += [(mouth_width(faces[0]), sample)] if faces else []
            bar.update()
    if len(widths) < 20:
        raise FaceError(f"only {len(widths)} of {SURVEY} made-up faces were found as faces; too few to compare smiles")
    ordered = [latent for _, latent in sorted(widths, key=lambda item: item[0])]
    share = len(ordered) // 8
    neutral, smiling = (_mean(part) for part in (ordered[:share], ordered[-share:]))
    strengths = (-0.5, 0.0, 0.25, 0.5, 0.75)
    moved = [transfer_expression(target, neutral, smiling, strength=strength) for strength in strengths]
    # wide smiles come with other light and skin: the fine layers, which hold colours, stay the target's
    edits = [crossover(latent, target, first_style_layer=generator.layers - 4) for latent in moved]
    demo.show(
        "expression.png",
        strip(shown(demo.render(join(edits)))),
        f"Expression transfer at strengths {', '.join(f'{value:g}' for value in strengths)}:"
        f" the mean of {share} wide smiles minus that of {share} narrow mouths, but for the four finest layers.",
    )
    edits[3].save(demo.folder / "expression.safetensors")
    return edits[3]


def _mean(latents: list[Latent]) -> Latent:
    joined = join(latents)
    return joined.edited(joined.ws.mean(dim=0, keepdim=True), edit=f"mean of {len(latents)}")


def _restore(demo: Demo, latent: Latent, edited: Latent) -> None:
    """Both pasted back into the photograph."""
    crop = align(demo.photo, size=demo.generator.resolution, face=demo.face)
    pasted = [restore(demo.photo, demo.render(item)[0], crop.alignment) for item in (latent, edited)]
    write_picture(demo.folder / "restored.png", pasted[0])
    demo.show(
        "restored_edited.png",
        strip(torch.stack([demo.photo, *pasted])),
        "The photograph; its embedded face pasted back; the edited face pasted back.",
    )
