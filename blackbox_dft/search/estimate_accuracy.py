"""Accuracy of a search's estimate, learned from answers that are paid for already.

A search scores candidates that lie around its estimate, most of them worse than it, so their accuracy is not that of
the estimate. A regression says more: right or wrong as a smooth function of z, fitted to all candidates and to the
accuracies that were measured on held-back images at both ends, which it is then made to agree with.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy.special import expit, logit

from blackbox_dft._utils.types import Bools, Floats, Ints
from blackbox_dft.estimators.base import Proposal
from blackbox_dft.estimators.search_space import SearchSpace

MAX_SIZE = 24
"""Of the coordinates that the regression reads one by one: those with ranges, or all if there are so few."""
MAX_POINTS = 40
"""Of the curve."""
MAX_READ = 8000
"""Answers that the regression reads, evenly over the search; more would make it no surer and take seconds."""
MIN_QUERIES = 64
"""With fewer there is no curve."""
SLOPE_SPREAD, BEND_SPREAD, OWN_BEND_SPREAD, MIXED_SPREAD, REST_SPREAD = 0.5, 0.3, 0.1, 0.05, 1.0
"""Prior standard deviations, in logits: of a slope for a unit of z, of the curvature that all coordinates share, of how
far each has its own, of that between two of them, and of what the other coordinates do."""
STEPS, TOLERANCE = 50, 1e-8
"""Of Newton's method at most, and the change at which it ends."""
Z95 = 1.96
MIN_APART = 0.1
"""Logits between both ends from which on a path is not flat."""


class Measured(NamedTuple):
    """An accuracy that was measured at z."""

    z: Floats
    """``(k,)``."""
    accuracy: float
    images: int


class _Step:
    """What ``TriedCandidates`` is told of a step; put together when it is asked for, not while the search goes on."""

    def __init__(
        self, proposal: Proposal, read: Floats, gone: float, offset: Floats | None, images: Ints, right: Bools
    ) -> None:
        self.images, self.right = images, right
        self._read, self._gone, self._offset = read, gone, offset
        # Not the proposal itself: its candidates may be long.
        self._rows, self._slots, self._weights = proposal.rows, proposal.slots, proposal.weights

    @property
    def where(self) -> Floats:
        """``(Q, R + 2)``: the coordinates read, how far the others are gone, and their spread."""
        count = len(self._read)
        offset = np.zeros(count) if self._offset is None else self._offset
        return np.column_stack([self._read, np.full(count, self._gone), offset])[self._rows]

    @property
    def weights(self) -> Floats:
        """Of the queries ``(Q,)``."""
        return np.ones(len(self.images)) if self._weights is None else self._weights[self._slots]


