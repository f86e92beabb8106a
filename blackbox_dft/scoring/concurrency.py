"""Concurrency search: the number of requests at once with the most images/s, measured on queries the run needs."""

from __future__ import annotations

import time
from collections.abc import Callable

from blackbox_dft.targets.base import ConcurrentTarget

MIN_SPEEDUP = 1.1
"""Twice as many requests at once must serve this many times the images/s, or they only load the server."""
MIN_RESPONSES = 4
"""Responses that a level is judged by, at least."""


class ConcurrencySearch:
    """A concurrency policy: doubles the limit (1, 2, 4 ... ``most``) as long as that serves over 10 % more images/s.

    If the server asks for fewer requests, the limit falls to half of the level at which it did. If requests fail, or
    ``end`` is called before growth stops, nothing is known of higher levels: the limit is the best so far, and not
    below the target's own ``workers``. Once settled, the limit stays.

    Args:
        target: whose counters of retries and throttling are read.
        most: the highest limit.
    """

    def __init__(self, target: ConcurrentTarget, most: int, clock: Callable[[], float] = time.perf_counter) -> None:
        self.target, self.most, self._clock = target, most, clock
        self.limit = 1
        self.rates: dict[int, float] = {}
        """Images/s by requests at once."""
        self.settled = False
        self.reason = ""
        """What ended the search early; empty if the best limit was found."""
        self._resent, self._slowed = target.retries, target.throttled
        self._responses = self._images = 0
        self._started = 0.0

    def answered(self, images: int) -> None:
        """A response to a request of ``images`` images was recorded."""
        if self.settled:
            return
        if self.target.throttled > self._slowed:
            self._settle(max(1, self.limit // 2), f"the server asked for fewer than {self.limit}")
        elif self.target.retries > self._resent:
            self.lost()
        else:
            self._count(images)

    def lost(self) -> None:
        """A request failed."""
        self._fall_back("some requests failed")

    def end(self) -> None:
        """Settles for the best limit so far, as there are no more images to measure with."""
        self._fall_back("too few images to tell")

    def _count(self, images: int) -> None:
        level = self.limit
        self._responses += 1
        # Requests under way when the limit rose are not counted; the clock starts once they are answered.
        if self._responses == level:
            self._started, self._images = self._clock(), 0
        elif self._responses > level:
            self._images += images
        if self._responses < level + max(level, MIN_RESPONSES):
            return
        self.rates[level] = self._images / max(self._clock() - self._started, 1e-9)
        half = level // 2
        if half and self.rates[level] < MIN_SPEEDUP * self.rates[half]:
            self._settle(half)
        elif 2 * level > self.most:
            self._settle(level)
        else:
            self.limit, self._responses = 2 * level, 0

    def _fall_back(self, reason: str) -> None:
        if not self.settled:
            best = max(self.rates, key=self.rates.__getitem__, default=1)
            self._settle(min(self.most, max(best, self.target.workers)), reason)

    def _settle(self, limit: int, reason: str = "") -> None:
        self.limit, self.reason, self.settled = limit, reason, True

    def __str__(self) -> str:
        measured = ", ".join(f"{level}: {rate:,.0f}" for level, rate in self.rates.items())
        reasons = [self.reason] if self.reason else []
        reasons += [f"images/s {measured}"] if measured else []
        requests = "request" if self.limit == 1 else "requests"
        return f"{self.limit} {requests} at once" + (f" ({'; '.join(reasons)})" if reasons else "")
