"""A response surface for many coordinates: slopes from all pairs told so far, one curvature for all."""

from __future__ import annotations

import numpy as np

from blackbox_dft._utils.types import Floats
from blackbox_dft.estimators.curvature import CurvatureFactor

CURVATURE = 0.4
"""Curvature assumed at first, over how much a loss differs within a pair, both a unit of z."""
RATE = 0.02
"""How fast that follows what pairs say of it, in its logarithm, a standard error."""


class LinearModel:
    """The minimum of ``g u + c |u|^2 / 2`` with g learned from all pairs, and c from the last ones.

    Under it a pair about the centre m tells of ``g + c m``, so the minimum is the mean of all centres less the mean of
    all slopes over c: a step of ``1 / (c t)`` by stochastic approximation (Robbins and Monro 1951), without forgetting.
    Directions of a proposal being orthogonal, the mean of ``slope x direction`` is the regression. It is mostly noise,
    so that it is shrunk by how much of its square is signal (James and Stein 1961). Where losses still fall along the
    way come so far, c was too great, and the other way round.
    """

    def __init__(self, start: Floats) -> None:
        self.minimum = np.array(start, np.float64)
        size = len(start)
        self._slopes, self._centres = np.zeros(size), np.zeros(size)
        self._noise = self._mass = self._square = 0.0
        self._start = self.minimum
        self._stretch = CurvatureFactor(RATE)

    def tell(self, one: Floats, other: Floats, loss: Floats, loss_other: Floats, weights: Floats) -> None:
        """Pairs ``(P, k)`` and ``(P, k)``, their losses ``(P,)`` and what each image stands for ``(P,)``."""
        spans, differences = one - other, loss - loss_other
        self._stretch.tell(self.minimum - self._start, spans, differences, weights)
        masses = weights * (spans**2).mean(axis=1)
        pull = (weights * differences)[:, None] * spans
        self._slopes += pull.sum(axis=0)
        self._noise += float((pull**2).sum())
        self._centres += masses @ (one + other) / 2
        self._mass += float(masses.sum())
        self._square += float(weights @ differences**2)
        if not self._mass or not self._square:
            return
        slopes, chance = self._slopes / self._mass, self._noise / self._mass**2
        signal = max(0.0, 1 - chance / max(float(slopes @ slopes), 1e-300))
        curvature = CURVATURE * self._stretch.factor * np.sqrt(self._square / (self._mass * len(slopes)))
        self.minimum = self._centres / self._mass - signal * slopes / curvature
