"""The free baseline: a decision threshold fitted on scores already paid for."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import log_softmax

from blackbox_dft._utils.folds import fold_numbers
from blackbox_dft._utils.types import Floats, Ints
from blackbox_dft.objectives.losses import lacks_score
from blackbox_dft.objectives.softmax_fit import Penalties, SoftmaxProblem

PENALTY = 0.1
"""Weight of the squared biases and logarithmic slope of a threshold, against the log likelihood of all images."""
MIN_PROBABILITY = 1e-9
"""Probabilities below this are raised to it, so that their logarithm is finite; a threshold may be that extreme."""


@dataclass(frozen=True, eq=False)
class Calibration:
    """A shift of the decision that costs no query: ``arg max (log p + bias)``.

    >>> Calibration(np.log([1.0, 4.0]))(np.array([[0.8, 0.2], [0.5, 0.5]])).round(3)
    array([[0.5, 0.5],
           [0.2, 0.8]])
    """

    bias: Floats
    """``(L,)``, added to the logarithms of the probabilities."""

    def __call__(self, probabilities: Floats) -> Floats:
        """Shifted probabilities ``(N, L)``, rows summing to 1; the rows of images without a score stay NaN."""
        return np.exp(log_softmax(np.log(np.clip(probabilities, MIN_PROBABILITY, 1)) + self.bias, axis=1))


def fit_threshold(probabilities: Floats, labels: Ints, weights: Floats | None = None) -> Calibration:
    """Fits the free baseline on ``probabilities (N, L)`` of unchanged images with true ``labels (N,)``.

    Images without a score (rows of NaN) are left out. ``weights (N,)`` say what an error on each image counts, 1 on the
    average; all count the same by default.

    One bias for each label and one slope for all, by penalised maximum likelihood (Platt 1999). The most accurate cut
    itself would be a worse baseline: what it gains by chance on a few dozen images it loses on others
    (``docs/research/research.md``).

    >>> second = np.array([0.1, 0.2, 0.3, 0.3, 0.4, 0.45])
    >>> probabilities = np.stack([1 - second, second], axis=1)
    >>> labels = np.array([0, 0, 0, 1, 1, 1])
    >>> fit_threshold(probabilities, labels)(probabilities).argmax(axis=1)
    array([0, 0, 0, 0, 1, 1])
    """
    scored = ~lacks_score(probabilities)
    used = scored.astype(np.float64) if weights is None else np.where(scored, weights, 0.0)
    return _fitted(probabilities, labels, used[None])[0]


def _fitted(probabilities: Floats, labels: Ints, weights: Floats) -> list[Calibration]:
    """A baseline for each row of ``weights (B, N)``; what has no score has weight 0."""
    rows = np.flatnonzero(weights.any(axis=0))
    if not len(rows):
        return [Calibration(np.zeros(probabilities.shape[1])) for _ in weights]
    problem = SoftmaxProblem(np.log(np.clip(probabilities[rows], MIN_PROBABILITY, 1)), labels[rows])
    # The penalty weighs less than one image; it keeps the bias finite if a label never occurs.
    found = problem.fit(weights[:, rows], Penalties(scale=PENALTY, bias=PENALTY))
    return [Calibration(bias / np.exp(scale)) for bias, scale in zip(found.bias, found.log_scale, strict=True)]


def cross_fitted(probabilities: Floats, labels: Ints, seed: int = 0, weights: Floats | None = None) -> Floats:
    """``probabilities (N, L)`` with the free baseline, each image by a threshold fitted on the others' folds.

    For images that all belong to the test: none may shift its own decision.

    >>> second = np.array([0.1, 0.2, 0.4, 0.45] * 10)  # all below 0.5: the first label for all
    >>> labels = np.array([0, 0, 1, 1] * 10)
    >>> shifted = cross_fitted(np.stack([1 - second, second], axis=1), labels)
    >>> float((shifted.argmax(axis=1) == labels).mean())
    1.0
    """
    folds = fold_numbers(len(labels), seed)
    shifted = np.array(probabilities)
    used = np.ones(len(labels)) if weights is None else weights
    used = np.where(lacks_score(probabilities), 0.0, used)
    numbers = np.arange(int(folds.max(initial=0)) + 1)
    if len(numbers) > 1:
        fitted = _fitted(probabilities, labels, np.where(folds == numbers[:, None], 0.0, used))
        for number, each in enumerate(fitted):
            shifted[folds == number] = each(probabilities[folds == number])
    return shifted
