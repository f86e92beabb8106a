"""When a slow request is sent a second time (hedged requests: Dean and Barroso, The Tail at Scale, 2013)."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future

import numpy as np

from blackbox_dft._utils.types import Scores
from blackbox_dft.targets.base import Elastic

PHASE = "hedge"
"""What the ledger calls second requests."""
SLOW = 0.95
"""Quantile of the latest answers' times that a slow request exceeds."""
TIMES = 2.0
"""And so many times their median, or second requests would cost and gain nothing where all take about as long."""
LEAST = 20
"""Answers that have to be known first."""
MEMORY = 200
"""Answers that are remembered."""


class Hedging:
    """Says after how many seconds a request is slow, and whether another image may still be asked for twice.

    Args:
        allowance: images that may be.
    """

    def __init__(self, target: Elastic, allowance: int, clock: Callable[[], float] = time.perf_counter) -> None:
        self.allowance = allowance
        self.clock = clock
        self._target = target
        self._seconds: deque[float] = deque(maxlen=MEMORY)

    def heard(self, seconds: float) -> None:
        """A request was answered after so long."""
        self._seconds.append(seconds)

    @property
    def after(self) -> float | None:
        """Seconds after which a request is slow; nothing while that is not known."""
        if len(self._seconds) < LEAST:
            return None
        median, slow = np.quantile(self._seconds, [0.5, SLOW])
        return max(float(slow), TIMES * float(median))

    def allows(self, images: int) -> bool:
        """Whether so many more may be asked for twice now: not while the server makes requests wait."""
        return images <= self.allowance and not self._target.waiting

    def drop(self, answer: Future[Scores]) -> None:
        """The answer is no longer wanted."""
        self._target.drop(answer)
