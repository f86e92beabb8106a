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

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Literal, get_args

import numpy as np
from scipy.special import log_softmax

from blackbox_dft._utils.folds import fold_numbers
from blackbox_dft._utils.types import Floats, Ints
from blackbox_dft.objectives.softmax_fit import Models, Penalties, SoftmaxProblem

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
    of_image = np.arange(len(labels)) if groups is None else groups
    race = _Race.of(np.arange(len(labels)), weights, of_image, label_matrix, families, shrinkage, seed)
    return _fitted(probabilities, labels, label_matrix, [race])[0]


def fit_output_maps(
    probabilities: Floats,
    labels: Ints,
    label_matrix: Floats,
    subsets: Sequence[Ints],
    *,
    weights: Floats | None = None,
    families: tuple[Family, ...] = get_args(Family),
    seed: int = 0,
) -> list[OutputMap]:
    """What ``fit_output_map`` finds on each of ``subsets`` of the answers; of two labels in half of the time.

    >>> answers, labels = np.array([[0.9, 0.1], [0.7, 0.3]] * 20), np.array([0, 1] * 20)
    >>> both, first = fit_output_maps(answers, labels, np.eye(2), [np.arange(40), np.arange(0, 40, 2)])
    >>> both(answers[:2]).argmax(axis=1).tolist(), first(answers[:2]).argmax(axis=1).tolist()
    ([0, 1], [0, 0])
    """
    images = np.arange(len(labels))
    races = [_Race.of(rows, weights, images, label_matrix, families, 1.0, seed) for rows in subsets]
    if label_matrix.shape[1] == 2 and len(labels) <= MAX_RACED:
        return _fitted(probabilities, labels, label_matrix, races)
    # Arithmetic takes longer than calls: an answer that is held out from one of the fits is not free.
    return [
        _fitted(probabilities[rows], labels[rows], label_matrix, [race.at(rows)])[0]
        for rows, race in zip(subsets, races, strict=True)
    ]


def _fitted(probabilities: Floats, labels: Ints, label_matrix: Floats, races: Sequence[_Race]) -> list[OutputMap]:
    """A map for each race, all of which have the same candidates, or none."""
    maps = [OutputMap(label_matrix) for _ in races]
    if not any(race.count for race in races):
        return maps
    problem = _Problem.of(probabilities, labels, label_matrix)
    won = _won(problem, races)
    for best in dict.fromkeys(candidate for candidate, _ in won.values()):
        numbers = [number for number, (candidate, _) in won.items() if candidate == best]
        starts = [start for number in numbers if (start := won[number][1])]
        used = np.array([races[number].weights for number in numbers])
        fitted = _path(problem, [best], used, Models.joined(starts) if starts else None)[0]
        for at, number in enumerate(numbers):
            maps[number] = _map_of(problem, best, fitted, at)
    return maps


def weights_learned(label_matrix: Floats, images: int) -> int:
    """Numbers of ``W`` in a map of these classes and labels ``(K, L)``, for answers of so many images; 0 without ``W``.

    >>> weights_learned(np.eye(10), images=500), weights_learned(np.eye(1000), images=400)
    (100, 0)
    """
    classes, labels = label_matrix.shape
    return label_matrix.size if any(c.family == "linear" for c in _candidates(classes, labels, images)) else 0


@dataclass(frozen=True, eq=False)
class _Race:
    """Candidates, and the answers that one of them is chosen and fitted by."""

    candidates: list[_Candidate]
    weights: Floats
    """``(N,)``, as many in sum as there are answers; 0 for answers of no concern."""
    folds: Ints
    """``(N,)``; -1 for answers that take no part in the choice."""

    @classmethod
    def of(
        cls,
        rows: Ints,
        weights: Floats | None,
        groups: Ints,
        label_matrix: Floats,
        families: tuple[Family, ...],
        shrinkage: float,
        seed: int,
    ) -> _Race:
        used, folds = np.zeros(len(groups)), np.full(len(groups), -1)
        if not len(rows):
            # No image had a score.
            return cls([], used, folds)
        given = np.ones(len(rows)) if weights is None or not weights[rows].any() else weights[rows]
        used[rows] = given * (len(rows) / given.sum())
        here, counts = np.unique(groups[rows], return_counts=True)
        member = np.searchsorted(here, groups[rows])
        # The same within a group.
        of_row = fold_numbers(len(here), seed)[member]
        if len(rows) > MAX_RACED:
            # Whole groups, as many as fit.
            kept = np.random.default_rng(seed).permutation(len(here))
            raced = max(1, int(np.searchsorted(np.cumsum(counts[kept]), MAX_RACED)))
            of_row[~np.isin(member, kept[:raced])] = -1
        folds[rows] = of_row
        every = _candidates(len(label_matrix), label_matrix.shape[1], len(here))
        return cls([replace(c, shrinkage=shrinkage) for c in every if c.family in families], used, folds)

    @property
    def count(self) -> int:
        """Number of folds; 0 if there is nothing to choose by."""
        most = int(self.folds.max(initial=-1))
        return most + 1 if self.candidates and most > 0 else 0

    def at(self, rows: Ints) -> _Race:
        return replace(self, weights=self.weights[rows], folds=self.folds[rows])


