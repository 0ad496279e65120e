"""Local edits of mouth and eyes by several methods, side by side on the same pairs of photographs.

    python -m benchmarks.regions ../shared/photos -o runs/regions

The pairs are those of the CelebA-HQ crops whose regions overlap best, as StyleMapGAN's authors choose theirs. Inside
the mask a picture is compared with the reference, outside with the target: mean squared errors on [-1, 1], at the size
of the generator. The seam is the mean step between neighbouring pixels across the mask's edge; compare it with that of
the unedited picture. A face is found where dlib sees exactly one. Milliseconds are of a pair, from crops to picture.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import click
import torch
from tqdm import tqdm

from wplus.alignment import Crop, as_crop, detect, restore_region
from wplus.core import Latent
from wplus.core.animation import sheet
from wplus.core.images import find_pictures, resized, write_picture
from wplus.core.photograph import Photograph
from wplus.core.shapes import Mask, Picture
from wplus.editing import Patch, blend_features, local_edit
from wplus.editing.local import Where
from wplus.editing.pooling import Pooling, share, touched
from wplus.inversion import Encoder, image2stylegan, invert
from wplus.metrics.identity import enlarged
from wplus.metrics.local import masked_mse, seam_gradient
from wplus.models import Generator, load_generator, load_perceptual
from wplus.optimisation import Adam, Settings
from wplus.pipelines.detail import Given, with_detail
from wplus.pipelines.portrait import Portrait, embed

REGIONS = ("mouth", "eyes")
SHOWN = 10
"""Pairs on a sheet."""

Edit = Callable[[Portrait, Portrait, Mask], Picture]
"""Target, reference and mask to the edited crop."""


@dataclass(frozen=True, eq=False)
class Pair:
    """Target and reference by number, and the mask of both faces' regions."""

    target: int
    reference: int
    mask: Mask


