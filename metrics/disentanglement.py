"""DCI: whether each dimension of a code tells of one attribute, and each attribute is told by one.

Eastwood & Williams 2018, "A framework for the quantitative evaluation of disentangled representations", section 2.
"""

from dataclasses import dataclass

import numpy as np

from wplus.core.extras import load
from wplus.core.shapes import Attributes, Features


@dataclass(frozen=True, eq=False)
class DCI:
    """Three figures, each 1 at best.

    Args:
        disentanglement: 1 where no dimension tells of two attributes.
        completeness: 1 where no attribute is told by two dimensions.
        informativeness: share of the attributes' variance that is told, on codes that were not fitted; at least 0.
        importance: how much dimension i tells of attribute j, (dims, attributes), not negative.
    """

    disentanglement: float
    completeness: float
    informativeness: float
    importance: np.ndarray


def dci(codes: Features, attributes: Attributes, *, penalty: float = 0.01) -> DCI:
    """Fit every attribute by a lasso on two codes of three, and look at its weights; the third tells how well it fits.

    Args:
        codes: of Z, W, or StyleSpace, one row a picture.
        attributes: numbers or classifiers' scores; 0 and 1 will do.
        penalty: of the lasso, on codes and attributes of unit variance.

    Raises:
        ValueError: fewer than two dimensions or attributes or nine pictures, or an attribute that never varies.
    """
    linear = load("sklearn.linear_model")

    x, y = codes.double().cpu().numpy(), attributes.double().cpu().numpy()
    if min(x.shape[1], y.shape[1]) < 2 or len(x) < 9:
        raise ValueError(f"codes {x.shape} and attributes {y.shape} are too few for DCI")
    if not (y.std(axis=0) > 0).all():
        raise ValueError(f"attribute {int(np.argmin(y.std(axis=0)))} is the same for all pictures")
    x, y = _standard(x), _standard(y)
    held = np.arange(len(x)) % 3 == 2
    fit = linear.Lasso(alpha=penalty).fit(x[~held], y[~held])
    importance = np.abs(fit.coef_).T
    left = (y[held] - fit.predict(x[held])).var(axis=0) / y[held].var(axis=0)
    told = float(np.mean(np.clip(1 - left, 0, 1)))
    return DCI(purity(importance), purity(importance.T), told, importance)


def purity(importance: np.ndarray) -> float:
    """1 minus the entropy of each row, to the base of its length, weighted by the row's share of all importance.

    Of (dims, attributes) this is disentanglement, of its transpose completeness; 0 where nothing is important.

    Raises:
        ValueError: fewer than two columns, or a negative number.
    """
    if importance.ndim != 2 or importance.shape[1] < 2 or (importance < 0).any():
        raise ValueError(f"importance must be two-dimensional, of two columns or more, and not negative: {importance}")
    rows = importance.sum(axis=1, keepdims=True)
    if not rows.any():
        return 0.0
    shares = importance / np.where(rows > 0, rows, 1)
    entropy = -(shares * np.log(np.where(shares > 0, shares, 1))).sum(axis=1) / np.log(importance.shape[1])
    return float((rows[:, 0] / rows.sum()) @ (1 - entropy))


def _standard(x: np.ndarray) -> np.ndarray:
    """Columns of mean 0 and variance 1; a column that does not vary is 0."""
    deviation = x.std(axis=0)
    return (x - x.mean(axis=0)) / np.where(deviation > 0, deviation, 1)
