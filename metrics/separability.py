"""Linear separability: whether attributes lie on either side of a plane of codes (Karras et al. 2019, section 4.2)."""

import math

import numpy as np

from wplus.core.extras import load
from wplus.core.shapes import Attributes, Features


def linear_separability(codes: Features, logits: Attributes, *, keep: float = 0.5) -> float:
    """The exponential of the sum over attributes of H(Y | X): what a linear classifier's answer X leaves open of Y.

    1 is best: every attribute is told by the side of a plane on which its code lies. The paper draws 200,000 codes,
    takes 40 attributes from CelebA's classifiers, and keeps the surer half; its figures are for just these.

    Args:
        codes: of Z or of W, one row a picture.
        logits: what a classifier says of the pictures; above 0 the attribute is there, far from 0 it is sure.
        keep: share of the pictures that is used for an attribute, those of which the classifier is surest.

    Raises:
        ValueError: a share outside (0, 1], or fewer than two pictures to keep.
    """
    if not 0 < keep <= 1 or round(keep * len(codes)) < 2:
        raise ValueError(f"of {len(codes)} pictures the share {keep} leaves too few")
    x, scores = codes.double().cpu().numpy(), logits.double().cpu().numpy()
    return math.exp(sum(_conditional_entropy(x, scores[:, index], keep) for index in range(scores.shape[1])))


def _conditional_entropy(x: np.ndarray, scores: np.ndarray, keep: float) -> float:
    """H(Y | X) in nats, of one attribute."""
    svm = load("sklearn.svm")

    surest = np.argsort(-np.abs(scores), kind="stable")[: round(keep * len(scores))]
    labels = scores[surest] > 0
    if labels.all() or not labels.any():
        return 0.0  # nothing is unknown
    said = svm.LinearSVC(dual=False, max_iter=10_000, random_state=0).fit(x[surest], labels).predict(x[surest])
    joint = np.array(
        [[np.mean((said == row) & (labels == column)) for column in (False, True)] for row in (False, True)]
    )
    told = joint.sum(axis=1, keepdims=True)
    nats = -joint * np.log(np.where(joint > 0, joint, 1) / np.where(told > 0, told, 1))
    return float(nats.sum())