def pairs_of(portraits: Sequence[Portrait], region: str, count: int) -> list[Pair]:
    """The pairs whose regions overlap best, the best first; every portrait is target about equally often."""
    masks = [portrait.region(region) for portrait in portraits]
    most = -(-count // len(portraits))
    overlaps = {
        (a, b): float(torch.minimum(masks[a], masks[b]).sum() / torch.maximum(masks[a], masks[b]).sum())
        for a in range(len(masks))
        for b in range(len(masks))
        if a != b
    }
    found: list[Pair] = []
    for a, b in sorted(overlaps, key=overlaps.__getitem__, reverse=True):
        if sum(pair.target == a for pair in found) < most and len(found) < count:
            found.append(Pair(a, b, torch.maximum(masks[a], masks[b])))
    return found


def stylemap_edits(generator: Generator) -> dict[str, Edit]:
    """Blends of stylemaps, embedded by the generator's own encoder."""

    def edit(where: Where, pooling: Pooling, strength: float = 1.0) -> Edit:
        def edited(target: Portrait, reference: Portrait, mask: Mask) -> Picture:
            first, second = embed(generator, [target, reference])
            return local_edit(generator, first, Patch(second, mask, strength, pooling=pooling), where=where)[0]

        return edited

    def put_back(target: Portrait, reference: Portrait, mask: Mask) -> Picture:
        first, second = embed(generator, [target, reference])
        before, theirs = (generator(code)[0].clamp(-1, 1) for code in (first, second))
        after = local_edit(generator, first, Patch(second, mask))[0].clamp(-1, 1)
        own, given = (as_crop(portrait.crop.picture, size=generator.resolution) for portrait in (target, reference))
        lent = replace(reference, file=Photograph(given.picture), crop=given)
        fine = with_detail(Crop(after, own.alignment), [Given(lent, theirs, mask)])
        return restore_region(own.picture, Crop(before, own.alignment), fine, mask)

    return {
        "stylemap, not edited": edit("w", share, 0.0),
        "stylemap, w": edit("w", share),
        "stylemap, w, whole cells": edit("w", touched),
        "stylemap, w+": edit("w+", share),
        "stylemap, w+, whole cells": edit("w+", touched),
        "stylemap, w+, put back": put_back,
    }


def feature_edits(generator: Generator, codes: Mapping[str, Latent]) -> dict[str, Edit]:
    """Blends of a StyleGAN2's feature maps; `codes` are those of portraits by name."""

    def edit(resolutions: Sequence[int], strength: float = 1.0) -> Edit:
        def edited(target: Portrait, reference: Portrait, mask: Mask) -> Picture:
            patch = Patch(codes[reference.name], mask, strength)
            return blend_features(generator, codes[target.name], patch, resolutions=resolutions)[0]

        return edited

    return {
        "StyleGAN2, not edited": edit((8,), 0.0),
        "StyleGAN2, features at 4-16 px": edit((4, 8, 16)),
        "StyleGAN2, features at 4-32 px": edit((4, 8, 16, 32)),
        "StyleGAN2, features at all sizes": edit([4 << index for index in range(9)]),
    }


def pixel_edits() -> dict[str, Edit]:
    """The photographs themselves."""

    def pasted(target: Portrait, reference: Portrait, mask: Mask) -> Picture:
        theirs = reference.crop.picture
        return target.crop.picture.lerp(theirs, share(mask, *theirs.shape[1:]))

    return {
        "photograph, not edited": lambda target, reference, mask: target.crop.picture,
        "pixels pasted, soft edge": pasted,
        "pixels pasted": lambda target, reference, mask: pasted(target, reference, (mask > 0.5).float()),
    }


def inverted(generator: Generator, portraits: Sequence[Portrait], steps: int) -> tuple[dict[str, Latent], float]:
    """Codes of portraits by name, from the encoder on, and the seconds that one takes."""
    began = time.perf_counter()
    objective = image2stylegan(load_perceptual(generator.card.perceptual))
    settings = Settings(steps=steps, method=Adam(learning_rate=0.05))
    crops = [portrait.crop for portrait in portraits]
    with tqdm(total=steps + 1, desc=f"invert {len(crops)}", disable=None) as bar:
        found = invert(
            generator, crops, objective=objective, start=Encoder(), settings=settings, watch=lambda record: bar.update()
        )
    seconds = (time.perf_counter() - began) / len(portraits)
    return {portrait.name: latent for portrait, latent in zip(portraits, found.latents, strict=True)}, seconds


def measured(
    edit: Edit, portraits: Sequence[Portrait], pairs: Sequence[Pair]
) -> tuple[list[Picture], dict[str, float]]:
    """Pictures of all pairs, and means over them."""
    pictures, rows = [], []
    for pair in tqdm(pairs, leave=False, disable=None):
        target, reference = portraits[pair.target], portraits[pair.reference]
        began = time.perf_counter()
        with torch.inference_mode():
            picture = edit(target, reference, pair.mask).clamp(-1, 1)
        seconds = time.perf_counter() - began
        mask = share(pair.mask, *picture.shape[1:])
        pictures.append(picture)
        rows.append(
            {
                "inside": float(masked_mse(picture[None], reference.crop.picture[None], mask)),
                "outside": float(masked_mse(picture[None], target.crop.picture[None], 1 - mask)),
                "seam": float(seam_gradient(picture[None], mask)),
                "one face": float(len(detect(enlarged(picture))) == 1),
                "ms": 1000 * seconds,
            }
        )
    return pictures, {name: sum(row[name] for row in rows) / len(rows) for name in rows[0]}


@click.command(help=__doc__)
@click.argument("photos", type=click.Path(path_type=Path))
@click.option("-o", "--output", type=click.Path(path_type=Path), required=True)
@click.option("--generator", default="stylemap-faces", show_default=True, help="A StyleMapGAN.")
@click.option("--stylegan2", default="faces-64", show_default=True, help="A StyleGAN2 of the same size.")
@click.option("--steps", default=300, show_default=True, help="Of the StyleGAN2's inversion, from its encoder's codes.")
@click.option("--count", default=100, show_default=True, help="Pairs a region.")
def main(photos: Path, output: Path, generator: str, stylegan2: str, steps: int, count: int) -> None:
    """Measure all methods, and write a sheet a region."""
    spatial, layered = load_generator(generator), load_generator(stylegan2)
    paths = [path for path in find_pictures(photos / "aligned") if path.name.startswith("celebahq")]
    portraits = [Portrait.of_crop(path, size=spatial.resolution) for path in tqdm(paths, desc="read", disable=None)]
    codes, seconds = inverted(layered, portraits, steps)
    edits = stylemap_edits(spatial) | feature_edits(layered, codes) | pixel_edits()
    click.echo(
        f"{spatial.name} {spatial.fingerprint}, {layered.name} {layered.fingerprint}, {len(portraits)} portraits,"
    )
    click.echo(
        f"{torch.get_num_threads()} threads; inverting for StyleGAN2 took {1000 * seconds:.0f} ms a portrait more"
    )
    for region in REGIONS:
        pairs = pairs_of(portraits, region, count)
        click.echo(
            f"\n{region}, {len(pairs)} pairs{'':18} {'inside':>8} {'outside':>8} {'seam':>8} {'one face':>9} {'ms':>6}"
        )
        rows = [[portraits[getattr(pair, side)].crop.picture for pair in pairs] for side in ("target", "reference")]
        for name, edit in edits.items():
            pictures, means = measured(edit, portraits, pairs)
            rows.append(pictures)
            inside, outside, seam, faces, taken = means.values()
            click.echo(f"{name:34} {inside:8.4f} {outside:8.4f} {seam:8.4f} {faces:8.0%} {taken:6.0f}")
        shown = [resized(row[pair], height=128, width=128) for pair in range(min(SHOWN, len(pairs))) for row in rows]
        write_picture(output / f"{region}.png", sheet(torch.stack(shown), columns=len(rows)))


if __name__ == "__main__":
    main()
