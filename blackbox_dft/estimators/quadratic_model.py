"""Quadratic response surface for few coordinates: Bayesian regression on all pairs so far, near the estimate."""

from __future__ import annotations

import math

import numpy as np

from blackbox_dft._utils.types import Floats
from blackbox_dft.estimators.curvature import CurvatureFactor
from blackbox_dft.estimators.quadratic_sums import QuadraticSums

LOSS_SCALE = 0.15
"""The priors below are for losses whose differences within a pair have this standard deviation, over sqrt(2)."""
SLOPE_SPREAD = 0.05
"""Prior standard deviation of a slope, for a unit of z."""
CURVATURE = 0.03
"""Prior mean of the curvature in each coordinate, for a unit of z squared: how far to trust a slope at first."""
DIAGONAL_SPREAD, MIXED_SPREAD = 0.005, 0.001
"""Prior standard deviations of the curvature in each coordinate, and between two of them."""
CURVATURE_RATE = 0.04
"""Change of the prior curvature's logarithm for each standard error of the slope from the start to the estimate."""

LOW_LOSS, HIGH_LOSS = 0.3, 0.5
"""Mean losses nearby: up to the first all of the prior curvature is assumed, from the second on its least share."""
MIN_CURVATURE_SHARE = 0.25
PRIOR_PAIRS = 16
"""The mean loss nearby is estimated as if that many pairs of LOW_LOSS had been told before the first."""

NEIGHBOURHOOD = 2.0
"""Pairs count by a Gaussian of their distance to the estimate: its standard deviation in each coordinate."""
MIN_NEARNESS = 0.02
"""Pairs that count less than this are left out."""
MIN_PROMISED_CURVATURE = 0.005
"""Curvature assumed at least for the gain that is promised: a flat surface would promise without end."""
MAX_MOVE = 0.5
"""Trust region: the longest move of the estimate in one fit."""
MAX_ITERATIONS = 60
"""Of Newton's method for a step to the edge of the trust region; six are usual."""
REFIT_GROWTH = 1.03
"""The surface is fitted again once there are this many times the pairs of the last fit."""


class QuadraticModel:
    """Bayesian regression of losses on ``f(u) = a + g u + u' Q u / 2`` about the estimate, u in units of z.

    A pair gives two observations: its difference, in which all that is peculiar to the image cancels, and its mean,
    whose noise holds the spread between images. With normal priors the posterior mean is the ridge solution (Bishop
    2006, *Pattern Recognition and Machine Learning*, eq. 3.53 with a prior mean), and the estimate moves to its minimum
    within a trust region (Conn, Gould and Toint 2000, chapter 7).

    A bounded loss is convex near its minimum and nearly flat far from it, where the model guesses; so less curvature is
    assumed if losses nearby are high (``curvature_share``), or still fall (``CurvatureFactor``).

    >>> model = QuadraticModel(np.zeros(1))
    >>> model.tell(np.array([[1.0]]), np.array([[-1.0]]), np.array([0.1]), np.array([0.3]), np.ones(1))
    >>> bool(0 < model.minimum[0] <= MAX_MOVE)
    True

    Args:
        start: first estimate ``(k,)``.
        flatness: divides the prior curvature.
    """

    def __init__(self, start: Floats, flatness: float = 1.0) -> None:
        self.minimum = np.array(start, np.float64)
        """Estimate of the minimum ``(k,)``."""
        size = len(start)
        self._sums = QuadraticSums(size, 0.5 / NEIGHBOURHOOD**2 / max(1, size), MIN_NEARNESS)
        self._upper = np.triu_indices(size)
        self._diagonal = self._upper[0] == self._upper[1]
        # Pairs told, pairs of the last fit, and those since: learned from all at once when the next fit is due.
        self._count = self._fitted = 0
        self._new: list[tuple[Floats, Floats, Floats, Floats, Floats]] = []
        self._weight = self._level = self._square = self._difference_square = 0.0
        """Sums of the weights of all pairs, and of those times mean losses, their squares and squared differences."""
        self._start = self.minimum
        self._curvature = CurvatureFactor(CURVATURE_RATE, 1 / flatness)
        self._posterior = np.empty((0, 0))
        """Posterior precision of the last fit."""
        self._promised_gain: float | None = math.inf
        """None if it is not computed yet since the last fit."""
        self._slope_left, self._fitted_curvature = np.zeros(size), np.zeros((size, size))
        """Slope at the estimate and curvature, by the last fit."""

    def tell(self, plus: Floats, minus: Floats, loss_plus: Floats, loss_minus: Floats, weights: Floats) -> None:
        """Learns from P pairs: candidates ``(P, k)`` on both sides, their losses ``(P,)``, image weights ``(P,)``."""
        self._new.append((plus, minus, loss_plus, loss_minus, weights))
        self._count += len(plus)
        if self._count < REFIT_GROWTH * self._fitted:
            return
        self._learn()
        self._fitted = self._count
        slope, curvature = self._fit()
        step = trust_region_step(slope, curvature, MAX_MOVE)
        self.minimum = self.minimum + step
        self._slope_left, self._fitted_curvature = slope + curvature @ step, curvature
        self._promised_gain = None

    @property
    def promised_gain(self) -> float:
        """Expected fall of the loss if the surface became known exactly; infinite before the first fit.

        Its minimum lies ``Q^-1 g`` from the estimate, lower by ``g' Q^-1 g / 2``: the expectation of that over the
        posterior of the slope g, the curvature Q being taken as fitted.
        """
        if self._promised_gain is None:
            # Asked after every step, and the same from one fit to the next.
            self._promised_gain = self._expected_gain()
        return self._promised_gain

    def _expected_gain(self) -> float:
        size = len(self.minimum)
        covariance = np.linalg.inv(self._posterior)[1 : 1 + size, 1 : 1 + size]
        values, vectors = np.linalg.eigh(self._fitted_curvature)
        squares = ((vectors.T @ covariance) * vectors.T).sum(axis=1) + (vectors.T @ self._slope_left) ** 2
        return float((squares / np.maximum(values, MIN_PROMISED_CURVATURE)).sum()) / 2

    def _fit(self) -> tuple[Floats, Floats]:
        """Slope ``(k,)`` and curvature ``(k, k)`` at the estimate."""
        size = len(self.minimum)
        sums = self._sums.about(self.minimum)
        # Weights are 1 on average.
        mean_weight, level = self._weight / self._count, self._level / self._weight
        within = max(self._difference_square / self._weight, 1e-12)
        between = max(self._square / self._weight - level**2, 1e-12)
        scale = np.sqrt(within / 2) / LOSS_SCALE
        share = curvature_share(sums.mass / mean_weight, sums.level / mean_weight)
        curvature = CURVATURE * self._curvature.factor * share * scale
        mean = np.concatenate([[level], np.zeros(size), np.where(self._diagonal, curvature, 0)])
        curvature_spreads = np.where(self._diagonal, DIAGONAL_SPREAD, MIXED_SPREAD)
        spreads = np.concatenate([np.full(size, SLOPE_SPREAD), curvature_spreads]) * scale
        prior = np.concatenate([[0.01 / between], spreads**-2])
        # Bishop 2006, eq. 3.54 and 3.53: posterior precision and mean, about the prior mean.
        parts = 1 / (mean_weight * within), 1 / (mean_weight * between)
        gram, moment = (parts[0] * of[0] + parts[1] * of[1] for of in (sums.gram, sums.moment))
        posterior = gram + np.diag(prior)
        self._posterior = posterior
        fitted = mean + np.linalg.solve(posterior, moment - gram @ mean)
        matrix = np.zeros((size, size))
        matrix[self._upper] = fitted[1 + size :]
        return fitted[1 : 1 + size], matrix + matrix.T - np.diag(np.diag(matrix))

    def _learn(self) -> None:
        """Adds the pairs told since the last fit to the sums; the estimate has been where it is since then."""
        sizes = [len(plus) for plus, *_ in self._new]
        plus, minus, loss_plus, loss_minus, weights = map(np.concatenate, zip(*self._new, strict=True))
        self._new.clear()
        differences, means = loss_plus - loss_minus, (loss_plus + loss_minus) / 2
        self._curvature.tell(self.minimum - self._start, plus - minus, differences, weights, sizes)
        self._weight += float(weights.sum())
        self._level += float(weights @ means)
        self._square += float(weights @ means**2)
        self._difference_square += float(weights @ differences**2)
        self._sums.add(plus, minus, differences, means, weights)


