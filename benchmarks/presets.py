"""How short the quick preset may be: loss and time of several settings beside the paper's, in one run.

    python -m benchmarks.presets FOLDER_OF_CROPS --count 6

The crops are square pictures in the FFHQ frame. Every setting inverts the same ones, all at once, from the mean code.
"""

import time
from pathlib import Path

import click
import torch

from wplus.alignment import as_crop
from wplus.core.images import find_pictures
from wplus.inversion import Settings, image2stylegan, invert
from wplus.metrics import mse
from wplus.models import load_generator, load_perceptual

SETTINGS = {
    "Adam 0.1 cosine, 300": Settings(steps=300),
    "Adam 0.1 cosine, 600": Settings(steps=600),
    "Adam 0.1 cosine, 1500 (quick)": Settings(),
    "Adam 0.01, 1500": Settings(steps=1500, learning_rate=0.01, final_rate=1.0),
    "Adam 0.01, 5000 (paper)": Settings.image2stylegan(),
}


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
        began = time.perf_counter()
        found = invert(network, crops, objective=objective, settings=settings)
        seconds = (time.perf_counter() - began) / len(crops)
        loss = sum(map(min, found.history)) / len(crops)
        error = mse(network(found.latent), torch.stack([crop.picture for crop in crops])).mean()
        distance = (found.latent.ws - network.mean_ws).flatten(1).norm(dim=1).mean()
        click.echo(f"{name:30} {loss:8.4f} {float(error):8.5f} {float(distance):9.1f} {seconds:8.1f}")


if __name__ == "__main__":
    main()
