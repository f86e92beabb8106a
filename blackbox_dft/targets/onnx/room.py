"""Room on a device: how many images may be in calls at once, of all runs together."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager


class Room:
    """Room for so many images, taken in the order of asking; may be used from any number of threads.

    What a model needs of a device's memory grows with the images that it works on. Without a bound, runs side by side
    would need as many times the memory of one.

    Args:
        images: that have room at once; a call of more waits until it is alone.

    >>> room = Room(512)
    >>> with room.taken(256), room.taken(16):
    ...     room.free
    240
    """

    def __init__(self, images: int) -> None:
        self._size = self.free = images
        self._changed = threading.Condition()
        # Held while waiting: small calls do not pass a large one for ever.
        self._turn = threading.Lock()

    @contextmanager
    def taken(self, images: int) -> Iterator[None]:
        """Waits until there is room for ``images``, which is taken within the block."""
        images = min(images, self._size)
        with self._turn, self._changed:
            self._changed.wait_for(lambda: self.free >= images)
            self.free -= images
        try:
            yield
        finally:
            with self._changed:
                self.free += images
                self._changed.notify()
