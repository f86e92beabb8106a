"""Loss functions: probabilities of the labels and the true labels to one loss for each image.

All take ``probabilities (N, L)`` and ``labels (N,)`` and give losses ``(N,)``. With ``p`` the probability of the true
label and ``q`` the greatest of the others, the margin is ``m = log p - log q``, the log-odds of the decision.
Probabilities are clamped to [1e-4, 1] first, so that scores rounded to two digits, or zero for all but the top classes,
keep every loss finite.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import numpy as np
from scipy.special import expit

from blackbox_dft._utils.types import Bools, Floats, Ints

Objective: TypeAlias = Callable[[Floats, Ints], Floats]
"""``probabilities (N, L)`` and ``labels (N,)`` to losses ``(N,)``."""

MIN_PROBABILITY = 1e-4
"""Probabilities below this are raised to it."""


def margin(probabilities: Floats, labels: Ints) -> Floats:
    """Log-odds of the true label against the strongest other, ``(N,)``; positive if the decision is right.

    >>> margin(np.array([[0.8, 0.2], [0.5, 0.5]]), np.array([1, 0])).round(4)
    array([-1.3863,  0.    ])
    """
    logs = np.log(np.clip(probabilities, MIN_PROBABILITY, 1))
    rows = np.arange(len(labels))
    true = logs[rows, labels]
    logs[rows, labels] = -np.inf
    return np.asarray(true - logs.max(axis=1), np.float64)


def cross_entropy(probabilities: Floats, labels: Ints) -> Floats:
    """``log(1 + exp(-m))``: unbounded, so a few hopeless images can dominate the search.

    >>> cross_entropy(np.array([[0.8, 0.2]]), np.array([0])).round(4)  # log(1 / 0.8)
    array([0.2231])
    """
    return np.logaddexp(0, -margin(probabilities, labels))


def brier(probabilities: Floats, labels: Ints) -> Floats:
    """Half the squared distance to the one-hot truth (Brier 1950); bounded by 1.

    >>> brier(np.array([[0.75, 0.25]]), np.array([0]))
    array([0.0625])
    """
    truth = np.eye(probabilities.shape[1])[labels]
    return np.asarray(((probabilities - truth) ** 2).sum(axis=1) / 2, np.float64)


def sigmoid_margin(probabilities: Floats, labels: Ints) -> Floats:
    """``1 / (1 + exp(m))``, a smooth zero-one loss; bounded by 1.

    >>> sigmoid_margin(np.array([[0.8, 0.2]]), np.array([0])).round(4)
    array([0.2])
    """
    return np.asarray(expit(-margin(probabilities, labels)), np.float64)


def hinge(probabilities: Floats, labels: Ints) -> Floats:
    """``max(0, 1 - m)``; unbounded.

    >>> hinge(np.array([[0.5, 0.5], [0.8, 0.2]]), np.array([0, 0]))
    array([1., 0.])
    """
    return np.maximum(0, 1 - margin(probabilities, labels))


def zero_one(probabilities: Floats, labels: Ints) -> Floats:
    """1 if the decision is wrong, else 0: the only loss for a target that returns labels without scores.

    >>> zero_one(np.array([[0.8, 0.2], [0.8, 0.2]]), np.array([0, 1]))
    array([0., 1.])
    """
    return np.asarray(decide(probabilities) != labels, np.float64)


def decide(probabilities: Floats) -> Ints:
    """The label of greatest probability, ``(N,)``; -1 for an image without a score (NaN) or a tie of all labels.

    A tie of some labels is decided for the first of them.

    >>> decide(np.array([[0.4, 0.6], [0.5, 0.5], [np.nan, np.nan]]))
    array([ 1, -1, -1])
    """
    decided = probabilities.max(axis=1) > probabilities.min(axis=1)
    return np.where(decided, probabilities.argmax(axis=1), -1)


def lacks_score(probabilities: Floats) -> Bools:
    """Which rows of ``probabilities (N, L)`` are of images without a score, ``(N,)``: ``OutputDecoder`` makes them NaN.

    >>> lacks_score(np.array([[0.5, 0.5], [np.nan, np.nan]]))
    array([False,  True])
    """
    return np.asarray(np.isnan(probabilities).any(axis=1), np.bool_)


def losses(objective: Objective, probabilities: Floats, labels: Ints) -> Floats:
    """Losses ``(N,)`` of an objective; an image without a score (a row of NaN) costs as much as a sure error.

    Otherwise a search could lower its loss by hiding images from the target.

    >>> losses(brier, np.array([[0.75, 0.25], [np.nan, np.nan]]), np.array([0, 0])).round(4)
    array([0.0625, 1.    ])
    """
    if not np.isnan(probabilities).any():
        return objective(probabilities, labels)
    missing = lacks_score(probabilities)[:, None]
    count = probabilities.shape[1]
    return objective(np.where(missing, np.eye(count)[(labels + 1) % count], probabilities), labels)
