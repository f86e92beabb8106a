"""Array backend: images are changed as NumPy arrays, then scored by the target in this process."""

from __future__ import annotations

from concurrent.futures import Future

from blackbox_dft._utils.types import Floats, ImageBytes, Images, Ints, Scores
from blackbox_dft.images.encoding import Encoding
from blackbox_dft.scoring.backends.base import CallThreads, Send
from blackbox_dft.spaces.applying import sent_images
from blackbox_dft.spaces.base import Space
from blackbox_dft.targets.base import Target


class ArrayBackend:
    """Changes images by ``space.apply`` and calls ``target.scores``, from ``target.workers`` threads at once."""

    def __init__(self, images: ImageBytes, space: Space, target: Target, encoding: Encoding) -> None:
        self.images, self.space, self.target, self.encoding = images, space, target, encoding
        self._threads = CallThreads(target.workers)
        self.concurrency = self._threads.count

    def scores(self, indices: Ints, z: Floats) -> Scores:
        """Scores ``(N, K)`` of images ``indices (N,)`` under ``z (k,)`` or ``(N, k)``."""
        return self.target.scores(self.changed(indices, z))

    def changed(self, indices: Ints, z: Floats) -> ImageBytes | Images:
        """The images as the target receives them; unchanged ones are not taken through floats."""
        return sent_images(self.space, self.encoding, self.images[indices], z)

    def prepare(self, indices: Ints, z: Floats) -> Future[Send]:
        """A call in a thread of its own."""
        return self._threads.prepare(self.scores, indices, z)

    def close(self) -> None:
        """Waits for running calls."""
        self._threads.close()
