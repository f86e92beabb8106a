"""Output map: the model's outputs -> probabilities of the user's labels, fitted on scores that are paid for already.

It corrects what no change of images can: a shifted decision threshold, classes that the model confuses in the same way
each time, and outputs that belong to no label and yet tell labels apart. With ``p (N, L)`` the probabilities of the
labels as the model gives them, and ``f (N, K)`` the centred logarithms of all its outputs over their common spread::

    log q = log_softmax(exp(s) log p + W f + b)

This is Dirichlet calibration (Kull et al. 2019, arXiv 1910.12656, eq. 9) around the model's own decision: penalties on
s^2, |W|^2 and |b|^2 shrink the map to the identity ``q = p``, so that few or useless scores change nothing. With ``s``
and ``W`` zero it shifts the decision thresholds (Platt 1999). If there are too many classes for ``W``, counts take its
place: how often a label is true when a class is answered, smoothed to the identity (as in Cai et al. 2024, arXiv
2410.24018, whose prior is uniform).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal, get_args

import numpy as np
from scipy.special import log_softmax

from blackbox_dft._utils.folds import fold_numbers
from blackbox_dft._utils.types import Floats, Ints

Family = Literal["none", "bias", "scale", "linear", "counts"]

MIN_PROBABILITY = 1e-4
"""Probabilities below are taken for it, as scores may be rounded to a few digits."""
SCALE_PENALTY, BIAS_PENALTY = 0.1, 1.0
"""Of s^2 and |b|^2, against the log likelihood summed over all answers."""
WEIGHT_PENALTIES = (100.0, 30.0, 10.0, 3.0, 1.0)
"""Of |W|^2, tried from the strongest to the weakest; each fit starts from the one before."""
COUNT_PRIORS = (30.0, 10.0, 3.0)
"""Answers that the identity is worth in each row of the counts."""
MAX_WEIGHTS = 5000
"""Entries that W may have; counts take its place beyond."""
FEW_LABELS, IMAGES_A_LABEL = 16, 2
"""With more labels, and fewer images than that of each on average, a temperature is the only candidate. It moves no
decision; a bias for each label would only learn which ones happen to have an image, and lower all the others."""
MAX_RACED = 1500
"""Answers that candidates are compared on; the chosen one is fitted to all."""
MAX_STEPS, TOLERANCE = 25, 1e-6
"""Of L-BFGS, relative in the loss."""


@dataclass(frozen=True, eq=False)
class OutputMap:
    """Maps probabilities of the model's classes ``(N, K)`` to probabilities of the labels ``(N, L)``.

    >>> answers = np.array([[0.6, 0.4], [0.9, 0.1]])
    >>> OutputMap(np.eye(2))(answers).tolist() == answers.tolist()
    True
    >>> OutputMap(np.eye(2), "bias", bias=np.array([0.0, 1.0]))(answers).argmax(axis=1).tolist()
    [1, 0]
    """

    label_matrix: Floats
    """``(K, L)``: 1 if a class of the model counts for a label."""
    family: Family = "none"
    log_scale: float = 0.0
    bias: Floats = field(default_factory=lambda: np.zeros(0))
    """``(L,)``; empty if there is none."""
    weights: Floats = field(default_factory=lambda: np.zeros((0, 0)))
    """``(L, K)``; empty if there are none."""
    spread: float = 1.0
    counts: Floats = field(default_factory=lambda: np.zeros((0, 0)))
    """``(K, L)``, rows summing to 1; empty unless the family is ``counts``."""

    def __call__(self, probabilities: Floats) -> Floats:
        """Probabilities of the labels ``(N, L)``; rows sum to 1, for the identity only if each class has a label."""
        if self.family == "none":
            return np.asarray(probabilities @ self.label_matrix, np.float64)
        if self.family == "counts":
            return np.asarray(probabilities @ self.counts, np.float64)
        logits = np.exp(self.log_scale) * clipped_logs(probabilities @ self.label_matrix)
        if self.bias.size:
            logits = logits + self.bias
        if self.weights.size:
            logits = logits + _features(probabilities) / self.spread @ self.weights.T
        return np.asarray(np.exp(log_softmax(logits, axis=1)), np.float64)

    def for_labels(self, columns: Sequence[int]) -> OutputMap:
        """The map to the labels ``columns``, some or all of L, in this order."""
        at = list(columns)
        return replace(
            self,
            label_matrix=self.label_matrix[:, at],
            bias=self.bias[at] if self.bias.size else self.bias,
            weights=self.weights[at] if self.weights.size else self.weights,
            counts=self.counts[:, at] if self.counts.size else self.counts,
        )


def fit_output_map(
    probabilities: Floats,
    labels: Ints,
    label_matrix: Floats,
    *,
    weights: Floats | None = None,
    groups: Ints | None = None,
    families: tuple[Family, ...] = get_args(Family),
    shrinkage: float = 1.0,
    seed: int = 0,
) -> OutputMap:
    """The map of least cross-validated log loss among ``families``; the identity unless another has less.

    Args:
        probabilities: of the model's classes ``(N, K)``.
        labels: true labels ``(N,)``.
        label_matrix: ``(K, L)``, 1 if a class counts for a label.
        weights: what each answer counts ``(N,)``; 1 by default.
        groups: answers of one image, or one person, ``(N,)``: they are held out together.
        families: candidates; ``none`` always is one.
        shrinkage: times the penalties of s^2 and |b|^2, if probabilities are calibrated already.
        seed: of the folds.

    >>> rng = np.random.default_rng(0)
    >>> labels = rng.integers(0, 2, 300)
    >>> margins = 2.0 * labels + rng.normal(size=300)  # answers "1" too often
    >>> answers = 1 / (1 + np.exp(np.stack([margins + 1, -margins - 1], axis=1)))
    >>> found = fit_output_map(answers, labels, np.eye(2))
    >>> bool((found(answers).argmax(1) == labels).mean() > (answers.argmax(1) == labels).mean() + 0.1)
    True
    """
    if not len(labels):
        # No image had a score.
        return OutputMap(label_matrix)
    used = np.ones(len(labels)) if weights is None or not weights.any() else weights * (len(labels) / weights.sum())
    problem = _Problem.of(probabilities, labels, label_matrix)
    of_image = np.arange(len(labels)) if groups is None else groups
    every = _candidates(len(label_matrix), label_matrix.shape[1], len(np.unique(of_image)))
    candidates = [replace(c, shrinkage=shrinkage) for c in every if c.family in families]
    best = _race(problem, candidates, used, of_image, seed)
    if best is None:
        return OutputMap(label_matrix)
    # The fits that lead to it, as in the race.
    along = [c for c in candidates[: best + 1] if c.family in ("scale", candidates[best].family)]
    return _path(problem, along, used)[-1]


def weights_learned(label_matrix: Floats, images: int) -> int:
    """Numbers of ``W`` in a map of these classes and labels ``(K, L)``, for answers of so many images; 0 without ``W``.

    >>> weights_learned(np.eye(10), images=500), weights_learned(np.eye(1000), images=400)
    (100, 0)
    """
    classes, labels = label_matrix.shape
    return label_matrix.size if any(c.family == "linear" for c in _candidates(classes, labels, images)) else 0


def _race(problem: _Problem, candidates: list[_Candidate], weights: Floats, groups: Ints, seed: int) -> int | None:
    """The candidate of least cross-validated log loss; ``None`` if that is the identity's."""
    folds = _folds(groups, seed)
    if len(folds) > MAX_RACED:
        # Whole groups, as many as fit.
        kept = np.random.default_rng(seed).permutation(np.unique(groups))
        sizes = np.cumsum(np.unique(groups, return_counts=True)[1][np.searchsorted(np.unique(groups), kept)])
        rows = np.flatnonzero(np.isin(groups, kept[: max(1, int(np.searchsorted(sizes, MAX_RACED)))]))
        problem, weights, folds = problem.at(rows), weights[rows], folds[rows]
    if not candidates or folds.max() < 1:
        return None
    losses = np.zeros((len(candidates), len(folds)))
    for fold in range(int(folds.max()) + 1):
        train, test = np.flatnonzero(folds != fold), np.flatnonzero(folds == fold)
        held = problem.at(test)
        for number, fitted in enumerate(_path(problem.at(train), candidates, weights[train])):
            losses[number, test] = _log_loss(fitted, held)
    means = losses @ weights
    plain = _log_loss(OutputMap(problem.label_matrix), problem) @ weights
    return int(means.argmin()) if bool(means.min() < plain) else None


