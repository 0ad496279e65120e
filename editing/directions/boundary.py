"""Directions from labels or scores: the normal of the plane between two classes of codes (Shen et al. 2020).

InterFaceGAN (arXiv 2005.09635, section 3) takes the surest of either side and a linear support vector machine; linear
discriminant analysis and the difference of the means are the cheaper ways to such a plane. The length of the direction
is the distance of the two classes' means along the normal, so that a strength of 1 leads from one to the other.
"""

from typing import Literal

import numpy as np
from torch import Tensor

from wplus.core.errors import DirectionError
from wplus.editing.directions.making import Array, flat

Kind = Literal["svm", "lda", "mean"]

EXTREMES = 0.02
"""Share of the codes that is taken from either end of scores (the paper's)."""


def boundary(
    codes: Tensor | Array, scores: Array, *, kind: Kind = "svm", extremes: float = EXTREMES, cost: float = 1e-3
) -> Array:
    """The offset of codes (dims,) from the class without to the class with.

    Args:
        codes: (n, w_dim) or (n, layers, w_dim).
        scores: one a code: 0 and 1 for labels, or numbers of which the highest and lowest are taken; NaN: unknown.
        kind: "svm", a linear support vector machine; "lda", linear discriminant analysis; "mean", the difference of
            the means itself.
        extremes: share of the codes at either end that counts, of scores; labels count all.
        cost: C of the support vector machine, on codes of unit variance.

    Raises:
        DirectionError: fewer than two codes on a side.
    """
    x, y = flat(codes), np.asarray(scores, dtype=np.float64)
    known = np.isfinite(y)
    x, y = x[known], y[known]
    if np.isin(y, (0, 1)).all():
        with_it, without = x[y == 1], x[y == 0]
    else:
        count = max(2, round(extremes * len(y)))
        order = np.argsort(y, kind="stable")
        with_it, without = x[order[-count:]], x[order[:count]]
    if min(len(with_it), len(without)) < 2:
        raise DirectionError(f"a boundary needs two codes on either side, got {len(without)} and {len(with_it)}")
    between: Array = with_it.mean(0) - without.mean(0)
    if kind == "mean":
        return between
    normal = _normal(
        np.concatenate([without, with_it]), np.repeat([0.0, 1.0], [len(without), len(with_it)]), kind, cost
    )
    normal /= np.linalg.norm(normal)
    offset: Array = normal * (normal @ between)
    return offset


def _normal(x: Array, labels: Array, kind: Kind, cost: float) -> Array:
    """The normal of the plane, of any length; codes are scaled to unit variance as a whole, not each number."""
    scale = float(np.sqrt(x.var(0).mean())) or 1.0
    if kind == "lda":
        from sklearn.discriminant_analysis import LinearDiscriminantAnalysis  # here, not above: few need it

        found = LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto").fit(x / scale, labels)
    else:
        from sklearn.svm import LinearSVC

        found = LinearSVC(C=cost, class_weight="balanced", dual=False, max_iter=10_000, random_state=0)
        found.fit((x - x.mean(0)) / scale, labels)
    normal: Array = np.array(found.coef_[0], dtype=np.float64)
    return normal


def conditional(offset: Array, others: Array) -> Array:
    """The offset without what lies along others (n, dims): it then crosses no other boundary (section 3.2)."""
    basis, _ = np.linalg.qr(np.atleast_2d(others).T)
    left: Array = offset - basis @ (basis.T @ offset)
    if np.linalg.norm(left) < 1e-6 * np.linalg.norm(offset):
        raise DirectionError("nothing is left of a direction beside those that it must be orthogonal to")
    return left
