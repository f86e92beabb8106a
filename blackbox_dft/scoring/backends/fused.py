"""Fused backend: the change and the model are one ONNX graph; indices and z go in, scores come out."""

from __future__ import annotations

from concurrent.futures import Future

from blackbox_dft._utils.types import Floats, Ints, Scores
from blackbox_dft.fusion.fused_path import FusedPath
from blackbox_dft.scoring.backends.array import ArrayBackend
from blackbox_dft.scoring.backends.base import CallThreads, Send
from blackbox_dft.spaces.applying import is_identity


class FusedBackend:
    """Scores changed images by ``path``, unchanged ones by ``array``, so that their scores depend on no path."""

    def __init__(self, array: ArrayBackend, path: FusedPath) -> None:
        self.array, self.path = array, path
        self._threads = CallThreads(array.target.workers)
        self.concurrency = self._threads.count

    def scores(self, indices: Ints, z: Floats) -> Scores:
        """Scores ``(N, K)`` of images ``indices (N,)`` under ``z (k,)`` or ``(N, k)``."""
        if is_identity(self.array.space, z):
            return self.array.scores(indices, z)
        return self.path(indices, z)

    def prepare(self, indices: Ints, z: Floats) -> Future[Send]:
        """A call in a thread of its own."""
        return self._threads.prepare(self.scores, indices, z)

    def close(self) -> None:
        """Waits for running calls."""
        self._threads.close()
        self.array.close()
