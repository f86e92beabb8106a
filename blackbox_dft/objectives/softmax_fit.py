"""Penalised maximum likelihood of softmax models, many at once: the fits behind output maps, temperatures, thresholds.

With ``u (N, L)`` logarithms of probabilities and ``f (N, K)`` features, whose rows sum to 0, a model is::

    log q = log_softmax(exp(s) u + W f + b)

Models of the same answers that weigh them differently, such as those of the folds of a cross-validation, are fitted
together: small arrays cost calls, not arithmetic. Few numbers are found by Newton's method, with the curvature that is
expected under the model itself (Fisher scoring), many by L-BFGS. Adding the same to all labels changes no ``q``, and
penalties keep it out, so that Newton's method looks for ``L - 1`` numbers in place of ``L``, and ``K - 1`` in place of
``K``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np

from blackbox_dft._utils.types import Floats, Ints
from blackbox_dft.objectives.softmax_newton import ManyLabels, TwoLabels, newton

MAX_NEWTON = 128
"""Numbers that Newton's method looks for; with more the curvature costs more than steps without it."""
MAX_TOGETHER = 2**22
"""Logits that are held at a time to fit several models together."""
MAX_STEPS, TOLERANCE = 25, 1e-6
"""Of both methods, relative in the loss; a step of Newton's method from less than that away ends far closer."""


@dataclass(frozen=True)
class Penalties:
    """Factors of s^2, |b|^2 and |W|^2, against the log likelihood summed over all answers; ``None``: it stays 0."""

    scale: float | None = None
    bias: float | None = None
    weights: float | None = None


@dataclass(frozen=True, eq=False)
class Models:
    """B models."""

    log_scale: Floats
    """s, ``(B,)``."""
    bias: Floats
    """b, ``(B, L)``."""
    weights: Floats
    """W, ``(B, L, K)``."""

    @classmethod
    def plain(cls, count: int, labels: int, features: int = 0) -> Models:
        """All numbers 0."""
        return cls(np.zeros(count), np.zeros((count, labels)), np.zeros((count, labels, features)))

    @classmethod
    def joined(cls, models: Sequence[Models]) -> Models:
        """All of them."""
        parts = zip(*((each.log_scale, each.bias, each.weights) for each in models), strict=True)
        return cls(*(np.concatenate(part) for part in parts))

    def some(self, numbers: slice) -> Models:
        """Some of them."""
        return Models(self.log_scale[numbers], self.bias[numbers], self.weights[numbers])

    def mean(self) -> Models:
        """One model between all."""
        return Models(*(part.mean(axis=0, keepdims=True) for part in (self.log_scale, self.bias, self.weights)))


