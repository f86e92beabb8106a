"""HTTP backend: threads of this process change images and encode requests; no thread waits for a response."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor

from blackbox_dft._utils.cpu import cores
from blackbox_dft._utils.types import Floats, Ints
from blackbox_dft.scoring.backends.array import ArrayBackend
from blackbox_dft.scoring.backends.base import Send
from blackbox_dft.targets.base import ConcurrentTarget, FileTarget


class HttpBackend:
    """Changes images as ``array`` does and sends them to ``target``, which takes many requests at once."""

    def __init__(self, array: ArrayBackend, target: ConcurrentTarget) -> None:
        self._array, self._target = array, target
        self._threads = ThreadPoolExecutor(cores(), "score")
        self.concurrency = target.workers

    def prepare(self, indices: Ints, z: Floats) -> Future[Send]:
        """Changes and encodes the images in a thread, so that the request can be sent at once."""
        return self._threads.submit(self._prepared, indices, z)

    def _prepared(self, indices: Ints, z: Floats) -> Send:
        file = self._array.untouched(indices, z)
        if file and isinstance(self._target, FileTarget) and (send := self._target.prepare_file(*file)):
            return send
        return self._target.prepare(self._array.changed(indices, z))

    def close(self) -> None:
        """Waits for requests that are being prepared."""
        self._threads.shutdown()
        self._array.close()
