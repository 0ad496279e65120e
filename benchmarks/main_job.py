"""The main job on real photographs, with the figures that the README quotes.

    python -m benchmarks.main_job ../shared/photos -o runs/main_job

Aligns every file, inverts the CelebA-HQ crops and the photographs of expressions with the shipped generator,
transfers expressions between people, checks that every latent file renders to the saved picture, and writes sheets.
"""

import itertools
import json
import time
from pathlib import Path

import click
import torch
from tqdm import tqdm

from benchmarks.shipped.inversion import celebahq
from wplus.alignment import align, as_crop, detect
from wplus.core import Latent, WplusError
from wplus.core.animation import sheet, shown
from wplus.core.images import find_pictures, write_picture
from wplus.core.latent import join
from wplus.core.shapes import Picture
from wplus.editing import transfer_expression
from wplus.inversion import Given, invert, objective_for
from wplus.metrics import SAME_PERSON, eye_opening, identity_distance, mouth_width, mse, psnr
from wplus.metrics.identity import enlarged
from wplus.models import Generator, load_generator, load_perceptual
from wplus.optimisation import Settings
from wplus.pipelines.rendering import render_one

FOLDERS = ("aligned", "expressions", "odd")
PEOPLE = ("female0001", "female0002", "male0001", "male0002")
EXPRESSIONS = ("smiling", "surprised")
BATCH = 13
FOR_EDITS, EDITABILITY = Settings(steps=60), 0.06  # likely codes: closer ones hold what breaks in an edit
MEASURES = {"mouth width": mouth_width, "eye opening": eye_opening}


def align_all(photos: Path) -> None:
    """Which files give a face."""
    missed = []
    files = [path for name in FOLDERS for path in find_pictures(photos / name)]
    for path in tqdm(files, desc="align", disable=None):
        try:
            align(path, size=64)
        except WplusError as error:
            missed.append(str(error))
    click.echo(f"alignment: {len(files) - len(missed)} of {len(files)} files give a face")
    for reason in missed:
        click.echo(f"  {reason}")


def invert_crops(generator: Generator, photos: Path, output: Path) -> None:
    """Figures of the inversion of the CelebA-HQ crops."""
    rows, pictures = [], []
    paths, crops = zip(*celebahq(photos, generator), strict=True)
    began = time.perf_counter()
    with tqdm(total=len(crops), desc="invert", disable=None) as bar:
        latents: list[Latent] = []
        for first in range(0, len(crops), BATCH):
            latents += invert(generator, crops[first : first + BATCH]).latents
            bar.update(len(latents) - bar.n)
    seconds = (time.perf_counter() - began) / len(crops)
    for path, crop, latent in zip(paths, crops, latents, strict=True):
        fine = as_crop(path, size=256).picture
        picture = save(generator, latent, output / path.stem)
        pair = crop.picture[None], picture[None]
        assert latent.origin is not None
        rows.append(
            {
                "MSE": float(mse(*pair)),
                "PSNR, dB": float(psnr(*pair)),
                "perceptual": latent.origin.losses["perceptual"],
                "identity": identity_distance(fine, picture),
                "identity, merely reduced": identity_distance(fine, crop.picture),
                "seconds": seconds,
            }
        )
        pictures += [crop.picture, picture]
    write_picture(output / "inversions.png", sheet(shown(torch.stack(pictures))[:, :, ::2, ::2], columns=8))
    click.echo(f"inversion of {len(rows)} crops, {generator.name} {generator.fingerprint}, means:")
    for name in rows[0]:
        values = [row[name] for row in rows if row[name] is not None]
        missing = len(rows) - len(values)
        tail = f" ({missing} without a face)" if missing else ""
        click.echo(f"  {name:26} {sum(values) / len(values):9.5f}   from {min(values):.5f} to {max(values):.5f}{tail}")
    for name in ("identity", "identity, merely reduced"):
        below = sum(row[name] is not None and row[name] < SAME_PERSON for row in rows)
        click.echo(f"  {name} below {SAME_PERSON}: {below} of {len(rows)}")


