"""Images before and after a change as arrays for pictures, whether they have one size or keep their own."""

from __future__ import annotations

import numpy as np

from blackbox_dft._utils.types import ImageBytes, Ints
from blackbox_dft.data.photos import NOMINAL_SIDE, Photos
from blackbox_dft.deploy.tuning import Tuning
from blackbox_dft.images.fitting import Fitting

CANVAS = Fitting("pad:grey")
"""Photos are shown small, on a square of one size."""


def before_and_after(images: ImageBytes | Photos, indices: Ints, tuning: Tuning) -> tuple[ImageBytes, ImageBytes]:
    """Some of the images as they are and changed, ``(N, H, W, C)`` each; photos on a grey square."""
    if not isinstance(images, Photos):
        return images[indices], tuning(images[indices])
    small = [images.small(index) for index in indices.tolist()]
    square = (NOMINAL_SIDE, NOMINAL_SIDE)
    before = [CANVAS(one, square) for one in small]
    after = [CANVAS(tuning(one[None])[0], square) for one in small]
    return np.stack(before), np.stack(after)


def of_one_size(images: ImageBytes | Photos, count: int, tuning: Tuning) -> ImageBytes:
    """The first images at the tuning's own shape, to measure on."""
    if not isinstance(images, Photos):
        return images[:count]
    return images.stretched(np.arange(min(count, len(images))), tuning.shape[:2])
