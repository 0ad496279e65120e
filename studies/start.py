"""Whether a descent had better begin at the mean code or at random numbers, by class.

Every photograph is embedded twice in W+: from the mean of the mapped codes, and from numbers uniform in [-1, 1]. Losses
and distances to the mean code are compared by class.

The paper finds the mean better for faces: a lower loss, and codes nearer to the mean [S]. For other classes the random
start gives the lower loss [M-hi], by two to ten percent, and codes about as far [M-md]. It reads this as one cluster
of faces, with other classes scattered around it.
"""

from collections.abc import Sequence
from dataclasses import replace

from wplus.inversion import Random
from wplus.studies.bench import Bench, stacked
from wplus.studies.rows import by_domain, distinct, mean, where
from wplus.studies.sheets import by_class
from wplus.studies.study import Conclusion, Data, Finding, Measured, Row
from wplus.studies.tables import compared, crossed

SOURCE = (
    "Image2StyleGAN (Abdal et al. 2019, arXiv 1904.03189), table of losses and distances by class and initialisation"
)


def measure(bench: Bench) -> Measured:
    """Embed all photographs from both starts."""
    target = stacked(bench.photos)
    found = {"mean": bench.embed(target), "random": bench.embed(target, start=Random())}
    rows = [
        {**row, "begun at": float(item.distance[index, 0])}
        for start, item in found.items()
        for index, row in enumerate(bench.rows(bench.photos, item, start=start))
    ]
    layers = {"photograph": target} | {f"from {start}": bench.render(item.ws) for start, item in found.items()}
    sheet = by_class("starts", "Photographs, and their embeddings from both starts.", bench.photos, layers)
    return Measured({"images": rows}, (sheet,))


def conclude(data: Data) -> Conclusion:
    """Both starts by class."""
    rows = data["images"]
    faces, others = by_domain(rows)
    begun = mean(where(rows, start="random"), "begun at") / mean(rows, "distance") * mean(rows, "relative_distance")
    far = f"The random start itself lies {begun:.1f} times as far from the mean code as the generator's own codes do."
    findings = (
        _smaller(faces, "loss", "mean", "For faces the mean start gives the lower loss.", "S"),
        replace(
            _smaller(faces, "distance", "mean", "For faces the mean start ends nearer to the mean code.", "S"),
            remark=far,
        ),
        _smaller(others, "loss", "random", "For other classes the random start gives the lower loss.", "M-hi"),
    )
    titles = {"loss": "Loss", "distance": "Distance to the mean code"}
    tables = tuple(
        crossed(f"{title}, by class and start", rows, varied="start", column=column) for column, title in titles.items()
    )
    labels = {"loss": "loss", "distance": "distance to the mean code"}
    plot = compared("starts", "Loss and distance by class and start.", rows, varied="start", columns=labels)
    return Conclusion(findings, tables, (plot,))


def _smaller(rows: Sequence[Row], column: str, start: str, paper: str, confidence: str) -> Finding:
    """Whether one start has the smaller mean of a column."""
    means = {str(name): mean(where(rows, start=name), column) for name in distinct(rows, "start")}
    ordered = sorted(means, key=lambda name: means[name])
    apart = means[ordered[-1]] / means[ordered[0]] - 1 if means else 0.0
    return Finding(
        paper,
        confidence,
        f"a smaller {column} from {start}",
        " < ".join(f"{name} ({means[name]:.3g})" for name in ordered) + f", n = {len(rows) // max(len(means), 1)}",
        ordered[0] == start if means else None,
        f"The two differ by {apart:.1%} only." if apart < 0.05 else "",
    )
