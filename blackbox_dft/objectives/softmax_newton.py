"""Newton's method for softmax models, many at once, with the curvature expected under the model (Fisher scoring).

The numbers of a model are s and ``C (M, D)``, its logits ``exp(s) u + Q C x`` with logarithms of probabilities u and
inputs x. Columns of ``Q (L, M)`` sum to 0: what is added to all labels changes nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np
from typing_extensions import override

from blackbox_dft._utils.types import Bools, Floats, Ints

MAX_CHANGE = 2.0
"""Of s, in one step."""
MAX_HALVINGS = 10
"""Of a step that does not lower the loss enough."""
SUFFICIENT = 1e-4
"""Share of the fall that the slope promises which is enough (Armijo 1966)."""
MIN_PROGRESS = 0.1
"""Of what a step promised, the most that the next one may promise if it uses the same curvature."""


class Likelihood(Protocol):
    """Negative log likelihoods of B models with numbers ``(B, P)``: s, and then C."""

    def evaluate(self, values: Floats) -> tuple[Floats, Floats]:
        """Losses ``(B,)``, and probabilities that the other two take."""
        ...

    def slope(self, probabilities: Floats) -> Floats:
        """By exp(s) and C, ``(B, P)``."""
        ...

    def curvature(self, probabilities: Floats) -> Floats:
        """Expected, by exp(s) and C, ``(B, P, P)``."""
        ...


def newton(
    likelihood: Likelihood,
    of_scale: float | None,
    of_coefficients: Floats,
    values: Floats,
    *,
    steps: int,
    tolerance: float,
) -> Floats:
    """``values (B, P)`` moved to where the penalised losses are least.

    Args:
        likelihood: of the models.
        of_scale: penalty of s^2; None if s stays what it is.
        of_coefficients: penalties of the squares of C, ``(P - 1,)``.
        values: where to begin.
        steps: at most.
        tolerance: what a last step promises, relative to the loss; it ends far closer.
    """
    penalised = _Penalised(likelihood, of_scale, np.concatenate([[of_scale or 0.0], of_coefficients]))
    loss, probabilities = penalised.evaluate(values)
    before, curvature = np.zeros(len(values)), np.zeros(0)
    for _ in range(steps):
        slope = penalised.slope(values, probabilities)
        change, promised = _step(curvature, slope) if curvature.size else (slope, before)
        # Twice what is still to be gained.
        ended = promised <= tolerance * loss
        if not curvature.size or not (ended | (promised < MIN_PROGRESS * before)).all():
            curvature = penalised.curvature(values, probabilities, slope)
            change, promised = _step(curvature, slope)
            ended = promised <= tolerance * loss
        values, loss, probabilities, stuck = _stepped(penalised, values, loss, change, promised)
        if (ended | stuck).all():
            break
        before = promised
    return values


def _step(curvature: Floats, slope: Floats) -> tuple[Floats, Floats]:
    """Changes ``(B, P)``, and by how much their losses would fall if they did not curve, ``(B,)``."""
    change = -np.linalg.solve(curvature, slope[..., None])[..., 0]
    change *= np.minimum(1, MAX_CHANGE / np.maximum(np.abs(change[:, :1]), MAX_CHANGE))
    return np.asarray(change, np.float64), np.asarray(-(slope * change).sum(axis=1), np.float64)


def _stepped(
    penalised: _Penalised, values: Floats, loss: Floats, change: Floats, promised: Floats
) -> tuple[Floats, Floats, Floats, Bools]:
    """A step by ``change (B, P)``, or a part of it, to lower losses; and which models made none."""
    step = np.ones(len(values))
    for _ in range(MAX_HALVINGS):
        tried = values + step[:, None] * change
        lowered, probabilities = penalised.evaluate(tried)
        # Near the end both are the same but for rounding.
        good = lowered <= loss * (1 + 1e-12) - SUFFICIENT * step * promised
        if good.all():
            return tried, lowered, probabilities, ~good
        step[~good] /= 2
    tried = np.where(good[:, None], tried, values)
    return tried, *penalised.evaluate(tried), ~good


@dataclass(frozen=True, eq=False)
class _Penalised:
    """Losses with penalties, by s in place of exp(s)."""

    likelihood: Likelihood
    of_scale: float | None
    penalties: Floats
    """Of the squares of all numbers, ``(P,)``."""

    def evaluate(self, values: Floats) -> tuple[Floats, Floats]:
        losses, probabilities = self.likelihood.evaluate(values)
        return losses + (values**2) @ self.penalties, probabilities

    def slope(self, values: Floats, probabilities: Floats) -> Floats:
        slope = self.likelihood.slope(probabilities)
        slope[:, 0] *= 0.0 if self.of_scale is None else np.exp(values[:, 0])
        return np.asarray(slope + 2 * self.penalties * values, np.float64)

    def curvature(self, values: Floats, probabilities: Floats, slope: Floats) -> Floats:
        curvature = self.likelihood.curvature(probabilities)
        if self.of_scale is None:
            curvature[:, 0] = curvature[:, :, 0] = 0
            curvature[:, 0, 0] = 1.0
        else:
            scale = np.exp(values[:, :1])
            curvature[:, 0] *= scale
            curvature[:, :, 0] *= scale
            # The exponential curves too, but only what keeps the whole convex is taken.
            own = slope[:, 0] - 2 * self.of_scale * values[:, 0]
            curvature[:, 0, 0] += np.maximum(own, -self.of_scale)
        return np.asarray(curvature + 2 * np.diag(self.penalties), np.float64)


@dataclass(frozen=True, eq=False)
class _Answers:
    """What models are fitted to."""

    logs: Floats
    """u, ``(L, N)``."""
    labels: Ints
    """``(N,)``."""
    inputs: Floats
    """x, ``(N, D)``."""
    basis: Floats
    """Q, ``(L, M)``."""
    weights: Floats
    """What each answer counts to each model, ``(B, N)``."""


@dataclass(frozen=True, eq=False)
class TwoLabels(_Answers, Likelihood):
    """Of two labels, the logit of the true one less the other's says all; probabilities are those of the other."""

    @cached_property
    def _design(self) -> Floats:
        """What exp(s) and C are multiplied by, ``(N, 1 + D)``."""
        sign = np.where(self.labels == 0, 1.0, -1.0)
        apart = self.basis[0] - self.basis[1]
        return np.hstack([((self.logs[0] - self.logs[1]) * sign)[:, None], self.inputs * (sign * apart)[:, None]])

    @override
    def evaluate(self, values: Floats) -> tuple[Floats, Floats]:
        factors = values.copy()
        factors[:, 0] = np.exp(values[:, 0])
        margins = factors @ self._design.T
        powers = np.exp(-np.abs(margins))
        # log(1 + exp(-margin)), and the probability of the other label.
        losses = np.log1p(powers) - np.minimum(margins, 0)
        wrong = np.where(margins < 0, 1.0, powers) / (1 + powers)
        return (losses * self.weights).sum(axis=1), wrong

    @override
    def slope(self, probabilities: Floats) -> Floats:
        return -(probabilities * self.weights) @ self._design

    @override
    def curvature(self, probabilities: Floats) -> Floats:
        weighted = probabilities * (1 - probabilities) * self.weights
        return np.asarray(np.matmul(self._design.T, weighted[:, :, None] * self._design))


