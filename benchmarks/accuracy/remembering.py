"""A backend that scores no image twice under one change: many runs of a benchmark share most of their queries.

Ledgers of the runs count as before, as they are above it: what a user would pay for is not what is computed here.
"""

from __future__ import annotations

from concurrent.futures import Future
from hashlib import blake2b

import numpy as np

from blackbox_dft._utils.types import Floats, Ints, Scores
from blackbox_dft.scoring.backends.base import Backend, Send

Memory = dict[tuple[int, bytes], Scores]
"""Scores ``(K,)`` by image and digest of z."""


class RememberingBackend:
    """Takes scores from ``memory``; those it does not hold come from another backend, and are added."""

    def __init__(self, backend: Backend, memory: Memory) -> None:
        self._backend, self._memory = backend, memory
        self.concurrency = backend.concurrency

    def prepare(self, indices: Ints, z: Floats) -> Future[Send]:
        """Prepares a request for the images that are missing."""
        rows = np.broadcast_to(np.atleast_2d(z), (len(indices), z.shape[-1]))
        keys = [(image, digest(row)) for image, row in zip(indices.tolist(), rows, strict=True)]
        missing = np.array([place for place, key in enumerate(keys) if key not in self._memory], np.int64)
        prepared: Future[Send] = Future()
        if not len(missing):
            done: Future[Scores] = Future()
            done.set_result(self._rows(keys))
            prepared.set_result(lambda: done)
            return prepared
        below = self._backend.prepare(indices[missing], z if z.ndim == 1 else z[missing])

        def send() -> Future[Scores]:
            found: Future[Scores] = Future()

            def finish(response: Future[Scores]) -> None:
                try:
                    for place, row in zip(missing.tolist(), response.result(), strict=True):
                        self._memory[keys[place]] = row
                    found.set_result(self._rows(keys))
                except BaseException as error:  # The scorer sees every failure.
                    found.set_exception(error)

            below.result()().add_done_callback(finish)
            return found

        prepared.set_result(send)
        return prepared

    def close(self) -> None:
        """Closes the backend below."""
        self._backend.close()

    def _rows(self, keys: list[tuple[int, bytes]]) -> Scores:
        return np.stack([self._memory[key] for key in keys])


def digest(z: Floats) -> bytes:
    """Of one z ``(k,)``."""
    return blake2b(np.ascontiguousarray(z).tobytes(), digest_size=12).digest()
