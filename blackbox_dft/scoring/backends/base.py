"""The contract of a backend: where images are changed and scored."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import Protocol, TypeAlias

from typing_extensions import override

from blackbox_dft._utils.types import Floats, Ints, Scores

Send: TypeAlias = Callable[[], Future[Scores]]
"""Sends a prepared request, without waiting for the response."""
ScoreFunction: TypeAlias = Callable[[Ints, Floats], Scores]
"""Scores ``(N, K)`` of images ``indices (N,)`` of a pool under ``z (k,)`` or ``(N, k)``; may be called from threads."""


class Backend(Protocol):
    """Scores images ``indices (N,)`` of a pool under one ``z (k,)``, or each under its own, ``(N, k)``.

    The scorer calls ``prepare`` in advance of need and calls its result once the request is recorded in the ledger.
    Both happen in the thread that runs the search; the response is awaited there too, so neither call may block.
    """

    concurrency: int
    """Requests that it works on at once if no number is given and none was found."""

    def prepare(self, indices: Ints, z: Floats) -> Future[Send]:
        """Starts to prepare a request; the result sends it."""
        ...

    def close(self) -> None:
        """Waits for running calls and releases threads and workers. The target is closed by its owner."""
        ...


class _Prepared(Future[Send]):
    """A request that is prepared from the start; it does without the locks of other futures."""

    def __init__(self, send: Send) -> None:
        self._send = send

    @override
    def done(self) -> bool:
        return True

    @override
    def result(self, timeout: float | None = None) -> Send:
        return self._send

    @override
    def add_done_callback(self, fn: Callable[[Future[Send]], object]) -> None:
        fn(self)


class CallThreads:
    """Threads that call a ``ScoreFunction``, for backends whose calls block.

    A call runs in a thread of its own even if there is only one: Ctrl-C would interrupt it in the main thread, although
    its response may have been paid for.
    """

    def __init__(self, count: int) -> None:
        self.count = count
        self._threads = ThreadPoolExecutor(count, "score")

    def prepare(self, score: ScoreFunction, indices: Ints, z: Floats) -> Future[Send]:
        """Nothing is prepared in advance: changing images takes the same cores as scoring them."""
        return _Prepared(partial(self._threads.submit, score, indices, z))

    def close(self) -> None:
        """Waits for running calls."""
        self._threads.shutdown()
