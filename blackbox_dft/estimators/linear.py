"""A response surface for many coordinates: slopes from all pairs told so far, one curvature assumed for all."""

from __future__ import annotations

import numpy as np

from blackbox_dft.arrays import Floats

CURVATURE = 0.4
"""Assumed curvature over how much a loss differs within a pair, both a unit of z."""
CHUNK = 32
"""Neighbouring coordinates whose signal is judged together."""


class LinearModel:
    """The minimum of ``g u + c |u|^2 / 2`` with g learned from all pairs and c assumed.

    Under it a pair about the centre m tells of ``g + c m``, so the minimum is the mean of all centres less the mean of
    all slopes over c: a step of ``1 / (c t)`` by stochastic approximation (Robbins and Monro 1951), without forgetting.
    Directions of a proposal being orthogonal, the mean of ``slope x direction`` is the regression. It is mostly noise,
    so that runs of ``CHUNK`` coordinates are shrunk by how much of their square is signal (James and Stein 1961).
    """

    def __init__(self, start: Floats) -> None:
        self.minimum = np.array(start, np.float64)
        size = len(start)
        self._slopes, self._centres, self._noise = np.zeros(size), np.zeros(size), np.zeros(size)
        self._mass = self._square = self._weight = 0.0
        self._starts = np.arange(0, size, CHUNK)

    def tell(self, one: Floats, other: Floats, loss: Floats, loss_other: Floats, weights: Floats) -> None:
        """Pairs ``(P, k)`` and ``(P, k)``, their losses ``(P,)`` and what each image stands for ``(P,)``."""
        spans, differences = one - other, loss - loss_other
        masses = weights * (spans**2).mean(axis=1)
        pull = (weights * differences)[:, None] * spans
        self._slopes += pull.sum(axis=0)
        self._noise += (pull**2).sum(axis=0)
        self._centres += masses @ (one + other) / 2
        self._mass += float(masses.sum())
        self._square += float(weights @ differences**2)
        self._weight += float(weights.sum())
        if not self._mass or not self._square:
            return
        size = len(self.minimum)
        slopes, noise = self._slopes / self._mass, self._noise / self._mass**2
        squares = np.add.reduceat(slopes**2, self._starts)
        chance = np.add.reduceat(noise, self._starts)
        signal = np.repeat(np.maximum(0, 1 - chance / np.maximum(squares, 1e-300)), CHUNK)[:size]
        curvature = CURVATURE * np.sqrt(self._square / (self._mass * size))
        self.minimum = self._centres / self._mass - signal * slopes / curvature