def save(generator: Generator, latent: Latent, stem: Path) -> Picture:
    """Write latent and picture, and see that the file alone renders the same bits."""
    file = stem.with_suffix(".safetensors")
    latent.save(file)
    picture = render_one(generator, latent)[0]
    assert torch.equal(render_one(generator, Latent.load(file))[0], picture), f"{file} renders another picture"
    write_picture(stem.with_suffix(".png"), picture)
    return picture.clamp(-1, 1)


def measure(picture: Picture) -> dict[str, float] | None:
    """Mouth and eyes of the largest face."""
    faces = detect(enlarged(picture))
    return {name: function(faces[0]) for name, function in MEASURES.items()} if faces else None


def express_all(generator: Generator, photos: Path, output: Path) -> None:
    """Whether mouth and eyes follow the source, for every target and every other person as source."""
    network = load_perceptual(generator.card.perceptual)
    objective = objective_for(generator, network, editability=EDITABILITY)
    latents, originals = {}, {}
    kinds = ("neutral", *EXPRESSIONS)
    for kind in tqdm(kinds, desc="expressions", disable=None):
        paths = [photos / "expressions" / f"{person}_{kind}.jpg" for person in PEOPLE]
        crops = [align(path, size=generator.resolution) for path in paths]
        if kind == "neutral":
            found = invert(generator, crops, objective=objective, settings=FOR_EDITS)
        else:  # from the neutral codes: the difference then holds little but the expression
            start = Given(join([latents[person, "neutral"] for person in PEOPLE]))
            found = invert(generator, crops, objective=objective, start=start, settings=FOR_EDITS)
        for person, path, latent in zip(PEOPLE, paths, found.latents, strict=True):
            originals[person, kind] = measure(align(path, size=256).picture)
            latents[person, kind] = latent
            save(generator, latent, output / path.stem)
    for kind in EXPRESSIONS:
        click.echo(f"expression transfer, {kind}: change of the target beside that of the source's photographs")
        pictures, moved = [], {name: dict.fromkeys(PEOPLE, 0) for name in MEASURES}
        for person, source in itertools.permutations(PEOPLE, 2):
            target, neutral, expressive = latents[person, "neutral"], latents[source, "neutral"], latents[source, kind]
            edited = transfer_expression(target, neutral, expressive)
            shots = [render_one(generator, latent)[0].clamp(-1, 1) for latent in (target, neutral, expressive, edited)]
            pictures += shots
            before, after = measure(shots[0]), measure(shots[3])
            then, now = originals[source, "neutral"], originals[source, kind]
            if before is None or after is None or then is None or now is None:
                click.echo(f"  {person} from {source}: no face found")
                continue
            for name in MEASURES:
                wanted, got = now[name] - then[name], after[name] - before[name]
                moved[name][person] += wanted * got > 0
                click.echo(f"  {person} from {source}: {name} {got:+.3f}, source {wanted:+.3f}")
        for name, counts in moved.items():
            people = sum(count >= 2 for count in counts.values())
            click.echo(f"  {name} follows most of the three sources in {people} of 4 people: {json.dumps(counts)}")
        write_picture(output / f"{kind}.png", sheet(shown(torch.stack(pictures))[:, :, ::2, ::2], columns=12))


@click.command(help=__doc__)
@click.argument("photos", type=click.Path(path_type=Path))
@click.option("-o", "--output", type=click.Path(path_type=Path), required=True)
@click.option("--generator", default="faces-64", show_default=True)
def main(photos: Path, output: Path, generator: str) -> None:
    """Run all parts."""
    network = load_generator(generator)
    align_all(photos)
    invert_crops(network, photos, output)
    express_all(network, photos, output)


if __name__ == "__main__":
    main()