@dataclass(frozen=True, eq=False)
class ManyLabels(_Answers, Likelihood):
    """Of any number of labels; probabilities are those of all, ``(B, L, N)``."""

    @cached_property
    def _own_places(self) -> Ints:
        """Where in an array ``(L, N)`` the true label of each answer is."""
        return np.asarray(self.labels * len(self.labels) + np.arange(len(self.labels)))

    @cached_property
    def _rows(self) -> Floats:
        """``inputs`` with answers along the rows of memory, ``(D, N)``."""
        return np.ascontiguousarray(self.inputs.T)

    @cached_property
    def _pairs(self) -> Floats:
        """Products of any two of ``inputs``, ``(N, D D)``."""
        return np.asarray((self.inputs[:, :, None] * self.inputs[:, None, :]).reshape(len(self.inputs), -1))

    @override
    def evaluate(self, values: Floats) -> tuple[Floats, Floats]:
        logits = np.exp(values[:, :1, None]) * self.logs
        if self.inputs.shape[1]:
            coefficients = values[:, 1:].reshape(len(values), self.basis.shape[1], -1)
            logits += np.matmul(np.matmul(self.basis, coefficients), self.inputs.T)
        logits -= logits.max(axis=1, keepdims=True)
        own = logits.reshape(len(values), -1)[:, self._own_places]
        powers = np.exp(logits, out=logits)
        sums = powers.sum(axis=1)
        loss = ((np.log(sums) - own) * self.weights).sum(axis=1)
        powers /= sums[:, None, :]
        return loss, powers

    @override
    def slope(self, probabilities: Floats) -> Floats:
        weighted = probabilities * self.weights[:, None, :]
        weighted.reshape(len(probabilities), -1)[:, self._own_places] -= self.weights
        # Without a copy of all probabilities, of which there may be millions.
        by_scale = np.einsum("bln,ln->b", weighted, self.logs)
        by_coefficients = np.matmul(self.basis.T, np.matmul(weighted, self.inputs))
        return np.concatenate([by_scale[:, None], by_coefficients.reshape(len(probabilities), -1)], axis=1)

    @override
    def curvature(self, probabilities: Floats) -> Floats:
        weighted = probabilities * self.weights[:, None, :]
        means = np.einsum("bln,ln->bn", probabilities, self.logs)
        spread = np.einsum("bln,ln,ln->b", weighted, self.logs, self.logs) - (means**2 * self.weights).sum(axis=1)
        numbers = 1 + self.basis.shape[1] * self.inputs.shape[1]
        curvature = np.empty((len(probabilities), numbers, numbers))
        curvature[:, 0, 0] = spread
        if numbers > 1:
            apart = weighted * (self.logs - means[:, None])
            with_scale = np.matmul(self.basis.T, np.matmul(apart, self.inputs))
            curvature[:, 0, 1:] = curvature[:, 1:, 0] = with_scale.reshape(len(probabilities), -1)
            curvature[:, 1:, 1:] = self._of_coefficients(probabilities, weighted)
        return curvature

    def _of_coefficients(self, probabilities: Floats, weighted: Floats) -> Floats:
        """Curvatures of C, ``(B, M D, M D)``: of the logits diag(p) - p p^T, times all products of two inputs."""
        count, given, reduced = len(weighted), self.inputs.shape[1], self.basis.shape[1]
        own = np.matmul(weighted, self._pairs).reshape(count, -1, given * given)
        products = (self.basis[:, :, None] * self.basis[:, None, :]).reshape(len(self.basis), -1)
        diagonal = np.matmul(products.T, own).reshape(count, reduced, reduced, given, given)
        curvature = diagonal.transpose(0, 1, 3, 2, 4).reshape(count, reduced * given, -1)
        means = np.matmul(self.basis.T, probabilities) * np.sqrt(self.weights)[:, None, :]
        spread = np.empty((reduced, given, len(self.labels)))
        for each, mean in zip(curvature, means, strict=True):
            np.multiply(mean[:, None], self._rows, out=spread)
            flat = spread.reshape(reduced * given, -1)
            # One at a time, as numpy sees only then that half of the product is enough.
            each -= flat @ flat.T
        return np.asarray(curvature)
