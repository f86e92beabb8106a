"""Rate limit: spaces requests evenly over time."""

from __future__ import annotations

import asyncio
import time

from blackbox_dft.errors import InputError


class RateLimit:
    """Spaces requests evenly, so that at most ``count`` of them start in any ``seconds``.

    >>> RateLimit.parse("600/m").gap
    0.1
    """

    def __init__(self, count: float, seconds: float) -> None:
        self.gap = seconds / count
        """Seconds between two requests."""
        self._next = 0.0

    @classmethod
    def parse(cls, text: str) -> RateLimit:
        """Reads ``10/s``, ``600/m`` or ``5000/h``.

        Raises:
            InputError: anything else.
        """
        number, slash, unit = text.partition("/")
        seconds = {"s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0}.get(unit)
        try:
            count = float(number)
        except ValueError:
            count = 0.0
        if not slash or seconds is None or not 0 < count < float("inf"):
            raise InputError(f"--rate {text!r} cannot be read: write 10/s, 600/m or 5000/h.")
        return cls(count, seconds)

    async def wait(self) -> None:
        """Waits until one more request may be sent; called in the event loop, before each attempt."""
        await asyncio.sleep(self.reserve())

    @property
    def ahead(self) -> float:
        """Seconds until one more request may be sent."""
        return max(0.0, self._next - time.monotonic())

    def reserve(self) -> float:
        """Takes the next turn; returns the seconds until then.

        >>> limit = RateLimit(1, 60.0)
        >>> limit.reserve(), 59 < limit.ahead <= 60
        (0.0, True)
        """
        now = time.monotonic()
        start = max(now, self._next)
        self._next = start + self.gap
        return start - now
