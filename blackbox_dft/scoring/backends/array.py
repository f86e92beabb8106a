"""From indices and z to scores, where the model is: in this process, or on an actor of a cluster."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from blackbox_dft._utils.types import Floats, ImageBytes, Images, Ints, Scores
from blackbox_dft.images.encoding import Encoding, to_floats
from blackbox_dft.spaces.base import Space
from blackbox_dft.targets.base import Ask, Target


def sent_images(images: ImageBytes, space: Space, z: Floats, encoding: Encoding) -> ImageBytes | Images:
    """Images ``(N, H, W, C)`` as the target is sent them under ``z (k,)`` or ``(N, k)``."""
    return encoding.encode(space.apply(to_floats(images), z))


@dataclass(frozen=True, eq=False)
class Asker:
    """Scores ``(N, K)`` of images ``indices (N,)`` of a pool under ``z (k,)`` or ``(N, k)``.

    Unchanged images always go to the target itself, so that their scores do not depend on the path.
    """

    images: ImageBytes
    space: Space
    target: Target
    encoding: Encoding
    fused: Ask | None = None

    def __call__(self, indices: Ints, z: Floats) -> Scores:
        """Asks the model."""
        if self.fused and not np.array_equal(z, self.space.initial()):
            return self.fused(indices, z)
        return self.target.scores(self.sent(indices, z))

    def sent(self, indices: Ints, z: Floats) -> ImageBytes | Images:
        """What the target is sent where images are changed as arrays."""
        if np.array_equal(z, self.space.initial()):
            return self.encoding.encode_bytes(self.images[indices])
        return sent_images(self.images[indices], self.space, z, self.encoding)