def curvature_share(pairs: float, losses: float) -> float:
    """Share of the prior curvature to assume, given the number of pairs nearby and the sum of their mean losses.

    >>> curvature_share(1000, 200), curvature_share(1000, 900)
    (1.0, 0.25)
    """
    level = (losses + PRIOR_PAIRS * LOW_LOSS) / (pairs + PRIOR_PAIRS)
    return min(1.0, max(MIN_CURVATURE_SHARE, (HIGH_LOSS - level) / (HIGH_LOSS - LOW_LOSS)))


def trust_region_step(slope: Floats, curvature: Floats, radius: float) -> Floats:
    """Minimises ``g u + u' Q u / 2`` over ``|u| <= radius``, ``(k,)``.

    On the edge, the multiplier that gives a step of that length is found by Newton's method on ``1 / length``, from
    below, as Moré and Sorensen 1983 do ("Computing a trust region step", section 3).

    >>> trust_region_step(np.array([-1.0, 0.0]), np.eye(2) * 2, radius=9.0)
    array([0.5, 0. ])
    >>> trust_region_step(np.array([-1.0, 0.0]), np.eye(2) * 2, radius=0.25).round(6)
    array([0.25, 0.  ])
    """
    values, vectors = np.linalg.eigh(curvature)
    along = vectors.T @ slope
    if values[0] > 0 and np.linalg.norm(along / values) <= radius:
        return np.asarray(-vectors @ (along / values))
    pairs = list(zip(along.tolist(), values.tolist(), strict=True))
    lowest = float(values[0])
    multiplier = max(0.0, -lowest) + 1e-12 * max(1.0, abs(lowest))
    for _ in range(MAX_ITERATIONS):
        steps = [part / (value + multiplier) for part, value in pairs]
        if (length := math.hypot(*steps)) <= radius:
            break
        slope_of_length = sum(
            step * (step / (value + multiplier)) for step, (_, value) in zip(steps, pairs, strict=True)
        )
        before, multiplier = multiplier, multiplier + (length / radius - 1) * length * (length / slope_of_length)
        if multiplier <= before:
            break
    return np.asarray(-vectors @ (along / (values + multiplier)))
