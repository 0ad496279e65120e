"""What the shipped generator makes up: faces, variety, nearness to real ones, and whether it repeats its training."""

import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from scipy.spatial.distance import cdist, pdist
from torch import Tensor
from tqdm import tqdm

from benchmarks.shipped.figures import Figure
from wplus.alignment import detect
from wplus.core.animation import sheet as sheet_of
from wplus.core.animation import shown
from wplus.core.images import write_picture
from wplus.core.shapes import Features, Images
from wplus.metrics import identity
from wplus.metrics.distribution import frechet_distance, moments
from wplus.metrics.identity import enlarged
from wplus.models import Generator, IdentityNetwork, load_identity
from wplus.models.googlenet import GoogLeNet
from wplus.optimisation.losses.identity import chips, face_place
from wplus.training.faces import Faces

SAMPLES, MANY, NEIGHBOURS = 500, 10_000, 64
PART = 50


def sampled(generator: Generator, seeds: range, *, psi: float = 1.0) -> Iterator[Images]:
    """Pictures of seeds, in parts."""
    for first in range(seeds.start, seeds.stop, PART):
        latents = [generator.sample(seed, psi=psi).ws for seed in range(first, min(first + PART, seeds.stop))]
        yield generator(torch.cat(latents)).clamp(-1, 1)


def faces_and_variety(generator: Generator) -> list[Figure]:
    """How many samples are faces, and how near the two nearest are."""
    found = []
    for psi, bar in ((0.7, 97.0), (1.0, 90.0)):
        single, descriptors = 0, []
        parts = sampled(generator, range(SAMPLES), psi=psi)
        with tqdm(total=SAMPLES, desc=f"samples at psi {psi}", disable=None) as progress:
            for picture in (picture for part in parts for picture in part):
                single += len(detect(enlarged(picture))) == 1
                descriptors.append(identity(picture))
                progress.update()
        nearest = pdist(np.stack([item for item in descriptors if item is not None])).min()
        found += [
            Figure(f"one face found in samples at psi {psi}, %", 100 * single / SAMPLES, bar, least=True),
            Figure(f"nearest two of {SAMPLES} samples at psi {psi}, dlib distance", float(nearest), 0.2, least=True),
        ]
    return found


@torch.inference_mode()
def distances(generator: Generator, network: GoogLeNet, training: Faces, held_out: Faces) -> list[Figure]:
    """Frechet distance and spread in GoogLeNet's features (FGD: it is not FID), at psi 1.

    What is possible is told by real faces in the samples' place: as many, against the same held-out ones.
    """

    def features(parts: Iterator[Images], text: str) -> Features:
        return torch.cat([network(part) for part in tqdm(parts, desc=text, total=MANY // PART, disable=None)])

    def real(faces: Faces, indices: Tensor) -> Iterator[Images]:
        return (faces.batch(part) for part in indices.split(PART))

    order = torch.randperm(len(training), generator=torch.Generator().manual_seed(0))[:MANY]
    held = moments(features(real(held_out, torch.arange(len(held_out))), "held-out faces"))
    seen = moments(features(real(training, order), "training faces"))
    made = moments(features(sampled(generator, range(MANY)), "samples"))
    floor = frechet_distance(seen, held)
    return [
        Figure(f"FGD of {made.count} samples to {held.count} held-out faces", frechet_distance(made, held), 4 * floor),
        Figure(f"FGD of {seen.count} training faces to the same", floor),
        Figure("feature variance of samples over that of faces", made.variance / held.variance, 0.6, least=True),
        Figure("the same, from above", made.variance / held.variance, 1.2),
    ]


@torch.inference_mode()
def nearest_training_faces(generator: Generator, training: Faces, output: Path) -> list[Figure]:
    """Samples beside their nearest training faces by dlib's descriptor; the sheet shows them in pairs.

    Training faces are all in one frame: their descriptors are taken at the mean place of the samples' faces.
    """
    network = load_identity()
    samples = torch.cat(list(sampled(generator, range(NEIGHBOURS))))
    place = torch.stack([face_place(picture) for picture in samples if detect(enlarged(picture))]).mean(dim=0)
    order = torch.arange(len(training)).split(PART)
    theirs = torch.cat(
        [
            _describe(network, faces, place)
            for part in tqdm(order, desc="training faces' descriptors", disable=None)
            for faces in (training.batch(part),)
        ]
    )
    mirrored = _describe(network, samples.flip(3), place)
    gaps = np.minimum(*(cdist(ours.numpy(), theirs.numpy()) for ours in (_describe(network, samples, place), mirrored)))
    nearest = torch.from_numpy(gaps.argmin(axis=1))
    pairs = torch.stack([samples, training.batch(nearest)], dim=1).flatten(0, 1)
    write_picture(output / "nearest-training-faces.png", sheet_of(shown(pairs)[:, :, ::2, ::2], columns=16))
    smallest = gaps.min(axis=1)
    return [
        Figure(f"nearest training face of {NEIGHBOURS} samples, dlib distance", float(smallest.min()), 0.3, least=True),
        Figure("the same, median over samples", float(np.median(smallest))),
    ]


def _describe(network: IdentityNetwork, images: Images, place: Tensor) -> Features:
    return network(chips(images, place.expand(len(images), 2, 3)))


def sheet(generator: Generator, output: Path) -> None:
    """64 uncurated samples, seeds 0 to 63, at psi 0.7 and at psi 1."""
    for psi in (0.7, 1.0):
        pictures = torch.cat(list(sampled(generator, range(64), psi=psi)))
        scale = max(1, 128 // generator.resolution)
        large = torch.nn.functional.interpolate(pictures, scale_factor=float(scale), mode="bicubic")
        write_picture(output / f"samples-psi-{psi:g}.png", sheet_of(large.clamp(-1, 1), columns=math.isqrt(64)))
