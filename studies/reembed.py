"""What is left of a picture that is embedded, rendered and embedded again, seven times over.

Each round embeds the picture that the round before rendered, in W+ from the mean. From the second round on every target
is one that the generator can render exactly.

The paper finds that the embedding slowly loses detail all the same [M-hi].
"""

from itertools import pairwise

import torch
from torch.nn import functional

from wplus.core.shapes import Images, Losses
from wplus.core.sheets import Sheet
from wplus.metrics import psnr
from wplus.studies.bench import Bench, stacked
from wplus.studies.plots import COLOURS, legend, panels, plain
from wplus.studies.rows import distinct, interval, mean, where
from wplus.studies.study import Conclusion, Data, Finding, Measured, Plot, Row, Table

SOURCE = "Image2StyleGAN (Abdal et al. 2019, arXiv 1904.03189), figure of iterated embedding"

ROUNDS = 7


def detail(images: Images) -> Losses:
    """Root mean square of the Laplacian: how much fine structure a picture has, one number an image."""
    kernel = torch.tensor([[0.0, 1.0, 0.0], [1.0, -4.0, 1.0], [0.0, 1.0, 0.0]]).expand(3, 1, 3, 3)
    return functional.conv2d(images, kernel, groups=3).square().mean(dim=(1, 2, 3)).sqrt()


def measure(bench: Bench) -> Measured:
    """Embed the first photographs of every class, and then what came of them."""
    photos = bench.few(1)[:2] if bench.quick else bench.few(2)  # one round waits for another: it is slow
    original = stacked(photos)
    pictures, rows = [original], list[Row]()
    for number in range(1, ROUNDS + 1):
        found = bench.embed(pictures[-1])
        pictures.append(bench.render(found.ws))
        kept, fine = psnr(pictures[-1], original), detail(pictures[-1]) / detail(original)
        for index, row in enumerate(bench.rows(photos, found, round=number)):
            rows.append({**row, "psnr to the photograph": float(kept[index]), "detail": float(fine[index])})
    sheet = Sheet(
        "rounds",
        "Every round embeds the picture to its left.",
        tuple(tuple(picture[index] for picture in pictures) for index in range(len(photos))),
        ("photograph", *(f"round {number}" for number in range(1, ROUNDS + 1))),
        tuple(photo.kind for photo in photos),
    )
    return Measured({"images": rows}, (sheet,))


def conclude(data: Data) -> Conclusion:
    """What each round costs."""
    rows = data["images"]
    rounds = {int(str(number)): where(rows, round=number) for number in distinct(rows, "round")}
    columns = ("psnr to the photograph", "detail", "psnr", "loss", "distance")
    table = Table(
        "Round by round, mean over pictures",
        ("round", "PSNR to the photograph, dB", "detail", "PSNR to its target, dB", "loss", "distance to the mean"),
        tuple((number, *(interval(part, column) for column in columns)) for number, part in rounds.items()),
        note="Detail is the root mean square of the Laplacian, 1 in the photograph.",
    )
    figure, axes = panels(2, width=10)
    labels = {"psnr to the photograph": "PSNR to the photograph, dB", "detail": "detail, 1 in the photograph"}
    for item, (column, label) in zip(axes, labels.items(), strict=True):
        for index, kind in enumerate(distinct(rows, "class")):
            part = where(rows, **{"class": kind})
            means = [mean(where(part, round=number), column) for number in rounds]
            item.plot(
                list(rounds), means, "o-", color=COLOURS[index % len(COLOURS)], label=plain(str(kind)), markersize=4
            )
        item.set_xlabel("round")
        item.set_ylabel(label)
    legend(figure, axes[0])
    plot = Plot("rounds", "What is left after each round, by class.", figure)
    return Conclusion((_slowly(rounds), _range(rounds)), (table,), (plot,))


def _slowly(rounds: dict[int, list[Row]]) -> Finding:
    left = [mean(part, "psnr to the photograph") for part in rounds.values()]
    fine = [mean(part, "detail") for part in rounds.values()]
    falls = [before - after for before, after in pairwise(left)]
    return Finding(
        "Embedding again and again slowly loses detail.",
        "M-hi",
        "PSNR to the photograph falls, by less than a decibel a round",
        f"{left[0]:.2f} dB after one round, {left[-1]:.2f} dB after {len(left)}; of the detail {fine[0]:.0%} are left"
        f" after one round, {fine[-1]:.0%} in the end",
        left[-1] < left[0] and max(falls) < 1,
    )


def _range(rounds: dict[int, list[Row]]) -> Finding:
    first, last = (mean(rounds[number], "loss") for number in (min(rounds), max(rounds)))
    return Finding(
        "Detail is lost although from the second round on each target is one that the generator can render.",
        "M-hi",
        "the loss to the target falls after the first round, but not to zero",
        f"loss {first:.3g} in the first round, {last:.3g} in the last",
        0 < last < first,
    )
