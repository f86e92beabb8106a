"""Small pictures inside a page as ``data:`` URLs, and the magnified difference of images."""

from __future__ import annotations

import base64
from dataclasses import dataclass

import cv2
import numpy as np

from blackbox_dft._utils.types import Array, ImageBytes

MAX_SIDE = 144
"""Pixels of the longer side; larger images are shrunk, smaller ones left to the page to enlarge."""
MAX_COARSE_SIDE = 48
"""Images up to this are written without loss, as their pixels are seen one by one."""


@dataclass(frozen=True)
class Thumbnail:
    """A URL for ``<img src>``, and the size of its picture."""

    src: str
    width: int
    height: int
    coarse: bool
    """Whether the page shows single pixels, without smoothing."""


def thumbnail(image: Array) -> Thumbnail:
    """``image``, uint8 ``(H, W, 3)`` RGB or ``(H, W, 1)``, as a picture in the page.

    >>> thumbnail(np.zeros((300, 150, 3), np.uint8)).height
    144
    """
    height, width = image.shape[:2]
    longer = max(height, width)
    if longer > MAX_SIDE:
        size = max(1, round(width * MAX_SIDE / longer)), max(1, round(height * MAX_SIDE / longer))
        image = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    image = image if image.ndim == 3 else image[..., None]
    coarse = longer <= MAX_COARSE_SIDE
    pixels = np.ascontiguousarray(image[..., ::-1])
    quality = [cv2.IMWRITE_JPEG_QUALITY, 92, cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444]
    data = cv2.imencode(".png", pixels)[1] if coarse else cv2.imencode(".jpg", pixels, quality)[1]
    kind = "png" if coarse else "jpeg"
    src = f"data:image/{kind};base64,{base64.b64encode(data.tobytes()).decode()}"
    return Thumbnail(src, image.shape[1], image.shape[0], coarse)


def magnified_difference(before: ImageBytes, after: ImageBytes) -> tuple[ImageBytes, int]:
    """Middle grey plus the magnified change ``(N, H, W, C)``, and the factor of the magnification.

    >>> before = np.full((1, 1, 1, 3), 100, np.uint8)
    >>> magnified_difference(before, before + np.array([3, 0, 1], np.uint8))[0].tolist()
    [[[[224, 128, 160]]]]
    """
    change = after.astype(np.int16) - before
    factor = magnification(change)
    return (128 + factor * change).clip(0, 255).astype(np.uint8), factor


def magnification(change: Array) -> int:
    """The largest power of two that keeps the 99th percentile of ``abs(change)`` within 127 levels; 1 for no change.

    >>> magnification(np.array([0, 8, -15]))
    8
    """
    usual = float(np.quantile(np.abs(change), 0.99))
    largest = usual if usual > 0 else float(np.abs(change).max())
    return 2 ** int(np.log2(127 / largest)) if 0 < largest <= 127 else 1