@dataclass(frozen=True)
class _Candidate:
    family: Family
    penalty: float = 0.0
    shrinkage: float = 1.0
    biased: bool = True
    """Whether it shifts decisions at all."""


def _candidates(classes: int, labels: int, images: int) -> list[_Candidate]:
    """From simple to rich, for answers of so many images; each continuous family starts from the one before."""
    if labels > FEW_LABELS and images < IMAGES_A_LABEL * labels:
        return [_Candidate("scale", biased=False)]
    rich = (
        [_Candidate("linear", penalty) for penalty in WEIGHT_PENALTIES]
        if classes * labels <= MAX_WEIGHTS
        else [_Candidate("counts", prior) for prior in COUNT_PRIORS]
    )
    return [_Candidate("bias"), _Candidate("scale"), *rich]


@dataclass(frozen=True, eq=False)
class _Problem:
    """Answers in the form that the fits need."""

    probabilities: Floats
    logs: Floats
    features: Floats
    spread: float
    labels: Ints
    label_matrix: Floats

    @classmethod
    def of(cls, probabilities: Floats, labels: Ints, label_matrix: Floats) -> _Problem:
        features, spread = np.zeros((len(labels), 0)), 1.0
        if label_matrix.size <= MAX_WEIGHTS:
            features = _features(probabilities)
            spread = float(features.std()) or 1.0
        logs = clipped_logs(probabilities @ label_matrix)
        return cls(probabilities, logs, features / spread, spread, labels, label_matrix)

    def at(self, rows: Ints) -> _Problem:
        parts = self.probabilities[rows], self.logs[rows], self.features[rows], self.spread, self.labels[rows]
        return _Problem(*parts, self.label_matrix)


