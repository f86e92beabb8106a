"""What is minimised: probabilities of the labels and the true ones to one loss an image.

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

from blackbox_dft._utils.types import Floats, Ints

Objective: TypeAlias = Callable[[Floats, Ints], Floats]

FLOOR = 1e-4
"""Least probability a loss believes in."""


def margin(probabilities: Floats, labels: Ints) -> Floats:
    """Log-odds of the true label against the strongest other, ``(N,)``; positive where the decision is right."""
    logs = np.log(np.clip(probabilities, FLOOR, 1))
    rows = np.arange(len(labels))
    true = logs[rows, labels]
    logs[rows, labels] = -np.inf
    return np.asarray(true - logs.max(axis=1), np.float64)


def cross_entropy(probabilities: Floats, labels: Ints) -> Floats:
    """``log(1 + exp(-m))``: unbounded, so a few hopeless images can lead the search astray."""
    return np.logaddexp(0, -margin(probabilities, labels))


def brier(probabilities: Floats, labels: Ints) -> Floats:
    """Half the squared distance to the one-hot truth (Brier 1950); bounded by 1."""
    truth = np.eye(probabilities.shape[1])[labels]
    return np.asarray(((probabilities - truth) ** 2).sum(axis=1) / 2, np.float64)


def sigmoid_margin(probabilities: Floats, labels: Ints) -> Floats:
    """``1 / (1 + exp(m))``, the zero-one loss made smooth; bounded by 1."""
    return np.asarray(expit(-margin(probabilities, labels)), np.float64)


def hinge(probabilities: Floats, labels: Ints) -> Floats:
    """``max(0, 1 - m)``."""
    return np.maximum(0, 1 - margin(probabilities, labels))


def zero_one(probabilities: Floats, labels: Ints) -> Floats:
    """1 where the decision is wrong: all that a target which answers labels only can tell."""
    return np.asarray(decide(probabilities) != labels, np.float64)


def decide(probabilities: Floats) -> Ints:
    """The label of greatest probability, ``(N,)``; the first of equals."""
    return np.asarray(probabilities.argmax(axis=1), np.int64)
