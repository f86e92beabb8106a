"""How often requests may leave."""

from __future__ import annotations

import asyncio
import time

from blackbox_dft.errors import InputError


class RateLimit:
    """Spaces requests so that no second (or minute, or hour) holds more than it may."""

    def __init__(self, count: float, seconds: float) -> None:
        self.gap = seconds / count
        self._next = 0.0

    @classmethod
    def parse(cls, text: str) -> RateLimit:
        """``10/s``, ``600/m`` or ``5000/h``, requests."""
        number, slash, unit = text.partition("/")
        seconds = {"s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0}.get(unit)
        try:
            count = float(number)
        except ValueError:
            count = 0.0
        if not slash or seconds is None or not 0 < count < float("inf"):
            raise InputError(f"--rate {text!r} cannot be read: write 10/s, 600/m or 5000/h.")
        return cls(count, seconds)

    async def turn(self) -> None:
        """Waits until one more request may leave."""
        now = time.monotonic()
        at = max(now, self._next)
        self._next = at + self.gap
        await asyncio.sleep(at - now)
