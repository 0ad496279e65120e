"""How well `stylemap-faces` embeds photographs of strangers in one pass, and whether its edits stay faces."""

import time
from collections.abc import Callable
from pathlib import Path

import torch

from benchmarks.regions import REGIONS, measured, pairs_of, stylemap_edits
from benchmarks.shipped import inversion
from benchmarks.shipped.figures import Figure
from wplus.core.latent import Latent
from wplus.core.shapes import Images
from wplus.models import Generator, load_encoder
from wplus.pipelines.portrait import Portrait

METHODS = ("stylemap, w+", "stylemap, w+, put back")
"""What `wplus edit-region` shows, before and after its region went back into the photograph."""


def embedding(generator: Generator, photos: Path) -> list[Figure]:
    """Reconstruction, identity, edits and speed of codes that come from the encoder in one pass."""
    encoder, pairs = load_encoder(generator), inversion.celebahq(photos, generator)
    pictures = torch.stack([crop.picture for _, crop in pairs])
    with torch.inference_mode():
        codes = encoder(pictures)
    found = [
        inversion.embedded(generator, path, crop, Latent(ws[None], origin=generator.origin()))
        for (path, crop), ws in zip(pairs, codes, strict=True)
    ]

    def both(images: Images) -> Callable[[], object]:
        return lambda: generator(encoder(images))

    bars = inversion.Bars(mse=0.03, identity=0.45, same=90)
    return [
        *inversion.reconstruction(generator, found, bars),
        *inversion.edits(generator, found),
        Figure("encoder and generator, one picture, median ms", 1000 * _seconds(both(pictures[:1]), 20), 150),
        Figure(f"encoder and generator, {len(pairs)} pictures, s", _seconds(both(pictures), 3), 3),
    ]


def local_edits(generator: Generator, photos: Path, *, count: int = inversion.PAIRS) -> list[Figure]:
    """Mouths and eyes of other people on pairs whose regions overlap best."""
    paths = [path for path, _ in inversion.celebahq(photos, generator)]
    portraits = [Portrait.of_crop(path, size=generator.resolution) for path in paths]
    figures = []
    for region in REGIONS:
        pairs = pairs_of(portraits, region, count)
        for method in METHODS:
            _, means = measured(stylemap_edits(generator)[method], portraits, pairs)
            name = f"{region}, {len(pairs)} pairs, {method.removeprefix('stylemap, ')}"
            figures.append(Figure(f"{name}: MSE outside the mask", means["outside"], 0.03))
            figures.append(Figure(f"{name}: one face, %", 100 * means["one face"], 97, least=True))
    return figures


def _seconds(work: Callable[[], object], count: int) -> float:
    """The median of some calls."""
    taken = []
    with torch.inference_mode():
        for _ in range(count):
            began = time.perf_counter()
            work()
            taken.append(time.perf_counter() - began)
    return sorted(taken)[len(taken) // 2]
