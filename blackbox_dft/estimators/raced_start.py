"""A start by racing: a few long steps are tried on a few images before the search, which begins at the best of them.

A search that follows slopes takes hundreds of queries to a far optimum, and none at all across a plateau. A long step
whose gain is large is noticed within a few images, and one that loses is out as soon.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable
from dataclasses import replace

import numpy as np
from typing_extensions import override

from blackbox_dft._utils.types import Floats
from blackbox_dft.estimators.base import Estimator, Proposal, SupportsDelayedTell, SupportsPromise, ask_together
from blackbox_dft.estimators.search_space import SearchSpace

FIRST_IMAGES, MORE_IMAGES, MOST_IMAGES = 8, 4, 24
"""Images on which candidates are compared: at first, each time that leaves some undecided, and at most."""
WON, WON_AT_LAST, LOST = -2.0, -1.0, 0.5
"""Mean loss of a rival minus that of the incumbent, in standard errors: up to WON it takes the incumbent's place, at
the end up to WON_AT_LAST, and from LOST on it is out."""
FINEST = 32
"""The start is a multiple of this part of a step, so that the last bit of a loss does not change it."""


class RacedStart(Estimator):
    """Another estimator, which begins where the best of a few long steps leads.

    One direction after the other, a step forth and one back race against the incumbent on common images. If one wins,
    the next step in its direction races against it, and so on up to the bounds. In the end the start moves to the
    minimum of the parabola through the best position and its two neighbours, whose losses are known by then.

    If it is asked again before it was told, its proposals are the race's until that has ``MOST_IMAGES``, then those
    of the other estimator at the first start, which count if that is where the race ends.

    >>> from blackbox_dft.estimators.surface import Surface
    >>> space = SearchSpace(np.zeros(2), np.full(2, -9.0), np.full(2, 9.0))
    >>> raced = RacedStart(space, np.array([[4.0, 0.0]]), lambda space: Surface(space, seed=0))
    >>> for _ in range(2):  # 4 and -4 against 0, then 8 against 4
    ...     proposal = raced.ask()
    ...     raced.tell(proposal, ((proposal.candidates[proposal.rows] - [5, 0]) ** 2).sum(axis=1))
    >>> raced.best
    array([5., 0.])

    Args:
        space: what is searched; its start is the first incumbent.
        steps: long steps ``(M, k)`` from it.
        make: makes the other estimator for a search space that starts elsewhere.
    """

    def __init__(self, space: SearchSpace, steps: Floats, make: Callable[[SearchSpace], Estimator]) -> None:
        self._space, self._make = space, make
        self._start = np.array(space.start, np.float64)
        self._inner = make(space)
        if isinstance(self._inner, SupportsDelayedTell):
            self.supports_delayed_tell = True
        self._lines = deque(_Line(space, step) for step in steps)
        self._round: _Round | None = None
        self._won = False
        self._asked: deque[_Round | Estimator] = deque()
        self._begin_line()

    @override
    def ask(self) -> Proposal:
        asked = self._round if self._round and self._round.asked < MOST_IMAGES else self._inner
        self._asked.append(asked)
        return asked.ask()

    def ask_together(self, count: int) -> list[Proposal]:
        """The proposals of so many calls of ``ask``."""
        proposals: list[Proposal] = []
        while len(proposals) < count and self._round and self._round.asked < MOST_IMAGES:
            proposals.append(self.ask())
        rest = count - len(proposals)
        self._asked.extend([self._inner] * rest)
        return proposals + ask_together(self._inner, rest)

    @override
    def tell(self, proposal: Proposal, losses: Floats) -> None:
        told = self._asked.popleft()
        # Losses of a round that is over, and of pairs about a start that was left, are of no use.
        if told is self._inner:
            self._inner.tell(proposal, losses)
        elif told is self._round and isinstance(told, _Round):
            told.tell(proposal, losses)
            if told.is_over:
                self._end_round(told)

    @property
    def is_racing(self) -> bool:
        """Whether the start is still open."""
        return self._round is not None

    @property
    @override
    def best(self) -> Floats:
        return self._inner.best if self._round is None else self._start.copy()

    @property
    def promised_gain(self) -> float:
        """That of the other estimator, infinite before the race is over.

        Raises:
            AttributeError: the other estimator is none that ``SupportsPromise``.
        """
        if not isinstance(self._inner, SupportsPromise):
            raise AttributeError("promised_gain")
        return math.inf if self.is_racing else self._inner.promised_gain

    def _end_round(self, ended: _Round) -> None:
        line = self._lines[0]
        self._won |= ended.winner is not None
        self._round = line.next_round(ended)
        if self._round:
            self._start = line.best
            return
        self._start = line.minimum()
        self._lines.popleft()
        self._begin_line()

    def _begin_line(self) -> None:
        while self._lines:
            self._round = self._lines[0].first_round(self._start)
            if self._round:
                return
            self._lines.popleft()
        if not np.array_equal(self._start, self._space.start):
            self._inner = self._make(replace(self._space, start=self._start, won=self._won))


class _Line:
    """Positions at whole numbers of steps from an origin, and what is known of the losses there."""

    def __init__(self, space: SearchSpace, step: Floats) -> None:
        self._space, self._step = space, np.asarray(step, np.float64)
        self._rises: dict[int, float] = {}
        """Mean loss at a position minus that at the one before it."""

    def first_round(self, origin: Floats) -> _Round | None:
        self._origin, self._at = origin, 0
        return self._race(1, -1)

    def next_round(self, ended: _Round) -> _Round | None:
        """The round after ``ended``, if a rival has won it and is not at the end of the line."""
        for position, rise in ended.mean_rises.items():
            forth = position > self._at
            self._rises[position if forth else self._at] = rise if forth else -rise
        if ended.winner is None:
            return None
        direction, self._at = ended.winner - self._at, ended.winner
        return self._race(direction)

    @property
    def best(self) -> Floats:
        """The best position ``(k,)``."""
        return self._place(self._at)

    def minimum(self) -> Floats:
        """The minimum ``(k,)`` of the parabola through the best position and both neighbours."""
        before, after = self._rises.get(self._at), self._rises.get(self._at + 1)
        if before is None or after is None or after <= before:
            return self.best
        # The parabola rises by ``before`` on the step to the best position, by ``after`` on the next.
        offset = min(0.5, max(-0.5, (before + after) / 2 / (before - after)))
        return self._place(self._at + round(FINEST * offset) / FINEST)

    def _race(self, *directions: int) -> _Round | None:
        rivals = {self._at + way: self._place(self._at + way) for way in directions}
        within = {position: z for position, z in rivals.items() if np.array_equal(z, self._space.clip(z))}
        return _Round(self.best, within) if within else None

    def _place(self, position: float) -> Floats:
        return np.asarray(self._origin + position * self._step, np.float64)


class _Round:
    """An incumbent and its rivals by position on a line, on common images until each rival has won or lost."""

    def __init__(self, incumbent: Floats, rivals: dict[int, Floats]) -> None:
        self._incumbent, self._rivals = incumbent, rivals
        self._rises: dict[int, list[float]] = {position: [] for position in rivals}
        self._left = tuple(rivals)
        self._pending: deque[tuple[int, ...]] = deque()
        self._told = 0
        self.asked = 0
        """Images asked for so far."""
        self.winner: int | None = None
        """Position of the rival that takes the incumbent's place."""

    @property
    def is_over(self) -> bool:
        """Whether one rival has won, or all have lost."""
        return self.winner is not None or not self._left

    @property
    def mean_rises(self) -> dict[int, float]:
        """Mean loss of every rival minus that of the incumbent."""
        return {position: float(np.mean(rises)) for position, rises in self._rises.items()}

    def ask(self) -> Proposal:
        images = MORE_IMAGES if self.asked else FIRST_IMAGES
        self.asked += images
        self._pending.append(self._left)
        candidates = np.array([self._incumbent, *(self._rivals[position] for position in self._left)])
        return replace(Proposal.crossed(candidates, images), uneven=True)

    def tell(self, proposal: Proposal, losses: Floats) -> None:
        own, *others = losses.reshape(-1, proposal.images)
        weights = np.ones(proposal.images) if proposal.weights is None else proposal.weights
        for position, other in zip(self._pending.popleft(), others, strict=True):
            self._rises[position].extend((weights * (other - own)).tolist())
        self._told += proposal.images
        last = self._told >= MOST_IMAGES
        scores = {position: _in_standard_errors(self._rises[position]) for position in self._left}
        best = min(self._left, key=self.mean_rises.__getitem__)
        if scores[best] <= (WON_AT_LAST if last else WON):
            self.winner = best
        self._left = () if last else tuple(position for position, score in scores.items() if score < LOST)


def _in_standard_errors(rises: list[float]) -> float:
    mean, spread = float(np.mean(rises)), float(np.std(rises, ddof=1))
    return mean / max(spread, 1e-12) * math.sqrt(len(rises))
