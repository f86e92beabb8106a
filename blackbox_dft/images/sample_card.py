"""A test card: one image that shows changes of geometry and tone."""

from __future__ import annotations

import numpy as np

from blackbox_dft._utils.types import ImageBytes


def card(shape: tuple[int, int, int]) -> ImageBytes:
    """A test card ``(H, W, C)``: grey steps, a ramp, colours and a raster, to show changes of geometry and tone.

    >>> card((32, 32, 3)).shape
    (32, 32, 3)
    """
    height, width, depth = shape
    y, x = np.mgrid[0:height, 0:width]
    u, v = x / max(1, width - 1), y / max(1, height - 1)
    steps = np.floor(u * 8).clip(0, 7) / 7
    colours = np.stack([np.clip(2 - np.abs(6 * u - at) % 6, 0, 1) for at in (0, 2, 4)], -1)
    image = np.where((v < 0.34)[..., None], steps[..., None], np.where((v > 0.66)[..., None], colours, u[..., None]))
    raster = (x % max(2, width // 8) == 0) | (y % max(2, height // 8) == 0)
    image[raster] = 1 - np.round(image[raster].mean(axis=-1, keepdims=True))
    return np.asarray(np.rint(255 * (image if depth == 3 else image.mean(axis=-1, keepdims=True))), np.uint8)
