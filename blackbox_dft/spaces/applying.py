"""A change applied to images, as a target receives them: in runs, in predictions and in services alike."""

from __future__ import annotations

import numpy as np

from blackbox_dft._utils.types import Floats, ImageBytes, Images
from blackbox_dft.images.encoding import Encoding, through_jpeg
from blackbox_dft.spaces.base import Space
from blackbox_dft.spaces.blocks import changed_images


def sent_images(space: Space, encoding: Encoding, images: ImageBytes | Images, z: Floats) -> ImageBytes | Images:
    """``images (N, H, W, 3)`` under ``z (k,)`` or ``(N, k)``, encoded; unchanged bytes are not taken through floats.

    >>> from blackbox_dft.spaces import make_space
    >>> images = np.full((1, 2, 2, 3), 51, np.uint8)
    >>> sent = sent_images(make_space("color", (2, 2, 3)), Encoding("none"), images, np.zeros(6))
    >>> round(float(sent.max()), 6)
    0.2
    """
    if images.dtype == np.uint8 and is_identity(space, z):
        return encoding.encode_bytes(np.asarray(images, np.uint8))
    changed = changed_images(space, images, z, levels=encoding.levels)
    return through_jpeg(np.asarray(changed, np.uint8), encoding.quality) if encoding.kind == "jpeg" else changed


def is_identity(space: Space, z: Floats) -> bool:
    """Whether ``z (k,)`` leaves images as they are; ``(N, k)`` is taken for a change."""
    return np.array_equal(z, space.initial())