@dataclass(frozen=True, eq=False)
class SoftmaxProblem:
    """Answers to fit models to.

    >>> logs = np.log([[0.9, 0.1], [0.8, 0.2], [0.7, 0.3], [0.6, 0.4]])  # always the first label
    >>> problem = SoftmaxProblem(logs, np.array([0, 0, 1, 1]))
    >>> found = problem.fit(np.ones((1, 4)), Penalties(bias=0.01))
    >>> (logs + found.bias[0]).argmax(axis=1)
    array([0, 0, 1, 1])
    """

    logs: Floats
    """u, ``(N, L)``."""
    labels: Ints
    """The true ones, ``(N,)``."""
    features: Floats | None = None
    """f, ``(N, K)``; none by default."""

    def fit(self, weights: Floats, penalties: Penalties, start: Models | None = None) -> Models:
        """The models of greatest penalised likelihood.

        Args:
            weights: what each answer counts to each model, ``(B, N)``; 0 if it is held out.
            penalties: of all models.
            start: where to begin, such as models of stronger penalties; by default at 0.
        """
        labels, features = self.logs.shape[1], 0 if self.features is None else self.features.shape[1]
        start = start or Models.plain(len(weights), labels, features)
        if labels < 2:
            # Sure of it, whatever the numbers are.
            return start
        if len(weights) > 1 and weights.size * labels > MAX_TOGETHER:
            each = [slice(number, number + 1) for number in range(len(weights))]
            return Models.joined([self.fit(weights[one], penalties, start.some(one)) for one in each])
        if len(weights) == 1 and not weights.all():
            rows = np.flatnonzero(weights[0])
            return self.at(rows).fit(weights[:, rows], penalties, start)
        numbers = (penalties.scale is not None) + (labels - 1) * (
            (penalties.bias is not None) + (features - 1) * (penalties.weights is not None)
        )
        return (self._newton if numbers <= MAX_NEWTON else self._lbfgs)(weights, penalties, start)

    def at(self, rows: Ints) -> SoftmaxProblem:
        """Some of the answers."""
        features = None if self.features is None else self.features[rows]
        return SoftmaxProblem(self.logs[rows], self.labels[rows], features)

    def log_likelihoods(self, models: Models, of_model: Ints) -> Floats:
        """``log q`` of the true label of each answer ``(N,)``, under the model with the number ``of_model (N,)``."""
        logits = np.exp(models.log_scale)[of_model, None] * self.logs + models.bias[of_model]
        if self.features is not None and models.weights.any():
            for number in np.unique(of_model).tolist():
                rows = np.flatnonzero(of_model == number)
                logits[rows] += self.features[rows] @ models.weights[number].T
        logits -= logits.max(axis=1, keepdims=True)
        own = logits[np.arange(len(logits)), self.labels]
        return np.asarray(own - np.log(np.exp(logits, out=logits).sum(axis=1)))

    @cached_property
    def _across(self) -> Floats:
        """``logs`` with answers along the rows of memory: sums over the few labels are then several times faster."""
        return np.ascontiguousarray(self.logs.T)

    @cached_property
    def _inputs(self) -> Floats:
        """1 and the features in ``K - 1`` numbers, ``(N, K)``."""
        ones = np.ones((len(self.logs), 1))
        return ones if self.features is None else np.hstack([ones, self.features @ _basis(self.features.shape[1])])

    def _newton(self, weights: Floats, penalties: Penalties, start: Models) -> Models:
        across, count = _basis(self.logs.shape[1]), len(weights)
        first, last = int(penalties.bias is None), 1 if penalties.weights is None else self._inputs.shape[1]
        inputs = self._inputs[:, first:last]
        along = _basis(start.weights.shape[2])
        coefficients = np.concatenate([start.bias[..., None], start.weights @ along], axis=2)[:, :, first:last]
        values = newton(
            (TwoLabels if len(across) == 2 else ManyLabels)(self._across, self.labels, inputs, across, weights),
            penalties.scale,
            np.tile([penalties.bias or 0.0, *[penalties.weights or 0.0] * (last - 1)][first:], across.shape[1]),
            np.concatenate([start.log_scale[:, None], np.matmul(across.T, coefficients).reshape(count, -1)], axis=1),
            steps=MAX_STEPS,
            tolerance=TOLERANCE,
        )
        matrix = np.matmul(across, values[:, 1:].reshape(count, across.shape[1], -1))
        return Models(
            values[:, 0],
            start.bias if penalties.bias is None else matrix[:, :, 0],
            start.weights if penalties.weights is None else matrix[:, :, 1 - first :] @ along.T,
        )

    def _lbfgs(self, weights: Floats, penalties: Penalties, start: Models) -> Models:
        # Here, as it takes long to load.
        from scipy.optimize import minimize

        count, labels = start.bias.shape
        options = {"maxiter": MAX_STEPS, "ftol": TOLERANCE}
        values = []
        for number in range(count):
            rows = np.flatnonzero(weights[number])
            objective = self._objective(rows, weights[number, rows], penalties)
            parts = [start.log_scale[number : number + 1], start.bias[number]]
            if penalties.weights is not None:
                parts.append(start.weights[number].ravel())
            begin = np.concatenate(parts)
            found = minimize(objective, begin, jac=True, method="L-BFGS-B", options=options)  # type: ignore[call-overload]
            values.append(found.x)
        every = np.array(values)
        rest = every[:, 1 + labels :].reshape(start.weights.shape) if penalties.weights is not None else start.weights
        return Models(every[:, 0], every[:, 1 : 1 + labels], rest)

    def _objective(self, rows: Ints, weights: Floats, penalties: Penalties) -> Callable[[Floats], tuple[float, Floats]]:
        """Penalised negative log likelihood and its gradient, of s, b and W in one vector."""
        logs = np.ascontiguousarray(self.logs[rows].T)
        count = len(logs)
        features = np.zeros((len(rows), 0)) if self.features is None else self.features[rows]
        across = np.ascontiguousarray(features.T)
        own_places = self.labels[rows] * len(rows) + np.arange(len(rows))
        # Fresh memory for each of hundreds of evaluations costs more than the arithmetic.
        logits, product, sums, most = (
            np.empty_like(logs),
            np.empty_like(logs),
            np.empty(len(rows)),
            np.empty(len(rows)),
        )
        flat = logits.reshape(-1)
        of_scale, of_bias, of_weights = (p or 0.0 for p in (penalties.scale, penalties.bias, penalties.weights))

        def objective(values: Floats) -> tuple[float, Floats]:
            scale, bias = values[0], values[1 : 1 + count]
            matrix = values[1 + count :].reshape(count, -1)
            np.multiply(np.exp(scale), logs, out=logits)
            np.add(logits, bias[:, None], out=logits)
            if matrix.size:
                np.add(logits, np.matmul(matrix, across, out=product), out=logits)
            np.subtract(logits, logits.max(axis=0, out=most), out=logits)
            own = flat[own_places]
            error = np.exp(logits, out=logits)
            error.sum(axis=0, out=sums)
            value = float(weights @ (np.log(sums) - own)) + of_bias * float(bias @ bias)
            value += of_scale * scale**2 + of_weights * float((matrix**2).sum())
            error *= weights / sums
            flat[own_places] -= weights
            by_scale = np.exp(scale) * float(np.vdot(error, logs)) + 2 * of_scale * scale
            by_bias = (error.sum(axis=1) + 2 * of_bias * bias) * (penalties.bias is not None)
            by_matrix = error @ features + 2 * of_weights * matrix if matrix.size else np.zeros(0)
            return value, np.concatenate([[by_scale * (penalties.scale is not None)], by_bias, by_matrix.ravel()])

        return objective


@lru_cache(maxsize=8)
def _basis(count: int) -> Floats:
    """Orthonormal columns that sum to 0, ``(count, count - 1)`` (Helmert)."""
    made = np.zeros((count, max(0, count - 1)))
    for number in range(made.shape[1]):
        made[: number + 1, number] = 1
        made[number + 1, number] = -number - 1
        made[:, number] /= np.sqrt((number + 1) * (number + 2))
    made.flags.writeable = False
    return made
