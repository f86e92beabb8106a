"""Early stopping: ends a search if going on promises too little, judged by the losses of pairs it has not learned from.

Losses that a search has used to find its direction cannot say whether the direction was right: it fitted them. Later
ones can. So the search is cut into intervals. The mean iterate moves from one interval to the next; the pairs of the
interval after that, mostly on other images, tell how the loss would change by the same move once more.
"""

from __future__ import annotations

import math

import numpy as np

from blackbox_dft._utils.types import Floats
from blackbox_dft.estimators.base import Proposal
from blackbox_dft.estimators.pairs import pair_differences
from blackbox_dft.estimators.search_space import SearchSpace

FIRST_INTERVAL = 512
"""Queries of the first interval."""
INTERVAL_GROWTH = 1.5
"""Each later interval ends after this many times the queries at which the one before it ended."""
MIN_GAIN = 0.004
"""A gain of loss that is not worth going on for; about 0.4 points of accuracy under bounded losses."""
PATIENCE = 2
"""Intervals in a row that must promise less than ``MIN_GAIN``."""


class EarlyStopping:
    """Decides from the proposals and losses of a search by antithetic pairs whether going on is worth it.

    With ``v`` the last move of the mean iterate, and a pair's span ``s (k,)`` and loss difference ``d``,
    ``k d (s v) / |s|^2`` estimates the slope of the loss along ``v`` without bias if directions are spread evenly: it
    is ``v`` times the gradient estimate of random-direction finite differences (Nesterov and Spokoiny 2017, eq. 6).
    Coordinates with declared ranges and those without are judged apart, as estimators perturb them apart. An interval
    promises too little if the mean gain over its pairs, plus one standard error, is below ``MIN_GAIN``.

    >>> from blackbox_dft.estimators import make_estimator
    >>> space = SearchSpace(np.zeros(2), np.full(2, -9.0), np.full(2, 9.0))
    >>> estimator, early_stopping, queries = make_estimator("surface", space), EarlyStopping(space), 0
    >>> while not early_stopping.should_stop:
    ...     proposal = estimator.ask()
    ...     losses = 0.01 * ((proposal.candidates - [1, -2]) ** 2).sum(axis=1)
    ...     estimator.tell(proposal, losses)
    ...     early_stopping.tell(proposal, losses, estimator.best)
    ...     queries += proposal.queries
    >>> 2 * FIRST_INTERVAL < queries < 10_000
    True

    Args:
        space: what the estimator searches; only its bounds are used.
    """

    def __init__(self, space: SearchSpace) -> None:
        self._groups = [mask for mask in (space.ranged, ~space.ranged) if mask.any()]
        self._queries, self._end = 0, FIRST_INTERVAL
        self._sum, self._count = np.zeros(space.size), 0
        self._mean: Floats | None = None
        """Mean iterate of the interval before this one."""
        self._move: Floats | None = None
        """From the mean iterate before that to ``_mean``."""
        self._gains: list[list[Floats]] = [[] for _ in self._groups]
        self._flat_intervals = 0

    @property
    def should_stop(self) -> bool:
        """Whether the last ``PATIENCE`` intervals promised too little."""
        return self._flat_intervals >= PATIENCE

    def tell(self, proposal: Proposal, losses: Floats, best: Floats) -> None:
        """Learns from a proposal of pairs, its losses ``(Q,)``, and the estimate ``(k,)`` after them."""
        # A race for the start of the search proposes no pairs.
        if self._move is not None and len(proposal.candidates) % 2 == 0:
            self._add_gains(proposal, losses, self._move)
        self._sum += best
        self._count += 1
        self._queries += len(losses)
        if self._queries >= self._end:
            self._end_interval()

    def _add_gains(self, proposal: Proposal, losses: Floats, move: Floats) -> None:
        differences, spans = pair_differences(proposal, losses)
        weights = np.ones(len(differences)) if proposal.weights is None else proposal.weights
        for mask, gains in zip(self._groups, self._gains, strict=True):
            within = spans[:, mask]
            squares = (within**2).sum(axis=1)
            perturbed = squares > 0
            along = within[perturbed] @ move[mask]
            # k d (s v) / |s|^2, see above; a gain is a fall of the loss.
            slope = np.count_nonzero(mask) * differences[perturbed] * along / squares[perturbed]
            gains.append(-weights[perturbed] * slope)

    def _end_interval(self) -> None:
        if self._move is not None:
            self._flat_intervals = self._flat_intervals + 1 if self._promised_gain() < MIN_GAIN else 0
        mean = self._sum / self._count
        if self._mean is not None:
            self._move = mean - self._mean
        self._mean = mean
        self._sum, self._count = np.zeros(len(mean)), 0
        self._gains = [[] for _ in self._groups]
        self._end = int(INTERVAL_GROWTH * self._end)

    def _promised_gain(self) -> float:
        """Gain of loss if the last move were made once more, plus one standard error; infinite if unknown."""
        gain = square = 0.0
        for gains in self._gains:
            values = np.concatenate(gains)
            if len(values) < 2:
                return math.inf
            gain += float(values.mean())
            square += float(values.var()) / len(values)
        return gain + math.sqrt(square)
