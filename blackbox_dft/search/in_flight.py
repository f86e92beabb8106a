"""Proposals in flight: how many there are at a moment of the search, and how many of them are submitted as one.

What is in flight decides what the estimator knows when it proposes, and what is submitted as one decides which images
share a call. So neither may depend on time: both follow from the number of proposals told, and from levels that were
measured once and recorded.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

MAX_IN_FLIGHT = 64
"""Proposals in flight, at most."""
TOLD_EACH = 8
"""Proposals told, for each in flight, at least: what the estimator does not know yet stays a small part."""
MIN_SPEEDUP = 1.1
"""Twice the proposals in flight must serve this many times the images/s."""
MAX_FAILED = 2
"""How often they may fail to do so."""
MIN_PROPOSALS, MIN_SECONDS = 8, 0.02
"""That a measurement takes, at least; and twice as many proposals as are in flight."""
MIN_SENT = 0.75
"""Share of the queries told that this process must have sent for a measurement to count."""


class InFlight(Protocol):
    """How many proposals of a search are in flight. Called by the search loop, in its thread."""

    def room(self, pending: int) -> int:
        """How many proposals to submit together now that ``pending`` are in flight; 0: none yet."""
        ...

    def step(self, queries: int, sent: int) -> None:
        """The losses of a proposal of so many ``queries`` were told; ``sent`` were sent since the one before it."""
        ...


@dataclass(frozen=True)
class FixedInFlight:
    """``limit`` proposals in flight all the time, of which ``together`` are submitted as one.

    >>> two_groups = FixedInFlight(8, together=4)
    >>> [two_groups.room(pending) for pending in (0, 4, 5, 8)]
    [4, 4, 0, 0]
    """

    limit: int = 1
    together: int = 1

    def room(self, pending: int) -> int:
        """How many proposals to submit together now that ``pending`` are in flight; 0: none yet."""
        return self.together if pending + self.together <= self.limit else 0

    def step(self, queries: int, sent: int) -> None:
        """Changes nothing."""


def sent_together(in_flight: int, *, proposal: int, batch: int, at_once: int) -> int:
    """How many of the proposals in flight are submitted as one, so that they fill requests.

    Proposals of ``proposal`` queries fill a request of ``batch`` images, but ``at_once`` requests stay in flight: the
    target has the next one while the losses of one are told.

    >>> sent_together(8, proposal=16, batch=256, at_once=2), sent_together(8, proposal=16, batch=8, at_once=16)
    (4, 1)
    """
    return max(1, min(batch // proposal, in_flight // at_once))


def useful_in_flight(*, proposal: int, batch: int, at_once: int) -> int:
    """Proposals in flight that fill ``at_once`` requests of ``batch`` images; no more than ``MAX_IN_FLIGHT``.

    >>> useful_in_flight(proposal=16, batch=256, at_once=2), useful_in_flight(proposal=16, batch=8, at_once=16)
    (32, 8)
    """
    return min(MAX_IN_FLIGHT, max(1, math.ceil(at_once * batch / proposal)))


class Change(NamedTuple):
    """From a moment of the search on, how many proposals are in flight, and how many are submitted as one."""

    told: int
    """Proposals told by then."""
    limit: int
    together: int


class InFlightSearch:
    """Doubles the proposals in flight (1, 2, 4 ... ``most``) as long as that serves over 10 % more images/s.

    A level that serves no more is measured twice, and the one below again in between, as a machine has slow moments.
    Each change is recorded; a resumed run makes the recorded ones at the same moments, and measures from there on.

    >>> now, kept = 0.0, []
    >>> search = InFlightSearch(8, lambda limit: max(1, limit // 2), record=kept.append, clock=lambda: now)
    >>> for _ in range(200):  # More than two proposals in flight are scored no faster.
    ...     now += 0.01 / min(2, search.limit)
    ...     search.step(16, 16)
    >>> str(search)
    '2 proposals in flight (images/s 1: 1,600, 2: 3,200, 4: 3,200)'
    >>> kept[1]
    '{"changes": [[9, 2, 1], [20, 4, 2]], "rates": {"1": 1600.0, "2": 3200.0}, "failed": 0}'

    Args:
        most: proposals in flight.
        together: how many are submitted as one if so many are in flight.
        record: keeps a text, in order with the proposals.
        recorded: what it kept last, if anything.
        left: proposals that the search still needs, about; at its end no more than half of them are in flight, as all
            that are will be paid for.
        clock: seconds.
    """

    def __init__(
        self,
        most: int,
        together: Callable[[int], int],
        *,
        record: Callable[[str], None] = lambda text: None,
        recorded: str | None = None,
        left: Callable[[], float] = lambda: math.inf,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self.most = most
        self._together, self._record, self._left, self._clock = together, record, left, clock
        known: dict[str, Any] = json.loads(recorded) if recorded else {"changes": [], "rates": {}, "failed": 0}
        self.rates: dict[int, float] = {int(limit): rate for limit, rate in known["rates"].items()}
        """Images/s by proposals in flight, when last measured."""
        self.limit = 1
        """Proposals in flight now."""
        self._failed = int(known["failed"])
        """How often twice the proposals served no more."""
        self._changes = [Change(*change) for change in known["changes"]]
        self._made = 0
        """How many of them."""
        self._as_one, self._told, self._queries, self._sent = 1, 0, 0, 0
        self._begin(0)

    def room(self, pending: int) -> int:
        """How many proposals to submit together now that ``pending`` are in flight; 0: none yet."""
        limit, together = self.limit, self._as_one
        if (left := self._left() / 2) < limit:
            limit = max(1, int(left))
            together = min(together, max(1, limit // 2))
        return together if pending + together <= limit else 0

    def step(self, queries: int, sent: int) -> None:
        """The losses of a proposal were told; arguments as for ``InFlight.step``."""
        self._told += 1
        if self._made < len(self._changes):
            if self._told == self._changes[self._made].told:
                self._change()
            return
        self._proposals += 1
        if self._proposals > 0:
            self._queries, self._sent = self._queries + queries, self._sent + sent
        elif self._proposals == 0:
            self._began = self._clock()
        if self._proposals >= max(MIN_PROPOSALS, 2 * self.limit) and self._told >= 2 * TOLD_EACH * self.limit:
            self._look()

    def _begin(self, in_flight: int) -> None:
        """Begins to measure, once what was in flight is told."""
        self._proposals, self._began = -in_flight - 1, 0.0
        self._queries = self._sent = 0

    def _look(self) -> None:
        if self._failed >= MAX_FAILED or (seconds := self._clock() - self._began) < MIN_SECONDS:
            return
        now = self.limit
        # Scores that a resumed run has, or that are free, take no time.
        if self._sent < MIN_SENT * self._queries:
            self._begin(now)
            return
        self.rates[now] = round(self._sent / seconds, 1)
        before = self._changes[-2].limit if len(self._changes) > 1 else 1
        if before < now and self.rates[now] < MIN_SPEEDUP * self.rates[before]:
            self._failed += 1
            self._take(before)
        elif now < self.most:
            self._take(min(2 * now, self.most))

    def _take(self, limit: int) -> None:
        self._changes.append(Change(self._told, limit, self._together(limit)))
        self._record(json.dumps({"changes": self._changes, "rates": self.rates, "failed": self._failed}))
        self._change()

    def _change(self) -> None:
        before = self.limit
        _, self.limit, self._as_one = self._changes[self._made]
        self._made += 1
        self._begin(max(before, self.limit))

    def __str__(self) -> str:
        measured = ", ".join(f"{limit}: {rate:,.0f}" for limit, rate in self.rates.items())
        proposals = "proposal" if self.limit == 1 else "proposals"
        return f"{self.limit} {proposals} in flight" + (f" (images/s {measured})" if measured else "")
