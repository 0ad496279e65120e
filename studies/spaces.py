"""Z, W or W+, and whether it is the trained weights that carry an embedding.

Every photograph is embedded in Z, in W, in W+, and in the W+ of a generator of the same architecture with random
weights. All are measured by the same objective.

The paper finds that arbitrary faces do not embed in Z or W and do in W+ [S2]; a re-implementation found that W serves
for faces only, and Z for nothing [S]. With random weights the embedding visibly fails: the learned weights matter, not
only the number of free parameters [S].
"""

from typing import Any

import torch

from wplus.inversion import W, Z
from wplus.models import Card, Generator
from wplus.models.architectures import build
from wplus.studies.bench import Bench, stacked
from wplus.studies.rows import by_domain, distinct, mean, where
from wplus.studies.sheets import by_class
from wplus.studies.study import Conclusion, Data, Finding, Measured
from wplus.studies.tables import compared, crossed

SOURCE = "Image2StyleGAN (Abdal et al. 2019, arXiv 1904.03189), comparison of latent spaces"

RANDOM = "W+, random weights"


def measure(bench: Bench) -> Measured:
    """Embed all photographs in every space."""
    target = stacked(bench.photos)
    untrained = bench.using(random_weights(bench.generator, seed=bench.settings.seed))
    found = {
        "Z": (bench, bench.embed(target, space=Z())),
        "W": (bench, bench.embed(target, space=W())),
        "W+": (bench, bench.embed(target)),
        RANDOM: (untrained, untrained.embed(target)),
    }
    rows = [row for space, (place, item) in found.items() for row in place.rows(bench.photos, item, space=space)]
    layers = {"photograph": target} | {space: place.render(item.ws) for space, (place, item) in found.items()}
    sheet = by_class("spaces", "Photographs, and their embeddings in each space.", bench.photos, layers)
    return Measured({"images": rows}, (sheet,))


def random_weights(generator: Generator, *, seed: int) -> Generator:
    """A generator of the same architecture and sizes whose weights are as they are before training."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        drawn: Any = type(generator.network)(generator.network.config)  # type: ignore[call-arg]
    weights = {name: tensor for name, tensor in drawn.state_dict().items() if name != "mapping.w_avg"}
    network = build(generator.network.config, weights)  # with the mean code that these weights have
    card = Card(f"{generator.name} with random weights", perceptual=generator.card.perceptual)
    return Generator(network, card).to(generator.device)


def conclude(data: Data) -> Conclusion:
    """The order of the spaces."""
    rows = data["images"]
    tables = (
        crossed("Loss by class and space", rows, varied="space", column="loss"),
        crossed("MSE on [-1, 1] by class and space", rows, varied="space", column="mse"),
    )
    columns = {"loss": "loss", "mse": "MSE on [-1, 1]"}
    plot = compared("spaces", "Loss and MSE by class and space.", rows, varied="space", columns=columns)
    return Conclusion((_order(data), _faces(data), _random(data)), tables, (plot,))


def _order(data: Data) -> Finding:
    spaces = ("W+", "W", "Z")
    rows = data["images"]
    means = [mean(where(rows, space=space), "loss") for space in spaces]
    pictures = {
        (row["class"], row["photo"]): [mean(where(rows, **key, space=space), "loss") for space in spaces]
        for row in rows
        for key in ({"class": row["class"], "photo": row["photo"]},)
    }
    ordered = sum(losses == sorted(losses) for losses in pictures.values())
    return Finding(
        "W+ embeds arbitrary pictures, W and Z do not.",
        "S2",
        "loss of W+ < W < Z",
        " < ".join(f"{space} ({value:.3g})" for value, space in sorted(zip(means, spaces, strict=True)))
        + f"; for {ordered} of {len(pictures)} pictures in this order",
        means == sorted(means),
    )


def _faces(data: Data) -> Finding:
    faces, others = by_domain(data["images"])
    shares = [
        mean(where(rows, space="W"), "loss") / mean(where(rows, space="W+"), "loss") if rows else float("nan")
        for rows in (faces, others)
    ]
    return Finding(
        "W serves for faces only (a re-implementation's finding).",
        "S",
        "faces lose less than other classes when W takes the place of W+",
        f"the loss is {shares[0]:.2f} times that of W+ for faces, {shares[1]:.2f} times for other classes",
        shares[0] < shares[1] if faces and others else None,
        "A ratio of losses: other classes begin with the larger loss in W+ too.",
    )


def _random(data: Data) -> Finding:
    rows = data["images"]
    trained, untrained = (mean(where(rows, space=space), "loss") for space in ("W+", RANDOM))
    return Finding(
        "With random weights the embedding fails.",
        "S",
        "a much larger loss than with trained weights",
        f"{untrained / trained:.1f} times the loss ({untrained:.3g} against {trained:.3g})",
        untrained > 1.5 * trained,
        f"Both have {len(distinct(rows, 'photo'))} pictures and as many free numbers.",
    )