class TriedCandidates:
    """The candidates of a search so far, each with its image and whether the model was right.

    >>> rng = np.random.default_rng(0)
    >>> tried = TriedCandidates(SearchSpace(np.zeros(2), np.full(2, -9.0), np.full(2, 9.0)))
    >>> for step in range(100):
    ...     proposal = Proposal.paired(rng.normal(0, 1, (16, 2)), np.arange(16))
    ...     right = rng.random(16) < expit(3 - (proposal.candidates**2).sum(axis=1))
    ...     tried.add(16 * (step + 1), proposal, np.arange(16), right, np.zeros(2), np.zeros(2))
    >>> queries, accuracy, low, high = tried.curve(np.zeros(2))[-1]
    >>> bool(low < expit(3) < high), int(queries)
    (True, 1600)

    Args:
        space: what is searched.
    """

    def __init__(self, space: SearchSpace) -> None:
        ranged = space.ranged
        read = ranged if 0 < ranged.sum() <= MAX_SIZE else np.full(space.size, space.size <= MAX_SIZE)
        self._read = np.flatnonzero(read)
        self._others = np.flatnonzero(~read)
        self._start = np.asarray(space.start, np.float64)
        self._steps: list[_Step] = []
        self._count = 0
        # Queries, and the estimate after them as ``_where`` has it; put together when it is asked for.
        self._path: list[tuple[int, Floats, float]] = [(0, self._start[self._read], 0.0)]

    def add(
        self, queries: int, proposal: Proposal, images: Ints, right: Bools, centre: Floats, estimate: Floats
    ) -> None:
        """Adds a step.

        Args:
            queries: spent so far, with those of the step.
            proposal: what was scored, with its importance weights.
            images: of its queries ``(Q,)``.
            right: whether the model was right ``(Q,)``.
            centre: the estimate ``(k,)`` when the candidates were proposed.
            estimate: the one ``(k,)`` after their losses were told.
        """
        if not len(self._read):
            return
        candidates, others = proposal.candidates, self._others
        offset = ((candidates[:, others] - centre[others]) ** 2).mean(axis=1) if len(others) else None
        read = candidates[:, self._read] if len(others) else candidates
        self._steps.append(_Step(proposal, read, self._gone(centre), offset, images, right))
        self._count += len(right)
        self._path.append((queries, estimate[self._read], self._gone(estimate)))

    def curve(self, last: Floats, measured: Sequence[Measured] = ()) -> Floats:
        """The accuracy at up to ``MAX_POINTS`` estimates, the last of them ``last (k,)``.

        Args:
            last: what the search found.
            measured: accuracies that are known from held-back images, at the start and at ``last``.

        Returns:
            ``(P, 4)``: queries, accuracy, and both ends of its 95 % interval; empty if the answers do not tell: too
            few, or too many coordinates.
        """
        if self._count < MIN_QUERIES:
            return np.empty((0, 4))
        tried = np.concatenate([step.where for step in self._steps])
        weights = np.concatenate([step.weights for step in self._steps])
        right = np.concatenate([step.right for step in self._steps]).astype(np.float64)
        images = np.concatenate([step.images for step in self._steps])
        read = np.unique(np.linspace(0, len(right) - 1, MAX_READ).round().astype(int))
        tried, right, weights, images = tried[read], right[read], weights[read], images[read]
        shown = np.unique(np.linspace(0, len(self._path) - 1, MAX_POINTS).round().astype(int)).tolist()
        path = np.array([[queries, *where, gone] for queries, where, gone in map(self._path.__getitem__, shown)])
        path[-1, 1:] = self._where(last)
        # The other coordinates are perturbed at candidates alone.
        still = np.array([self._where(one.z) for one in measured]).reshape(-1, path.shape[1] - 1)
        rows = [tried, *(np.column_stack([where, np.zeros(len(where))]) for where in (still, path[:, 1:]))]
        features, fixed, at = np.split(
            self._features(np.concatenate(rows), last[self._read]), np.cumsum([len(tried), len(still)])
        )
        size = len(self._read)
        spreads = np.concatenate(
            [
                [10],
                np.full(size, SLOPE_SPREAD),
                [BEND_SPREAD],
                np.full(size, OWN_BEND_SPREAD),
                np.full(size * (size - 1) // 2, MIXED_SPREAD),
                np.full(3, REST_SPREAD),
            ]
        )
        found, covariance = _logistic(
            np.concatenate([features, fixed]),
            np.concatenate([right, [one.accuracy for one in measured]]),
            np.concatenate([weights / weights.mean(), [one.images for one in measured]]),
            images,
            spreads,
        )
        level, error = at @ found, Z95 * np.sqrt(np.einsum("pi,ij,pj->p", at, covariance, at))
        calibrated = _calibrated(level, fixed @ found, np.array([one.accuracy for one in measured]))
        # How far the measurements moved it says how far the regression may be off.
        error = np.hypot(error, calibrated - level)
        # As all accuracies in documents: so the ends are what was measured.
        return np.column_stack([path[:, 0], *(expit(calibrated + sign * error).round(6) for sign in (0, -1, 1))])

    def _where(self, z: Floats) -> Floats:
        """The coordinates read one by one, and how far the others are gone."""
        return np.concatenate([z[self._read], [self._gone(z)]])

    def _gone(self, z: Floats) -> float:
        """How far the coordinates that are not read one by one are from the start, root mean square."""
        if not len(self._others):
            return 0.0
        moved = z[self._others] - self._start[self._others]
        return float(np.sqrt((moved**2).mean()))

    def _features(self, where: Floats, centre: Floats) -> Floats:
        """Constant, offsets, their squares together, each, and their products; of the others distance and spread."""
        size = len(self._read)
        offsets, gone, spread = where[:, :size] - centre, where[:, size], where[:, size + 1]
        squares = offsets**2
        first, second = np.triu_indices(size, 1)
        rest = np.column_stack([gone, gone**2, spread])
        rest /= np.maximum(np.abs(rest).max(axis=0), 1e-9)
        one = np.ones((len(where), 1))
        return np.hstack(
            [one, offsets, squares.sum(axis=1, keepdims=True), squares, offsets[:, first] * offsets[:, second], rest]
        )


def _calibrated(level: Floats, known: Floats, accuracies: Floats) -> Floats:
    """Logits ``level (P,)`` of a path, moved so that those ``known (M,)``, of its ends, are the measured accuracies.

    Between the two, a level is moved by as much of either as it is near to it; on a flat path, as it is near in time.
    """
    if not len(known):
        return level
    shifts = logit(np.clip(accuracies, 1e-4, 1 - 1e-4)) - known
    first, last = known[0], known[-1]
    apart = abs(last - first) > MIN_APART
    way = (level - first) / (last - first) if apart else np.linspace(0, 1, len(level))
    return np.asarray(level + shifts[0] + (shifts[-1] - shifts[0]) * way.clip(0, 1), np.float64)


def _logistic(features: Floats, right: Floats, weights: Floats, images: Ints, spreads: Floats) -> tuple[Floats, Floats]:
    """Logistic regression with normal priors about 0, by Newton's method; coefficients and their covariance.

    ``images`` names the image of each of the first rows; the others are shares of as many images as their weight. The
    covariance allows for images that were scored more than once: their answers depend on each other (the sandwich
    of Liang and Zeger 1986, clustered by image).
    """
    prior = np.diag(spreads**-2)
    found = np.zeros(features.shape[1])
    for _ in range(STEPS):
        p = expit(features @ found)
        curvature = (features.T * (weights * p * (1 - p))) @ features + prior
        step = np.linalg.solve(curvature, features.T @ (weights * (right - p)) - prior @ found)
        # Newton's method may leave the region where its quadratic holds.
        found = found + step / max(1.0, float(np.abs(step).max()))
        if np.abs(step).max() < TOLERANCE:
            break
    inverse = np.linalg.inv(curvature)
    many = len(images)
    _, cluster = np.unique(images, return_inverse=True)
    scores = np.zeros((cluster.max() + 1, features.shape[1]))
    np.add.at(scores, cluster, (features * (weights * (right - p))[:, None])[:many])
    shares = (features[many:].T * (weights * p * (1 - p))[many:]) @ features[many:]
    return found, inverse @ (scores.T @ scores + shares + prior) @ inverse