def _path(problem: _Problem, candidates: list[_Candidate], weights: Floats) -> list[OutputMap]:
    """The map of each candidate, fitted in this order."""
    count = problem.logs.shape[1]
    start = np.zeros(1 + count)
    maps = []
    for candidate in candidates:
        if candidate.family == "counts":
            maps.append(_counted(problem, candidate.penalty, weights))
            continue
        if candidate.family == "linear" and start.size == 1 + count:
            start = np.concatenate([start, np.zeros(count * problem.features.shape[1])])
        start = _minimise(_objective(problem, candidate, weights), start)
        rest = start[1 + count :].reshape(count, -1) if candidate.family == "linear" else np.zeros((0, 0))
        parts = {"log_scale": float(start[0]), "bias": start[1 : 1 + count], "weights": rest, "spread": problem.spread}
        maps.append(OutputMap(problem.label_matrix, candidate.family, **parts))  # type: ignore[arg-type]
    return maps


def _minimise(objective: Callable[[Floats], tuple[float, Floats]], start: Floats) -> Floats:
    # Here, as a run without a map does not need it, and it takes long to load.
    from scipy.optimize import minimize

    found = minimize(objective, start, jac=True, method="L-BFGS-B", options={"maxiter": MAX_STEPS, "ftol": TOLERANCE})
    return np.asarray(found.x, np.float64)


def _objective(problem: _Problem, candidate: _Candidate, weights: Floats) -> Callable[[Floats], tuple[float, Floats]]:
    """Penalised negative log likelihood and its gradient, of s, b and W in one vector."""
    # Answers along the rows of memory: sums over the labels, of which there are few, are then several times faster.
    logs, features = np.ascontiguousarray(problem.logs.T), problem.features
    across = np.ascontiguousarray(features.T)
    count = len(logs)
    own_places = problem.labels * logs.shape[1] + np.arange(logs.shape[1])
    # Fresh memory for each of hundreds of evaluations costs more than the arithmetic.
    logits, product, sums, most = (
        np.empty_like(logs),
        np.empty_like(logs),
        np.empty(logs.shape[1]),
        np.empty(logs.shape[1]),
    )
    flat = logits.reshape(-1)
    scale_penalty, bias_penalty = candidate.shrinkage * SCALE_PENALTY, candidate.shrinkage * BIAS_PENALTY

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
        value = float(weights @ (np.log(sums) - own)) + bias_penalty * float(bias @ bias)
        value += scale_penalty * scale**2 + candidate.penalty * float((matrix**2).sum())
        error *= weights / sums
        flat[own_places] -= weights
        by_scale = np.exp(scale) * float(np.vdot(error, logs)) + 2 * scale_penalty * scale
        by_bias = (error.sum(axis=1) + 2 * bias_penalty * bias) * candidate.biased
        by_matrix = error @ features + 2 * candidate.penalty * matrix if matrix.size else np.zeros(0)
        # A shift alone keeps the scale.
        return value, np.concatenate([[by_scale * (candidate.family != "bias")], by_bias, by_matrix.ravel()])

    return objective


def _counted(problem: _Problem, prior: float, weights: Floats) -> OutputMap:
    # A class without a label has no identity to be smoothed to: all labels are as likely.
    matrix = problem.label_matrix
    identity = np.where(matrix.sum(axis=1, keepdims=True) > 0, matrix, 1 / matrix.shape[1])
    counts = prior * identity
    for label in np.unique(problem.labels):
        rows = np.flatnonzero(problem.labels == label)
        counts[:, label] += weights[rows] @ problem.probabilities[rows]
    return OutputMap(matrix, "counts", counts=counts / counts.sum(axis=1, keepdims=True))


def _folds(groups: Ints, seed: int) -> Ints:
    """A fold for each answer ``(N,)``, the same within a group."""
    _, member = np.unique(groups, return_inverse=True)
    return fold_numbers(int(member.max()) + 1, seed)[member]


def _log_loss(fitted: OutputMap, problem: _Problem) -> Floats:
    found = clipped_logs(fitted(problem.probabilities))
    return np.asarray(-found[np.arange(len(found)), problem.labels], np.float64)


def clipped_logs(probabilities: Floats) -> Floats:
    """Logarithms of probabilities, of those below ``MIN_PROBABILITY`` its own."""
    return np.asarray(np.log(np.clip(probabilities, MIN_PROBABILITY, 1)), np.float64)


def _features(probabilities: Floats) -> Floats:
    logs = clipped_logs(probabilities)
    return np.asarray(logs - logs.mean(axis=1, keepdims=True), np.float64)
