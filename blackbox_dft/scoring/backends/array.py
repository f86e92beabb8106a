"""Array backend: images are changed as NumPy arrays, then scored by the target in this process."""

from __future__ import annotations

from concurrent.futures import Future

from blackbox_dft._utils.turns import turn
from blackbox_dft._utils.types import Floats, ImageBytes, Images, Ints, Scores
from blackbox_dft.data.photos import PhotoFile, Photos
from blackbox_dft.images.encoding import Encoding
from blackbox_dft.scoring.backends.base import CallThreads, Send
from blackbox_dft.spaces.any_size import at_shape
from blackbox_dft.spaces.applying import is_identity, sent_images
from blackbox_dft.spaces.base import Space
from blackbox_dft.targets.base import Target


class ArrayBackend:
    """Changes images by ``space.apply`` and calls ``target.scores``, from ``target.workers`` threads at once."""

    def __init__(self, images: ImageBytes | Photos, space: Space, target: Target, encoding: Encoding) -> None:
        self.images, self.space, self.target, self.encoding = images, space, target, encoding
        self._threads = CallThreads(target.workers)
        self.concurrency = self._threads.count

    def scores(self, indices: Ints, z: Floats) -> Scores:
        """Scores ``(N, K)`` of images ``indices (N,)`` under ``z (k,)`` or ``(N, k)``."""
        return self.target.scores(self.changed(indices, z))

    def changed(self, indices: Ints, z: Floats) -> ImageBytes | Images:
        """The images as the target receives them; unchanged ones are not taken through floats."""
        if isinstance(self.images, Photos):
            images = self.images.one(indices)
            height, width, depth = images.shape[1:]
            space = at_shape(self.space, (height, width, depth), levels=self.encoding.levels)
        else:
            images, space = self.images[indices], self.space
        if is_identity(self.space, z):
            return self.encoding.encode_bytes(images)
        with turn(images):
            return sent_images(space, self.encoding, images, z)

    def untouched(self, indices: Ints, z: Floats) -> PhotoFile | None:
        """The file of an unchanged photo, if the target may be sent just that."""
        if not isinstance(self.images, Photos) or self.encoding.kind != "png" or not is_identity(self.space, z):
            return None
        return self.images.file(int(indices[0]))

    def prepare(self, indices: Ints, z: Floats) -> Future[Send]:
        """A call in a thread of its own."""
        return self._threads.prepare(self.scores, indices, z)

    def close(self) -> None:
        """Waits for running calls."""
        self._threads.close()
