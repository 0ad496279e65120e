"""Which classes of pictures a generator of faces can embed: loss, error and distance to the mean code, by class.

All photographs are embedded in W+ from the mean code. The paper embeds five pictures each of faces, cats, dogs, cars
and paintings with a generator that has only seen faces.

It finds that all of them embed, the others slightly worse than faces [S], and that loss and distance to the mean code
order faces < cats < dogs < cars < paintings, with distances of 2.3 to 3.4 times that of faces [M-md].
"""

from collections.abc import Sequence

from wplus.studies.bench import Bench, stacked
from wplus.studies.plots import bars, panels
from wplus.studies.rows import by_domain, distinct, interval, mean, numbers, where
from wplus.studies.sheets import by_class
from wplus.studies.study import Conclusion, Data, Finding, Measured, Plot, Row, Table

SOURCE = "Image2StyleGAN (Abdal et al. 2019, arXiv 1904.03189), embeddings and losses of five classes"

PAPER = {"cats", "dogs", "cars", "paintings"}
"""The paper's classes besides faces."""

LABELS = {"loss": "loss", "distance": "distance to the mean code"}


def measure(bench: Bench) -> Measured:
    """Embed all photographs."""
    found = bench.embed(stacked(bench.photos))
    layers = {"photograph": found.target, "embedded": bench.render(found.ws)}
    sheet = by_class("embeddings", "Photographs, and what W+ makes of them.", bench.photos, layers)
    return Measured({"images": bench.rows(bench.photos, found)}, (sheet,))


def conclude(data: Data) -> Conclusion:
    """Means by class, and their order."""
    rows = data["images"]
    parts = {str(kind): where(rows, **{"class": kind}) for kind in distinct(rows, "class")}
    figure, axes = panels(2)
    for item, (column, label) in zip(axes, LABELS.items(), strict=True):
        dots = [numbers(part, column).tolist() for part in parts.values()]
        bars(item, list(parts), {label: [mean(part, column) for part in parts.values()]}, dots=dots)
        item.set_ylabel(label)
    plot = Plot("classes", "Mean loss and distance by class; the dots are single pictures.", figure)
    findings = (*(_order(rows, column) for column in LABELS), _far(rows))
    return Conclusion(findings, (_table(parts),), (plot,))


def _table(parts: dict[str, list[Row]]) -> Table:
    columns = ("loss", "mse", "psnr", "distance", "relative_distance")
    return Table(
        "Embeddings in W+ by class",
        ("class", "pictures", "loss", "MSE on [-1, 1]", "PSNR, dB", "distance to the mean", "in sample distances"),
        tuple((kind, len(part), *(interval(part, column) for column in columns)) for kind, part in parts.items()),
        note="In brackets 95 % bootstrap intervals of the mean, from three pictures on. One sample distance is how far"
        " the generator's own codes lie from their mean.",
    )


def _order(rows: Sequence[Row], column: str) -> Finding:
    """Whether faces come first and paintings last among the paper's classes, or first of all where it has none here."""
    faces, others = by_domain(rows)
    means = {str(kind): mean(where(rows, **{"class": kind}), column) for kind in distinct(rows, "class")}
    strangers = {str(kind) for kind in distinct(others, "class")}
    paintings = strangers & {"paintings"}
    compared = [means[kind] for kind in (strangers & PAPER or strangers) - paintings]
    first = bool(faces) and all(
        mean(faces, column) < value for value in [*compared, *(means[kind] for kind in paintings)]
    )
    last = all(means["paintings"] > value for value in compared) if paintings else True
    return Finding(
        f"The {LABELS[column]} orders faces < cats < dogs < cars < paintings.",
        "M-md",
        "of these classes faces least" + (" and paintings most" if paintings else ""),
        " < ".join(f"{kind} ({means[kind]:.3g})" for kind in sorted(means, key=lambda kind: means[kind])),
        first and last if faces and others else None,
        "" if paintings else "There are no paintings among the photographs.",
    )


def _far(rows: Sequence[Row]) -> Finding:
    """How much farther from the mean the other classes lie."""
    faces, others = by_domain(rows)
    ratio = mean(others, "distance") / mean(faces, "distance") if faces and others else float("nan")
    return Finding(
        "Other classes lie 2.3 to 3.4 times as far from the mean code as faces do.",
        "M-md",
        "a ratio clearly above 1",
        f"{ratio:.2f} times as far",
        bool(ratio > 1.2) if faces and others else None,
        "The ratio depends on how long and how fast a descent goes; the paper's took 5000 steps at a rate of 0.01.",
    )
