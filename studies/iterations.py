"""When a descent stops getting better: loss and distance to the mean code over its steps, by class.

Every photograph is embedded in W+ from the mean, at a constant rate, as the paper's. The rate is such that rate times
steps is the paper's 50, but at most 0.1. The plateau begins where 95 percent of the loss's whole fall are done, as an
eye sees it on a linear plot. Beside it stands where the loss is within 5 percent of the last, which for a loss that
keeps falling slowly is near the end of any run.

The paper takes 5000 steps at a rate of 0.01 and finds that faces flatten near step 1000, cats, dogs and cars near 3000,
and paintings only near 5000 [M-hi].
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from wplus.optimisation import Adam, Settings
from wplus.studies.bench import Bench, stacked
from wplus.studies.plots import COLOURS, legend, panels, plain
from wplus.studies.rows import by_domain, distinct, interval, mean, numbers, where
from wplus.studies.sheets import by_class
from wplus.studies.study import Conclusion, Data, Finding, Measured, Plot, Row, Table

SOURCE = "Image2StyleGAN (Abdal et al. 2019, arXiv 1904.03189), figure of loss over optimisation steps"

POINTS = 100
"""Steps of a curve that are written down."""

MARGIN = 0.05
"""Share of the whole fall of the loss, or of the last loss, that a plateau may lie above the last."""


def constant(settings: Settings) -> Settings:
    """Twice the steps, at a constant rate of Adam that takes them as far as the paper's 5000 of 0.01."""
    steps = 2 * settings.steps
    return replace(settings, steps=steps, method=Adam(learning_rate=rate_of(steps), final_rate=1.0))


def rate_of(steps: int) -> float:
    """The rate that takes as many steps as far as the paper's 5000 of 0.01, at most 0.1."""
    return min(0.1, 50 / steps)


def plateaus(best: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The first steps of falling curves (batch, steps) where 95 % of the fall are done, and within 5 % of the last."""
    last = best[:, -1:]
    fallen = best <= last + MARGIN * (best[:, :1] - last)
    return fallen.argmax(axis=1), (best <= (1 + MARGIN) * last).argmax(axis=1)


def measure(bench: Bench) -> Measured:
    """Embed photographs at a constant rate and keep the curves."""
    photos = bench.few(1) if bench.quick else bench.photos
    settings = constant(bench.settings)
    found = bench.embed(stacked(photos), settings=settings)
    best = np.minimum.accumulate(found.total.numpy(), axis=1)
    plateau, near = plateaus(best)
    told = {"steps": settings.steps, "rate": rate_of(settings.steps)}
    rows = [
        {**row, "plateau": int(plateau[index]), "near the last": int(near[index]), **told}
        for index, row in enumerate(bench.rows(photos, found))
    ]
    steps = np.unique(np.linspace(0, settings.steps, POINTS + 1).round().astype(int))
    curves: list[Row] = [
        {
            "photo": photo.name,
            "class": photo.kind,
            "face": photo.face,
            "step": int(step),
            "loss": float(best[index, step]),
            "distance": float(found.distance[index, step]),
        }
        for index, photo in enumerate(photos)
        for step in steps
    ]
    layers = {"photograph": found.target, "embedded": bench.render(found.ws)}
    return Measured(
        {"images": rows, "curves": curves},
        (by_class("embeddings", "Photographs, and embeddings at the end.", photos, layers),),
    )


def conclude(data: Data) -> Conclusion:
    """Curves and plateaus by class."""
    rows = data["images"]
    parts = {str(kind): where(rows, **{"class": kind}) for kind in distinct(rows, "class")}
    steps = int(numbers(rows, "steps")[0])
    table = Table(
        f"Plateaus in {steps} steps at a constant rate of {numbers(rows, 'rate')[0]:.3g}",
        (
            "class",
            "pictures",
            "plateau, step",
            "share of all steps",
            "within 5 % of the last",
            "last loss",
            "last distance",
        ),
        tuple(
            (
                kind,
                len(part),
                interval(part, "plateau"),
                mean(part, "plateau") / steps,
                interval(part, "near the last"),
                interval(part, "loss"),
                interval(part, "distance"),
            )
            for kind, part in parts.items()
        ),
        note="The plateau begins at the step by which 95 percent of the loss's fall are done.",
    )
    return Conclusion((_sooner(rows), _flat(rows, steps)), (table,), (_curves(data["curves"]),))


def _curves(rows: Sequence[Row]) -> Plot:
    figure, axes = panels(2, width=10)
    steps = numbers(where(rows, photo=rows[0]["photo"], **{"class": rows[0]["class"]}), "step")
    for item, column, label in zip(
        axes, ("loss", "distance"), ("best loss so far", "distance to the mean code"), strict=True
    ):
        for index, kind in enumerate(distinct(rows, "class")):
            curves = numbers(where(rows, **{"class": kind}), column).reshape(-1, len(steps))
            item.plot(
                steps, curves.mean(axis=0), color=COLOURS[index % len(COLOURS)], label=plain(str(kind)), linewidth=1.8
            )
        item.set_xlabel("step")
        item.set_ylabel(label)
    axes[0].set_yscale("log")
    legend(figure, axes[0])
    return Plot("curves", "Best loss so far, and distance to the mean code, over the steps; means by class.", figure)


def _sooner(rows: Sequence[Row]) -> Finding:
    faces, others = by_domain(rows)
    classes = {str(kind): mean(where(rows, **{"class": kind}), "plateau") for kind in distinct(rows, "class")}
    return Finding(
        "Faces flatten near step 1000 of 5000, cats, dogs and cars near 3000, paintings near 5000.",
        "M-hi",
        "faces flatten first",
        ", ".join(f"{kind} at {step:.0f}" for kind, step in sorted(classes.items(), key=lambda item: item[1])),
        mean(faces, "plateau") < mean(others, "plateau") if faces and others else None,
    )


def _flat(rows: Sequence[Row], steps: int) -> Finding:
    faces, _ = by_domain(rows)
    share = mean(faces, "plateau") / steps
    return Finding(
        "For faces a fifth of the steps is enough.",
        "M-hi",
        "a plateau in the first half of the steps",
        f"95 percent of the fall are done after {share:.0%} of the steps; within 5 percent of the last loss it is after"
        f" {mean(faces, 'near the last') / steps:.0%}",
        share < 0.5 if faces else None,
        f"Here {steps} steps stand for the paper's 5000; the rate is the higher for it.",
    )
