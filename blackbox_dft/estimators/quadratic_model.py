"""A local quadratic response surface for few coordinates, fitted to all pairs told so far."""

from __future__ import annotations

import numpy as np

from blackbox_dft._utils.types import Floats
from blackbox_dft.estimators.curvature import CurvatureFactor

LOSS_SCALE = 0.15
"""The priors below are for losses whose differences within a pair have this standard deviation, over sqrt(2)."""
SLOPE = 0.05
"""Prior standard deviation of a slope, a unit of z."""
CURVATURE = 0.03
"""Prior mean of the curvature in each coordinate, a unit of z squared: how far to trust a slope at first."""
RIGHT, LOST = 0.3, 0.5
"""Mean loss of the pairs nearby up to which that holds, and from which on only LEAST of it is assumed."""
LEAST = 0.25
DOUBT = 16
"""Pairs of a mean loss of RIGHT that are taken to have been told before the first."""
OWN, MIXED = 0.005, 0.001
"""Prior standard deviations of the curvature in each coordinate and between two of them."""
REACH = 2.0
"""Pairs count by a Gaussian of their distance to the estimate, with so many units in each coordinate."""
RATE = 0.04
"""How fast the prior curvature follows what pairs say of it, in its logarithm, a standard error."""
STRIDE = 0.5
"""Longest move of the estimate at once."""
GROWTH = 1.03
"""The surface is fitted anew when there are so many times the pairs of the last fit."""


class QuadraticModel:
    """Bayesian regression of losses on ``f(u) = a + g u + u' Q u / 2`` about the estimate, u in units of z.

    A pair gives two observations: its difference, in which all that is peculiar to the image cancels, and its mean,
    whose noise holds the spread between images. With normal priors the posterior mean is the ridge solution (Bishop
    2006, *Pattern Recognition and Machine Learning*, eq. 3.53 with a prior mean), and the estimate moves to its minimum
    within a trust region (Conn, Gould and Toint 2000, chapter 7).

    A bounded loss bends upwards where the model is mostly right and hardly where it guesses, far from the minimum, so
    that less curvature is assumed where losses are high.
    """

    def __init__(self, start: Floats) -> None:
        self.minimum = np.array(start, np.float64)
        size = len(start)
        self._upper = np.triu_indices(size)
        self._own = self._upper[0] == self._upper[1]
        self._one = self._other = np.empty((0, size))
        self._losses = np.empty((0, 2))
        self._weights = np.empty(0)
        self._fitted = 0
        self._start = self.minimum
        self._stretch = CurvatureFactor(RATE)

    def tell(self, one: Floats, other: Floats, loss: Floats, loss_other: Floats, weights: Floats) -> None:
        """Pairs ``(P, k)`` and ``(P, k)``, their losses ``(P,)`` and what each image stands for ``(P,)``."""
        self._stretch.tell(self.minimum - self._start, one - other, loss - loss_other, weights)
        self._one = np.concatenate([self._one, one])
        self._other = np.concatenate([self._other, other])
        self._losses = np.concatenate([self._losses, np.stack([loss, loss_other], axis=1)])
        self._weights = np.concatenate([self._weights, weights])
        if len(self._losses) >= GROWTH * self._fitted:
            self._fitted = len(self._losses)
            slope, curvature = self._fit()
            self.minimum = self.minimum + trust_region(slope, curvature, STRIDE)

    def _fit(self) -> tuple[Floats, Floats]:
        """Slope ``(k,)`` and curvature ``(k, k)`` at the estimate."""
        size = len(self.minimum)
        differences, means = self._losses[:, 0] - self._losses[:, 1], self._losses.mean(axis=1)
        weights = self._weights / self._weights.mean()
        level = float(weights @ means) / len(means)
        within = max(float((weights * differences**2).mean()), 1e-12)
        between = max(float((weights * (means - level) ** 2).mean()), 1e-12)
        one, other = self._one - self.minimum, self._other - self.minimum
        distance = (((one + other) / 2) ** 2 + ((one - other) / 2) ** 2).mean(axis=1)
        near = np.exp(-0.5 * distance / REACH**2)
        near[near < 0.02] = 0
        kept = near > 0
        one, other, near = one[kept], other[kept], near[kept] * weights[kept]
        ones, others = self._features(one), self._features(other)
        design = np.concatenate([ones - others, (ones + others) / 2])
        told = np.concatenate([differences[kept], means[kept]])
        precision = np.concatenate([near / within, near / between])
        scale = np.sqrt(within / 2) / LOSS_SCALE
        curvature = CURVATURE * self._stretch.factor * bent(near, means[kept]) * scale
        mean = np.concatenate([[level], np.zeros(size), np.where(self._own, curvature, 0)])
        spreads = np.concatenate([np.full(size, SLOPE), np.where(self._own, OWN, MIXED)]) * scale
        prior = np.concatenate([[0.01 / between], spreads**-2])
        normal = (design.T * precision) @ design + np.diag(prior)
        found = mean + np.linalg.solve(normal, design.T @ (precision * (told - design @ mean)))
        upper = np.zeros((size, size))
        upper[self._upper] = found[1 + size :]
        return found[1 : 1 + size], upper + upper.T - np.diag(np.diag(upper))

    def _features(self, u: Floats) -> Floats:
        squares = u[:, self._upper[0]] * u[:, self._upper[1]] * np.where(self._own, 0.5, 1)
        return np.concatenate([np.ones((len(u), 1)), u, squares], axis=1)


def bent(near: Floats, means: Floats) -> float:
    """The share of CURVATURE that pairs ``(P,)`` of such mean losses, which count by ``near``, leave to assume."""
    level = (float(near @ means) + DOUBT * RIGHT) / (float(near.sum()) + DOUBT)
    return min(1.0, max(LEAST, (LOST - level) / (LOST - RIGHT)))


def trust_region(slope: Floats, curvature: Floats, radius: float) -> Floats:
    """Minimises ``g u + u' Q u / 2`` over ``|u| <= radius`` by bisection on the multiplier, ``(k,)``."""
    values, vectors = np.linalg.eigh(curvature)
    along = vectors.T @ slope
    if values[0] > 0 and np.linalg.norm(along / values) <= radius:
        return np.asarray(-vectors @ (along / values))
    low = max(0.0, -float(values[0])) + 1e-12
    high = low + float(np.linalg.norm(along)) / radius + 1e-12
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if np.linalg.norm(along / (values + middle)) > radius else (low, middle)
    return np.asarray(-vectors @ (along / (values + high)))