def _won(problem: _Problem, races: Sequence[_Race]) -> dict[int, tuple[_Candidate, Models | None]]:
    """By the number of the race the candidate of least cross-validated log loss, and where its fit to all begins.

    A race that the identity has won is left out.
    """
    rows = np.flatnonzero(np.any([race.folds >= 0 for race in races], axis=0))
    if len(rows) < len(problem.labels):
        problem, races = problem.at(rows), [race.at(rows) for race in races]
    numbers = [number for number, race in enumerate(races) if race.count]
    firsts = np.cumsum([0, *(races[number].count for number in numbers)])
    taught = [
        np.where((races[number].folds == fold) | (races[number].folds < 0), 0.0, races[number].weights)
        for number in numbers
        for fold in range(races[number].count)
    ]
    candidates = races[numbers[0]].candidates
    fitted = _path(problem, candidates, np.array(taught))
    plain = _log_loss(OutputMap(problem.label_matrix), problem)
    found: dict[int, tuple[_Candidate, Models | None]] = {}
    for number, first, last in zip(numbers, firsts, firsts[1:], strict=False):
        raced = np.flatnonzero(races[number].folds >= 0)
        folds, weights = races[number].folds[raced], races[number].weights[raced]
        losses = [_held_out(problem.at(raced), each, first + folds) @ weights for each in fitted]
        best = int(np.argmin(losses))
        if losses[best] < plain[raced] @ weights:
            models = fitted[best]
            found[number] = (
                candidates[best],
                models.some(slice(first, last)).mean() if isinstance(models, Models) else None,
            )
    return found


@dataclass(frozen=True)
class _Candidate:
    family: Family
    penalty: float = 0.0
    shrinkage: float = 1.0
    biased: bool = True
    """Whether it shifts decisions at all."""

    @property
    def penalties(self) -> Penalties:
        return Penalties(
            # A shift alone keeps the scale.
            None if self.family == "bias" else self.shrinkage * SCALE_PENALTY,
            self.shrinkage * BIAS_PENALTY if self.biased else None,
            self.penalty if self.family == "linear" else None,
        )


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
    spread: float
    label_matrix: Floats
    softmax: SoftmaxProblem

    @classmethod
    def of(cls, probabilities: Floats, labels: Ints, label_matrix: Floats) -> _Problem:
        features, spread = None, 1.0
        if label_matrix.size <= MAX_WEIGHTS:
            features = _features(probabilities)
            spread = float(features.std()) or 1.0
            features /= spread
        logs = clipped_logs(probabilities @ label_matrix)
        return cls(probabilities, spread, label_matrix, SoftmaxProblem(logs, labels, features))

    @property
    def labels(self) -> Ints:
        return self.softmax.labels

    def at(self, rows: Ints) -> _Problem:
        return replace(self, probabilities=self.probabilities[rows], softmax=self.softmax.at(rows))


def _path(
    problem: _Problem, candidates: list[_Candidate], weights: Floats, start: Models | None = None
) -> list[Models | list[OutputMap]]:
    """For each candidate, fitted in this order, a model for each row of ``weights (B, N)``."""
    found: list[Models | list[OutputMap]] = []
    for candidate in candidates:
        if candidate.family == "counts":
            found.append([_counted(problem, candidate.penalty, each) for each in weights])
        else:
            start = problem.softmax.fit(weights, candidate.penalties, start)
            found.append(start)
    return found


def _map_of(problem: _Problem, candidate: _Candidate, found: Models | list[OutputMap], number: int) -> OutputMap:
    """The map of one of the models of a candidate."""
    if isinstance(found, list):
        return found[number]
    weights = found.weights[number] if candidate.family == "linear" else np.zeros((0, 0))
    scale, bias = float(found.log_scale[number]), found.bias[number]
    return OutputMap(problem.label_matrix, candidate.family, scale, bias, weights, problem.spread)


def _held_out(problem: _Problem, found: Models | list[OutputMap], of_model: Ints) -> Floats:
    """Log losses ``(N,)`` of answers under the model with the number ``of_model (N,)``, which did not see them."""
    if isinstance(found, Models):
        return -np.clip(problem.softmax.log_likelihoods(found, of_model), math.log(MIN_PROBABILITY), 0)
    losses = np.empty(len(of_model))
    for number in np.unique(of_model).tolist():
        rows = np.flatnonzero(of_model == number)
        losses[rows] = _log_loss(found[number], problem.at(rows))
    return losses


def _counted(problem: _Problem, prior: float, weights: Floats) -> OutputMap:
    # A class without a label has no identity to be smoothed to: all labels are as likely.
    matrix = problem.label_matrix
    identity = np.where(matrix.sum(axis=1, keepdims=True) > 0, matrix, 1 / matrix.shape[1])
    counts = prior * identity
    for label in np.unique(problem.labels):
        rows = np.flatnonzero(problem.labels == label)
        counts[:, label] += weights[rows] @ problem.probabilities[rows]
    return OutputMap(matrix, "counts", counts=counts / counts.sum(axis=1, keepdims=True))


def _log_loss(fitted: OutputMap, problem: _Problem) -> Floats:
    found = clipped_logs(fitted(problem.probabilities))
    return np.asarray(-found[np.arange(len(found)), problem.labels], np.float64)


def clipped_logs(probabilities: Floats) -> Floats:
    """Logarithms of probabilities, of those below ``MIN_PROBABILITY`` its own."""
    return np.asarray(np.log(np.clip(probabilities, MIN_PROBABILITY, 1)), np.float64)


def _features(probabilities: Floats) -> Floats:
    logs = clipped_logs(probabilities)
    return np.asarray(logs - logs.mean(axis=1, keepdims=True), np.float64)
