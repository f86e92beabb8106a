"""View backend: scores images under a z of the run's space, or under a longer one, a view of it."""

from __future__ import annotations

from concurrent.futures import Future

import numpy as np

from blackbox_dft._utils.types import Floats, Ints
from blackbox_dft.scoring.backends.base import Backend, Send
from blackbox_dft.spaces.viewed import GEOMETRY


class ViewBackend:
    """Sends queries by the length of z: those of the run's own space to ``plain``, views to ``viewed``.

    The two are never used at once, as both work with all threads that the target allows. Without ``plain``, ``viewed``
    scores a z of the run's space too, as a view that is neither mirrored nor moved.
    """

    def __init__(self, viewed: Backend, size: int, plain: Backend | None = None) -> None:
        self._viewed, self._size, self._plain = viewed, size, plain
        self.concurrency = (plain or viewed).concurrency

    def prepare(self, indices: Ints, z: Floats) -> Future[Send]:
        """That of the backend that the query goes to."""
        if z.shape[-1] != self._size:
            return self._viewed.prepare(indices, z)
        if self._plain:
            return self._plain.prepare(indices, z)
        return self._viewed.prepare(indices, np.concatenate([np.zeros((*z.shape[:-1], GEOMETRY)), z], axis=-1))

    def close(self) -> None:
        """Closes both."""
        self._viewed.close()
        if self._plain:
            self._plain.close()
