"""Early stopping: ends a search if going on promises too little.

An estimator with a model of the loss says itself what is left to gain (``ByPromise``). Of the others, the losses of
pairs that the search has not learned from tell (``ByMoves``).
"""

from __future__ import annotations

import math
from typing import Protocol

import numpy as np

from blackbox_dft._utils.types import Floats
from blackbox_dft.estimators.base import Estimator, Proposal, SupportsPromise
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


WORTH_OF_A_QUERY = 1e-4
"""Fall of the loss that is worth a query where it has a price: a point of accuracy for 100 queries."""
WORTH_OF_A_BUDGET = 0.02
"""Fall of the loss that is worth all queries of the search if they are there to be used."""
MIN_QUERIES = 96
"""No search ends before, as its model of the loss is hardly more than a guess."""
STEPS_IN_A_ROW = 3
"""Steps that must promise too little."""


class EarlyStopping(Protocol):
    """Told every step of a search in order; says when to end it."""

    @property
    def should_stop(self) -> bool:
        """Whether going on promises too little."""
        ...

    def tell(self, proposal: Proposal, losses: Floats) -> None:
        """Called after the estimator was told ``losses (Q,)`` of ``proposal``."""
        ...


def make_early_stopping(estimator: Estimator, space: SearchSpace, worth: float) -> EarlyStopping:
    """The rule that suits an estimator; ``worth`` is the fall of the loss for which a query would still be spent."""
    return ByPromise(estimator, worth) if isinstance(estimator, SupportsPromise) else ByMoves(estimator, space)


class ByPromise:
    """Ends a search once a query promises less than it is worth.

    What is left to gain, G, falls about as 1/n with the n queries told, as the variance of a mean does; so the next
    query promises G/n.

    >>> from blackbox_dft.estimators import make_estimator
    >>> space = SearchSpace(np.zeros(2), np.full(2, -9.0), np.full(2, 9.0))
    >>> surface = make_estimator("surface", space)
    >>> early_stopping, queries = ByPromise(surface, worth=5e-5), 0
    >>> while not early_stopping.should_stop:
    ...     proposal = surface.ask()
    ...     losses = 0.01 * ((proposal.candidates - [1, -2]) ** 2).sum(axis=1)
    ...     surface.tell(proposal, losses)
    ...     early_stopping.tell(proposal, losses)
    ...     queries += proposal.queries
    >>> MIN_QUERIES < queries < 1000
    True

    Args:
        estimator: told the same losses before.
        worth: fall of the loss.
    """

    def __init__(self, estimator: SupportsPromise, worth: float) -> None:
        self._estimator, self._worth = estimator, worth
        self._queries = self._in_a_row = 0

    @property
    def should_stop(self) -> bool:
        """Whether the last ``STEPS_IN_A_ROW`` steps promised too little."""
        return self._in_a_row >= STEPS_IN_A_ROW and self._queries >= MIN_QUERIES

    @property
    def queries_left(self) -> float:
        """How many more queries the search needs, about; infinite before the first ``tell``.

        A query promises ``G/n``, and both G and 1/n fall as 1/n; so it is worth less once there are ``sqrt`` of
        promise over worth times the queries.
        """
        if not self._queries:
            return math.inf
        promised = self._estimator.promised_gain / self._queries
        return max(MIN_QUERIES, self._queries * math.sqrt(promised / self._worth)) - self._queries

    def tell(self, proposal: Proposal, losses: Floats) -> None:
        """Called after the estimator was told ``losses (Q,)`` of ``proposal``."""
        self._queries += len(losses)
        promised = self._estimator.promised_gain / self._queries
        self._in_a_row = self._in_a_row + 1 if promised < self._worth else 0


class ByMoves:
    """Decides from the proposals and losses of a search by antithetic pairs whether going on is worth it.

    Losses that a search has used to find its direction cannot say whether the direction was right: it fitted them.
    Later ones can. So the search is cut into intervals. The mean iterate moves from one interval to the next; the pairs
    of the interval after that, mostly on other images, tell how the loss would change by the same move once more.

    With ``v`` the last move of the mean iterate, and a pair's span ``s (k,)`` and loss difference ``d``,
    ``k d (s v) / |s|^2`` estimates the slope of the loss along ``v`` without bias if directions are spread evenly: it
    is ``v`` times the gradient estimate of random-direction finite differences (Nesterov and Spokoiny 2017, eq. 6).
    Coordinates with declared ranges and those without are judged apart, as estimators perturb them apart. An interval
    promises too little if the mean gain over its pairs, plus one standard error, is below ``MIN_GAIN``.

    >>> from blackbox_dft.estimators import make_estimator
    >>> space = SearchSpace(np.zeros(2), np.full(2, -9.0), np.full(2, 9.0))
    >>> estimator = make_estimator("nes", space)
    >>> early_stopping, queries = ByMoves(estimator, space), 0
    >>> while not early_stopping.should_stop:
    ...     proposal = estimator.ask()
    ...     losses = 0.01 * ((proposal.candidates - [1, -2]) ** 2).sum(axis=1)
    ...     estimator.tell(proposal, losses)
    ...     early_stopping.tell(proposal, losses)
    ...     queries += proposal.queries
    >>> 2 * FIRST_INTERVAL < queries < 10_000
    True

    Args:
        estimator: told the same losses before.
        space: what it searches; only its bounds are used.
    """

    def __init__(self, estimator: Estimator, space: SearchSpace) -> None:
        self._estimator = estimator
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

    def tell(self, proposal: Proposal, losses: Floats) -> None:
        """Learns from a proposal of pairs, its losses ``(Q,)``, and the estimate after them."""
        # A race for the start of the search proposes no pairs.
        if self._move is not None and len(proposal.candidates) % 2 == 0:
            self._add_gains(proposal, losses, self._move)
        self._sum += self._estimator.best
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
