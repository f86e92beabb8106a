"""Turns of threads at work that needs Python's interpreter lock for a moment at every step.

To change a small image takes a dozen calls of OpenCV and NumPy, of a few microseconds each, and each has to get the
interpreter lock back at its end. Two threads at it wait for each other at every call, which takes up to twice the
processor time. So threads take turns: half of them are at such work, and the others in a model meanwhile, which needs
no lock (``python benchmarks/speed/turns.py``).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Semaphore

from blackbox_dft._utils.cpu import cores
from blackbox_dft._utils.types import Array

SMALL_BYTES = 2**19
"""Of an image as floats: a larger one keeps OpenCV busy for so long that the lock does not matter."""

_turns = Semaphore(max(1, cores() // 2))


@contextmanager
def turn(images: Array) -> Iterator[None]:
    """A turn at work on ``images (N, H, W, C)``; none is needed for large ones. Must not be taken within another."""
    if 4 * images[:1].size > SMALL_BYTES:
        yield
        return
    with _turns:
        yield
