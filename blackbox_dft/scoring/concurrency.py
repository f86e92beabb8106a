"""How many requests at once serve most images a second: found out while a run is asking what it needs anyway."""

from __future__ import annotations

import time
from collections.abc import Callable

from blackbox_dft.targets.base import Elastic

GROWTH = 1.1
"""More requests at once must serve so many times the images/s of half as many, or they only burden the server."""
LEAST = 4
"""Answers a number of requests at once is judged by, at least."""


class Probe:
    """Doubles the number of requests at once (1, 2, 4 ... ``most``) as long as that serves over 10 % more images/s.

    ``heard`` is told of every answer; ``concurrency`` says how many requests may be under way. A server that says to
    wait gets half as many as it said so at. Other trouble, or an end before growth stops, says nothing of how many are
    best: then it is what was best so far, and no fewer than the target's own ``workers``.

    Args:
        most: requests at once, at most.
    """

    def __init__(self, target: Elastic, most: int, clock: Callable[[], float] = time.perf_counter) -> None:
        self.target, self.most, self._clock = target, most, clock
        self.concurrency = 1
        self.rates: dict[int, float] = {}
        """Images/s by requests at once."""
        self.settled = False
        self.why = ""
        """What ended it, where it was not the best being found."""
        self._resent, self._slowed = target.resent, target.slowed
        self._answers = self._images = 0
        self._began = 0.0

    def heard(self, images: int) -> None:
        """An answer to so many images has come."""
        if self.settled:
            return
        if self.target.slowed > self._slowed:
            self._settle(max(1, self.concurrency // 2), f"the server asked for fewer than {self.concurrency}")
        elif self.target.resent > self._resent:
            self.lost()
        else:
            self._count(images)

    def _count(self, images: int) -> None:
        level = self.concurrency
        self._answers += 1
        # Those under way when the number rose are not counted; the clock starts when they have come.
        if self._answers == level:
            self._began, self._images = self._clock(), 0
        elif self._answers > level:
            self._images += images
        if self._answers < level + max(level, LEAST):
            return
        self.rates[level] = self._images / max(self._clock() - self._began, 1e-9)
        half = level // 2
        if half and self.rates[level] < GROWTH * self.rates[half]:
            self._settle(half)
        elif 2 * level > self.most:
            self._settle(level)
        else:
            self.concurrency, self._answers = 2 * level, 0

    def lost(self) -> None:
        """A request failed."""
        self._fall_back("some requests failed")

    def end(self) -> None:
        """The images have run out."""
        self._fall_back("too few images to tell")

    def _fall_back(self, why: str) -> None:
        if not self.settled:
            best = max(self.rates, key=self.rates.__getitem__, default=1)
            self._settle(min(self.most, max(best, self.target.workers)), why)

    def _settle(self, concurrency: int, why: str = "") -> None:
        self.concurrency, self.why, self.settled = concurrency, why, True

    def __str__(self) -> str:
        measured = ", ".join(f"{level}: {rate:,.0f}" for level, rate in self.rates.items())
        reasons = [self.why] if self.why else []
        reasons += [f"images/s {measured}"] if measured else []
        requests = "request" if self.concurrency == 1 else "requests"
        return f"{self.concurrency} {requests} at once" + (f" ({'; '.join(reasons)})" if reasons else "")
