"""Turns of threads at work that needs Python's interpreter lock for a moment at every step.

To change a small image takes a dozen calls of OpenCV and NumPy, of a few microseconds each, and each has to get the
interpreter lock back at its end. Two threads at it wait for each other at every call, which takes up to twice the
processor time. So threads take turns: half of them are at such work, and the others in a model meanwhile, which needs
no lock (``python benchmarks/speed/turns.py``).
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Semaphore, local

from blackbox_dft._utils.cpu import cores
from blackbox_dft._utils.types import Array

SMALL_BYTES = 2**19
"""Of an image as floats: a larger one keeps OpenCV busy for so long that the lock does not matter."""


class _Turns:
    """Those of this process."""

    def __init__(self) -> None:
        self.free = Semaphore(max(1, cores() // 2))
        self.of_thread = local()
        """Whether the thread has one: ``taken``."""


_turns = _Turns()


def _begin_anew() -> None:
    """In a forked process, where the threads that had turns are gone and would never give them back."""
    global _turns
    _turns = _Turns()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_begin_anew)


@contextmanager
def turn(images: Array) -> Iterator[None]:
    """A turn at work on ``images (N, H, W, C)``; none is needed for large ones, or by a thread that has one.

    A change of one's own may well ask a model: its images are prepared within the turn of the change.
    """
    turns = _turns
    if 4 * images[:1].size > SMALL_BYTES or getattr(turns.of_thread, "taken", False):
        yield
        return
    with turns.free:
        turns.of_thread.taken = True
        try:
            yield
        finally:
            turns.of_thread.taken = False
