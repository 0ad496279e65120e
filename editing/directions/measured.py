"""Directions of whatever can be measured on pictures: a regression of the measures on codes, no classifier, no labels.

A measure y is regressed on whitened codes, y = b.w. Of all moves that change y by one unit and leave other measures
where they are, the likeliest is taken: C b / (b' C b), with the codes' covariance C and the part b of the measure's
weights that is orthogonal under C to those of the others; of a single measure this is the mean shift of codes given
the measure. Weights themselves, as InterFaceGAN's normals, ignore which moves codes make.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from wplus.core.direction import Direction
from wplus.core.errors import DirectionError
from wplus.core.shapes import AnyPicture
from wplus.editing.directions.making import Array, direction, flat
from wplus.models import Generator

RIDGE = 1e-2
"""Penalty on the weights of whitened codes, as a share of the number of codes."""

THIN = 1e-4
"""Principal axes of codes with less than this share of the largest variance are left out: encoders do not use them."""

HELD_OUT = 5
"""Every so many codes one is left out of a fit, to tell how well it predicts."""


@dataclass(frozen=True, eq=False)
class Regression:
    """Measures as linear functions of codes.

    Args:
        names: of the measures.
        root: (dims, axes), whitened coordinates to codes; root root' is the codes' covariance.
        weights: (axes, measures), of whitened codes.
        units: standard deviation of each measure; NaN for a label.
        between: (axes, measures), of a label what the mean whitened codes with and without it differ by; else 0.
        correlations: of each measure with its prediction, on codes that were left out of the fit.
    """

    names: tuple[str, ...]
    root: Array
    weights: Array
    units: Array
    between: Array
    correlations: Array

    def shift(self, name: str, *, held: Sequence[str] = (), amount: float | None = None) -> Array:
        """The likeliest move of codes (dims,) that changes one measure by its unit and no held one.

        Of a label the unit is as long as the way from the mean of those without to the mean of those with, in
        standard deviations of codes; of other measures it is one standard deviation of theirs.

        Args:
            name: of the measure.
            held: measures that stay.
            amount: the change, in the measure's own numbers; its unit if none.

        Raises:
            DirectionError: there is no such measure, or it cannot change while the others stay.
        """
        missing = [item for item in (name, *held) if item not in self.names]
        if missing:
            raise DirectionError(f"no measure is named '{missing[0]}'; they are {', '.join(self.names)}")
        index = self.names.index(name)
        weights = self.weights[:, index]
        others = self.weights[:, [self.names.index(item) for item in dict.fromkeys(held) if item != name]]
        own = weights - others @ np.linalg.lstsq(others, weights, rcond=None)[0]
        if own @ own < 1e-6 * (weights @ weights):
            raise DirectionError(f"'{name}' cannot change while {', '.join(held) or 'nothing'} stays")
        if amount is None:
            apart = (weights @ self.between[:, index]) / np.linalg.norm(weights)
            amount = apart * np.linalg.norm(own) if np.isnan(self.units[index]) else self.units[index]
        move: Array = self.root @ (own * amount / (own @ own))
        return move


def regress(codes: Tensor | Array, values: Mapping[str, Array], *, ridge: float = RIDGE) -> Regression:
    """Fit measures on codes; values that are not known are NaN.

    Args:
        codes: (n, w_dim), or (n, layers, w_dim) for directions that differ between layers.
        values: name -> one number a code; a measure that is only ever 0 or 1 counts as a label.
        ridge: penalty on the weights, as a share of n.

    Raises:
        DirectionError: a measure is known of too few codes, or is the same for all.
    """
    x = flat(codes)
    mean = x.mean(0)
    variances, axes = np.linalg.eigh(np.cov(x, rowvar=False))
    kept = variances > THIN * variances[-1]
    root: Array = axes[:, kept] * np.sqrt(variances[kept])
    whitened: Array = (x - mean) @ (axes[:, kept] / np.sqrt(variances[kept]))
    out = np.arange(len(x)) % HELD_OUT == HELD_OUT - 1
    weights, units, between, correlations = [], [], [], []
    for name, numbers in values.items():
        y = np.asarray(numbers, dtype=np.float64)
        known = np.isfinite(y)
        if known.sum() < 10 or not y[known].std() > 0:
            raise DirectionError(f"'{name}' is known of {known.sum()} codes, or the same for all of them")
        weights.append(_ridge(whitened[known], y[known], ridge))
        tried = _ridge(whitened[known & ~out], y[known & ~out], ridge)
        rest = known & out
        correlations.append(np.corrcoef(whitened[rest] @ tried, y[rest])[0, 1] if y[rest].std() > 0 else np.nan)
        label = bool(np.isin(y[known], (0, 1)).all())
        units.append(np.nan if label else float(y[known].std()))
        apart = whitened[y == 1].mean(0) - whitened[y == 0].mean(0) if label else np.zeros(whitened.shape[1])
        between.append(apart)
    columns = np.stack(weights, axis=1), np.array(units), np.stack(between, axis=1), np.array(correlations)
    return Regression(tuple(values), root, *columns)


def _ridge(x: Array, y: Array, ridge: float) -> Array:
    """Weights (axes,) of a ridge regression; the mean is not penalised."""
    centred: Array = x - x.mean(0)
    gram = centred.T @ centred
    gram[np.diag_indices_from(gram)] += ridge * len(x)
    weights: Array = np.linalg.solve(gram, centred.T @ (y - y.mean()))
    return weights


def measured(
    generator: Generator,
    measure: Callable[[AnyPicture], float],
    *,
    name: str,
    held: Mapping[str, Callable[[AnyPicture], float]] | None = None,
    count: int = 1000,
    psi: float = 0.9,
    unit: str = "one standard deviation",
) -> Direction:
    """The direction in W of a function picture -> number, from pictures that the generator draws.

    Args:
        generator: any with W.
        measure: of a picture (3, resolution, resolution) in [-1, 1]; NaN where it cannot tell.
        name: of the direction, and of the measure.
        held: further functions whose numbers are to stay.
        count: how many pictures are drawn, seeds 0, 1, ...
        psi: truncation; beyond it pictures are worse than those of photographs' codes.
        unit: what the direction's strength of 1 means, in words.

    Raises:
        DirectionError: the measure cannot tell enough pictures apart.
    """
    functions = {name: measure, **(held or {})}
    codes: list[Tensor] = []
    values: dict[str, list[float]] = {key: [] for key in functions}
    with torch.inference_mode():
        for seed in range(count):
            latent = generator.sample(seed, psi=psi)
            picture = generator(latent)[0].clamp(-1, 1).cpu()
            codes.append(latent.ws[0, 0].cpu())
            for key, function in functions.items():
                values[key].append(float(function(picture)))
    fit = regress(torch.stack(codes), {key: np.array(numbers) for key, numbers in values.items()})
    details = {"samples": count, "psi": psi, "held": list(held or {}), "correlation": round(fit.correlations[0], 3)}
    offset = fit.shift(name, held=list(held or {}))
    return direction(offset, generator, name=name, method="measured", measure=name, unit=unit, details=details)
