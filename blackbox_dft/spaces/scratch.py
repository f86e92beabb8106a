"""Arrays for what lies between the steps of a change: taken from the system once a thread, not for every batch."""

from __future__ import annotations

import math
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
from numpy.typing import DTypeLike

from blackbox_dft._utils.types import Array

KEPT_BYTES = 2**22
"""Of an array that a thread keeps for the next batch at most; larger ones are of single large photos."""


class Scratch:
    """Arrays for what lies between the steps of a change, which a thread uses again for its next batch."""

    def __init__(self) -> None:
        self._buffers: list[Array] = []
        self._given = 0

    def __call__(self, shape: tuple[int, ...], kind: DTypeLike = np.float32) -> Array:
        """An array with any values in it, which is not given again during this batch."""
        size = math.prod(shape) * np.dtype(kind).itemsize
        if self._given == len(self._buffers):
            self._buffers.append(np.empty(0, np.uint8))
        if self._buffers[self._given].size < size:
            self._buffers[self._given] = np.empty(size, np.uint8)
        buffer = self._buffers[self._given][:size]
        self._given += 1
        return buffer.view(kind).reshape(shape)

    def owns(self, array: Array) -> bool:
        """Whether ``array`` is one of these, or a part of one, and so may be overwritten."""
        return any(array.base is buffer for buffer in self._buffers)

    def release(self) -> None:
        """Ends a batch."""
        self._buffers = [buffer if buffer.size <= KEPT_BYTES else np.empty(0, np.uint8) for buffer in self._buffers]
        self._given = 0


_of_thread = threading.local()


@contextmanager
def scratch_of_thread() -> Iterator[Scratch]:
    """The thread's arrays for one batch; a batch within a batch gets others."""
    scratch: Scratch = getattr(_of_thread, "scratch", None) or Scratch()
    _of_thread.scratch = None
    try:
        yield scratch
    finally:
        scratch.release()
        _of_thread.scratch = scratch
