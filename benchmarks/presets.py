"""How short the quick preset may be: loss and time of several settings beside the paper's, in one run.

    python -m benchmarks.presets FOLDER_OF_CROPS --count 6

The crops are square pictures in the FFHQ frame. Every setting inverts the same ones, alone, from the mean code.
"""

import time
from dataclasses import dataclass
from pathlib import Path

import click
import torch

from wplus.alignment import as_crop
from wplus.core.images import find_pictures
from wplus.inversion import Settings, image2stylegan, invert
from wplus.metrics import mse
from wplus.models import load_generator, load_perceptual

SETTINGS = {
    "Adam 0.01, 300 steps": Settings(steps=300, learning_rate=0.01, final_rate=1.0),
    "Adam 0.05 cosine, 300": Settings(steps=300, learning_rate=0.05),
    "Adam 0.1 cosine, 300": Settings(steps=300, learning_rate=0.1),
    "Adam 0.2 cosine, 300": Settings(steps=300, learning_rate=0.2),
    "Adam 0.1 cosine, 600": Settings(steps=600, learning_rate=0.1),
    "Adam 0.2 cosine, 600": Settings(steps=600, learning_rate=0.2),
    "Adam 0.1 cosine, 1000": Settings(steps=1000, learning_rate=0.1),
    "Adam 0.01, 5000 (paper)": Settings.image2stylegan(),
}


@dataclass(frozen=True)
class Row:
    """Means over the crops."""

    loss: float
    mse: float
    distance: float
    seconds: float


@click.command(help=__doc__)
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--count", default=6, show_default=True)
@click.option("--generator", default="faces-64", show_default=True)
@click.option("--skip-paper", is_flag=True)
def main(folder: Path, count: int, generator: str, skip_paper: bool) -> None:
    """Run all settings."""
    network = load_generator(generator)
    objective = image2stylegan(load_perceptual(network.card.perceptual))
    crops = [as_crop(path, size=network.resolution) for path in find_pictures(folder)[:count]]
    click.echo(f"{len(crops)} crops, {network.name} {network.fingerprint}, {torch.get_num_threads()} threads")
    click.echo(f"{'settings':30} {'loss':>8} {'MSE':>8} {'|w-mean|':>9} {'seconds':>8}")
    for name, settings in SETTINGS.items():
        if skip_paper and "paper" in name:
            continue
        losses, errors, distances = [], [], []
        began = time.perf_counter()
        for crop in crops:
            found = invert(network, crop, objective=objective, settings=settings)
            losses.append(min(found.history[0]))
            errors.append(float(mse(network(found.latent), crop.picture[None])))
            distances.append(float((found.latent.ws - network.mean_w).norm()))
        seconds = (time.perf_counter() - began) / len(crops)
        means = [sum(values) / len(values) for values in (losses, errors, distances)]
        click.echo(f"{name:30} {means[0]:8.4f} {means[1]:8.5f} {means[2]:9.1f} {seconds:8.1f}")


if __name__ == "__main__":
    main()
