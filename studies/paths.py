"""Random places on straight paths between codes, and how fast pictures change there (StyleGAN, section 4.1)."""

from typing import NamedTuple

import torch

from wplus.core.latent import Latent
from wplus.core.shapes import Images
from wplus.metrics.path import EPSILON
from wplus.studies.bench import Bench
from wplus.studies.faces import landmarks, seen
from wplus.studies.likeness import feature_distance
from wplus.studies.study import Row


class Draws(NamedTuple):
    """Random places on random paths: the numbers of both ends, and the weight of the second."""

    first: list[int]
    second: list[int]
    weights: list[float]


def draws(people: int, count: int, *, seed: int) -> Draws:
    """`count` paths between two different ones of `people` codes, and a place on each; the same for a seed."""
    draw = torch.Generator().manual_seed(seed)
    first = torch.randint(people, (count,), generator=draw)
    second = (first + torch.randint(1, people, (count,), generator=draw)) % people
    return Draws(first.tolist(), second.tolist(), torch.rand(count, generator=draw).tolist())


def walk(bench: Bench, latent: Latent, drawn: Draws) -> tuple[Images, list[Row]]:
    """Pictures at the drawn places, and how fast they change there."""
    a, b = latent.ws[drawn.first], latent.ws[drawn.second]
    weights = torch.tensor(drawn.weights)[:, None, None]
    here, there = (bench.render(a.lerp(b, weights + step)) for step in (0.0, EPSILON))
    ends = bench.render(latent.ws)
    between = feature_distance(bench, ends[drawn.first], ends[drawn.second])
    speed = feature_distance(bench, here, there) / EPSILON**2
    found = seen(landmarks(bench, here))
    return here, [
        {
            "weight": weight,
            "path length": float(speed[index]),
            "between the ends": float(between[index]),
            "relative": float(speed[index] / between[index]),
            "face found": found[index],
        }
        for index, weight in enumerate(drawn.weights)
    ]
