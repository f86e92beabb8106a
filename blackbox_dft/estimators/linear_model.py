"""Linear response surface for many coordinates: slopes from all pairs so far, one curvature for all."""

from __future__ import annotations

import math

import numpy as np

from blackbox_dft._utils.types import Floats
from blackbox_dft.estimators.curvature import CurvatureFactor

CURVATURE = 0.4
"""Curvature assumed at first, over how much a loss differs within a pair, both for a unit of z."""
CURVATURE_RATE = 0.02
"""Change of the curvature's logarithm for each standard error of the slope from the start to the estimate."""


class LinearModel:
    """The minimum of ``g u + c |u|^2 / 2`` with g learned from all pairs, and c from the last ones.

    Under it a pair about the centre m has the slope ``g + c m``, so the minimum is the mean of all centres minus the
    mean of all slopes over c: a step of ``1 / (c t)`` by stochastic approximation (Robbins and Monro 1951), which
    forgets nothing. As directions of a proposal are orthogonal, the mean of ``slope x direction`` is the regression. It
    is mostly noise, so it is shrunk by how much of its square is signal (James and Stein 1961). ``CurvatureFactor``
    lowers c while losses still fall along the displacement from the start to the estimate, and raises it otherwise.

    >>> model = LinearModel(np.zeros(1))
    >>> model.tell(np.array([[1.0]]), np.array([[-1.0]]), np.array([1.0]), np.array([5.0]), np.ones(1))
    >>> bool(model.minimum[0] >= 0)
    True

    Args:
        start: first estimate ``(k,)``.
    """

    def __init__(self, start: Floats) -> None:
        self.minimum = np.array(start, np.float64)
        """Estimate of the minimum ``(k,)``."""
        self.promised_gain = math.inf
        """Expected fall of the loss if the slopes became known exactly, as far as they are signal (James and Stein);
        infinite before the first pair."""
        size = len(start)
        self._slopes, self._centres = np.zeros(size), np.zeros(size)
        self._noise = self._mass = self._square = 0.0
        self._start = self.minimum
        self._curvature = CurvatureFactor(CURVATURE_RATE)

    def tell(self, plus: Floats, minus: Floats, loss_plus: Floats, loss_minus: Floats, weights: Floats) -> None:
        """Learns from P pairs: candidates ``(P, k)`` on both sides, their losses ``(P,)``, image weights ``(P,)``."""
        spans, differences = plus - minus, loss_plus - loss_minus
        self._curvature.tell(self.minimum - self._start, spans, differences, weights)
        masses = weights * (spans**2).mean(axis=1)
        pull = (weights * differences)[:, None] * spans
        self._slopes += pull.sum(axis=0)
        self._noise += float((pull**2).sum())
        self._centres += masses @ (plus + minus) / 2
        self._mass += float(masses.sum())
        self._square += float(weights @ differences**2)
        if not self._mass or not self._square:
            return
        slopes, chance = self._slopes / self._mass, self._noise / self._mass**2
        # James and Stein 1961 (positive part): what exceeds the square expected of noise alone.
        signal = max(0.0, 1 - chance / max(float(slopes @ slopes), 1e-300))
        curvature = CURVATURE * self._curvature.factor * np.sqrt(self._square / (self._mass * len(slopes)))
        self.minimum = self._centres / self._mass - signal * slopes / curvature
        self.promised_gain = float(signal * chance / curvature) / 2
