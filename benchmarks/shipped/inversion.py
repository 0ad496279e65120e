"""How well photographs of strangers are inverted with the shipped generator, edited, and met by its encoder."""

import random
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import torch
from tqdm import tqdm

from benchmarks.shipped.figures import Figure, mean
from wplus.alignment import Crop, as_crop, detect
from wplus.core.images import find_pictures
from wplus.core.latent import Latent
from wplus.editing import morph
from wplus.inversion import PRESETS, Encoder, image2stylegan, invert
from wplus.metrics import SAME_PERSON, identity_distance, mse
from wplus.metrics.identity import enlarged
from wplus.models import Generator, load_encoder, load_perceptual
from wplus.optimisation import Adam, Objective, Settings

BATCH = 13
PAIRS = 100
RATES = (0.01, 0.03, 0.1, 0.2)
"""Learning rates of thirty steps; 0.01 is Image2StyleGAN's, 0.1 the best for short descents."""
CHEEKS = (slice(None), slice(140, 170), slice(70, 186))
"""Colours, rows and columns of a 256 px crop in the FFHQ frame where most faces show skin."""


class Embedded(NamedTuple):
    """A photograph and what was found for it."""

    path: Path
    crop: Crop
    latent: Latent
    distance: float | None
    """dlib's, between the photograph at 256 px and the picture."""


class Bars(NamedTuple):
    """What a generator's reconstructions were to reach: squared error, identity distance, and % of the same person."""

    mse: float
    identity: float
    same: float


def celebahq(photos: Path, generator: Generator) -> list[tuple[Path, Crop]]:
    """The CelebA-HQ crops, at the generator's size."""
    paths = [path for path in find_pictures(photos / "aligned") if path.name.startswith("celebahq")]
    return [(path, as_crop(path, size=generator.resolution)) for path in paths]


def codes_of(generator: Generator, crops: Sequence[Crop], *, objective: Objective | None = None) -> list[Latent]:
    """Codes of crops, by the preset "best"."""
    latents = list[Latent]()
    with tqdm(total=len(crops), desc="invert", disable=None) as progress:
        for first in range(0, len(crops), BATCH):
            part = crops[first : first + BATCH]
            latents += invert(generator, part, objective=objective, settings=PRESETS["best"].settings).latents
            progress.update(len(part))
    return latents


def invert_all(generator: Generator, photos: Path) -> list[Embedded]:
    """Every crop."""
    pairs = celebahq(photos, generator)
    latents = codes_of(generator, [crop for _, crop in pairs])
    return [embedded(generator, path, crop, latent) for (path, crop), latent in zip(pairs, latents, strict=True)]


def embedded(generator: Generator, path: Path, crop: Crop, latent: Latent) -> Embedded:
    """A photograph with its code, and how far the person moved."""
    picture = generator(latent)[0].clamp(-1, 1)
    return Embedded(path, crop, latent, identity_distance(as_crop(path, size=256).picture, picture))


def reconstruction(generator: Generator, found: list[Embedded], bars: Bars) -> list[Figure]:
    """Identity and squared error; identity also by group, as far as the photographs tell one."""
    errors = [float(mse(item.crop.picture[None], generator(item.latent).clamp(-1, 1))) for item in found]
    floors = [identity_distance(as_crop(item.path, size=256).picture, item.crop.picture) for item in found]
    seen = [item.distance for item in found if item.distance is not None]
    figures = [
        Figure(f"{len(found)} CelebA-HQ crops: mean squared error", mean(errors), bars.mse),
        Figure(f"identity distance below {SAME_PERSON}, %", 100 * _same(seen, len(found)), bars.same, least=True),
        Figure("identity distance, mean", mean(seen), bars.identity),
        Figure("identity distance of the merely reduced photograph", mean([gap for gap in floors if gap is not None])),
    ]
    skin = {item.path: float(as_crop(item.path, size=256).picture[CHEEKS].mean()) for item in found}
    middle = sorted(skin.values())[len(skin) // 2]
    groups = {
        "women": lambda item: "_female_" in item.path.name,
        "men": lambda item: "_male_" in item.path.name,
        "lighter half of cheeks": lambda item: skin[item.path] >= middle,
        "darker half of cheeks": lambda item: skin[item.path] < middle,
    }
    for name, belongs in groups.items():
        gaps = [item.distance for item in found if belongs(item) and item.distance is not None]
        figures.append(Figure(f"identity distance, {name} ({len(gaps)})", mean(gaps)))
    return figures


def edits(generator: Generator, found: list[Embedded]) -> list[Figure]:
    """Whether the middle between two photographs is one face."""
    draw = random.Random(0)
    single = 0
    for _ in tqdm(range(PAIRS), desc="morph", disable=None):
        first, second = draw.sample(found, 2)
        middle = generator(morph(first.latent, second.latent, weight=0.5))[0].clamp(-1, 1)
        single += len(detect(enlarged(middle))) == 1
    return [Figure(f"one face in morph midpoints of {PAIRS} pairs, %", 100 * single / PAIRS, 97, least=True)]


def encoder(generator: Generator, photos: Path) -> list[Figure]:
    """The encoder's start beside thirty steps from the mean; and its speed."""
    crops = [crop for _, crop in celebahq(photos, generator)]
    objective = image2stylegan(load_perceptual(generator.card.perceptual))
    start = _loss(generator, crops, objective, Settings(steps=0), encoded=True)
    descents = {
        rate: _loss(generator, crops, objective, Settings(steps=30, method=Adam(learning_rate=rate, final_rate=1.0)))
        for rate in RATES
    }
    network = Encoder(load_encoder(generator))
    picture = crops[0].picture[None]
    seconds = []
    for _ in range(30):
        began = time.perf_counter()
        network.ws(generator, picture, seed=0)
        seconds.append(time.perf_counter() - began)
    codes = network.ws(generator, torch.stack([crop.picture for crop in crops]), seed=0)
    gaps = [
        identity_distance(as_crop(path, size=256).picture, generator(ws[None])[0].clamp(-1, 1))
        for (path, _), ws in zip(celebahq(photos, generator), codes, strict=True)
    ]
    return [
        Figure("encoder's start, loss (bar: 30 steps from the mean, best rate)", start, min(descents.values())),
        *[Figure(f"30 steps of Adam at {rate:g} from the mean, loss", loss) for rate, loss in descents.items()],
        Figure("encoder, one picture, median ms", 1000 * sorted(seconds)[len(seconds) // 2], 100),
        Figure("encoder alone: identity distance, mean", mean([gap for gap in gaps if gap is not None])),
    ]


def _loss(
    generator: Generator, crops: list[Crop], objective: Objective, settings: Settings, *, encoded: bool = False
) -> float:
    """The mean loss that a short descent ends with."""
    found = (
        invert(generator, crops, objective=objective, settings=settings, start=Encoder())
        if encoded
        else invert(generator, crops, objective=objective, settings=settings)
    )
    return mean([sum(latent.origin.losses.values()) for latent in found.latents if latent.origin is not None])


def _same(distances: list[float], count: int) -> float:
    return sum(distance < SAME_PERSON for distance in distances) / count
