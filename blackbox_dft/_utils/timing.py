"""How long a call takes, found without taking long."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

Result = TypeVar("Result")

SHORT = 0.01
"""Seconds; a call that takes less is made again, as the first one also allocates memory."""


def timed(call: Callable[[], Result]) -> tuple[Result, float]:
    """What ``call`` returns, and its seconds: of a second call if the first was short.

    >>> timed(lambda: sum(range(10)))[0]
    45
    """
    for _ in range(2):
        start = time.perf_counter()
        result = call()
        seconds = time.perf_counter() - start
        if seconds > SHORT:
            break
    return result, seconds
