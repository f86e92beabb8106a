"""Limits of a service: sizes, times, what may wait, and how many images may be sent to the target in all."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

MIB = 2**20


@dataclass(frozen=True)
class Limits:
    """What a service refuses.

    >>> Limits(deadline=5).queue
    256
    """

    deadline: float = 30.0
    """Seconds that a client waits for a result."""
    queue: int = 256
    """Requests for results that a worker process works on, those that wait included."""
    tries: int = 4
    """Of an image at the target: if one request of twenty fails, one image of 160,000 gets no result."""
    body: int = 256 * MIB
    """Bytes of a request."""
    image: int = 20 * MIB
    """Bytes of an image file."""
    pixels: int = 40_000_000
    """Of an image."""


class ImageBudget:
    """Images that may still be sent, counted over all worker processes; without a limit if there is no counter.

    >>> from multiprocessing import Value
    >>> budget = ImageBudget(Value("q", 3))
    >>> budget.take(2), budget.take(2), budget.spent
    (True, False, False)
    """

    def __init__(self, left: Any = None) -> None:
        self._left = left

    def take(self, count: int) -> bool:
        """Whether ``count`` images may be sent; they are taken off."""
        if self._left is None:
            return True
        with self._left.get_lock():
            enough = bool(self._left.value >= count)
            self._left.value -= count if enough else 0
        return enough

    def give_back(self, count: int) -> None:
        """Of images that were not sent after all, or not served."""
        if self._left is not None:
            with self._left.get_lock():
                self._left.value += count

    @property
    def spent(self) -> bool:
        """Whether not a single image may be sent."""
        return self._left is not None and self._left.value < 1
