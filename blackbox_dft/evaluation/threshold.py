"""The free baseline: a decision threshold fitted on answers already paid for."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import log_softmax

from blackbox_dft._utils.types import Floats, Ints

PULL = 0.1
"""Weight of the squared biases and logarithmic slope of a threshold, against the log likelihood of all images."""

SMALLEST = 1e-9
"""Probabilities below this are taken for it, so that their logarithm is finite; a threshold may be that extreme."""


@dataclass(frozen=True, eq=False)
class Calibration:
    """A shift of the decision that costs no query: ``arg max (log p + bias)``."""

    bias: Floats

    def __call__(self, probabilities: Floats) -> Floats:
        """Shifted probabilities ``(N, L)``, rows summing to 1."""
        return np.exp(log_softmax(np.log(np.clip(probabilities, SMALLEST, 1)) + self.bias, axis=1))


def fit_threshold(probabilities: Floats, labels: Ints) -> Calibration:
    """The free baseline, fitted on ``probabilities (N, L)`` of unchanged images.

    One bias a label and one slope for all, by penalised maximum likelihood (Platt 1999). The most accurate cut itself
    would be a worse rival: what it gains by chance on a few dozen images it loses on others (``docs/research.md``).
    """
    # Takes longer to load than a small run takes, and much of what this module is read for has no threshold.
    from scipy.optimize import minimize

    logs = np.log(np.clip(probabilities, SMALLEST, 1))
    truth = np.eye(logs.shape[1])[labels]

    def loss(parameters: Floats) -> float:
        slope = np.exp(parameters[-1])
        likelihood = (log_softmax(logs * slope + parameters[:-1], axis=1) * truth).sum()
        # Less than one image says: it decides where a label never occurs.
        return float((PULL * (parameters**2).sum() - likelihood) / len(labels))

    found = minimize(loss, np.zeros(logs.shape[1] + 1), method="L-BFGS-B").x
    return Calibration(np.asarray(found[:-1] / np.exp(found[-1])))
