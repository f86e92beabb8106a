"""Small pictures inside a page, as ``data:`` addresses."""

from __future__ import annotations

import base64
from dataclasses import dataclass

import cv2
import numpy as np

from blackbox_dft._utils.types import Array, ImageBytes
from blackbox_dft.report.figures.contact_sheet import automatic_factor

LONGEST = 144
"""Pixels of the longer side; larger images are shrunk, smaller ones left to the page to enlarge."""
SMALL = 48
"""Images up to this are written without loss, as their pixels are seen one by one."""


@dataclass(frozen=True)
class Thumbnail:
    """An address for ``<img src>``, and the size of what it holds."""

    src: str
    width: int
    height: int
    coarse: bool
    """Whether its pixels are to be seen."""


def thumbnail(image: Array) -> Thumbnail:
    """``(H, W, 3)`` or ``(H, W, 1)`` uint8 RGB as a picture in the page."""
    height, width = image.shape[:2]
    longer = max(height, width)
    if longer > LONGEST:
        size = max(1, round(width * LONGEST / longer)), max(1, round(height * LONGEST / longer))
        image = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    image = image if image.ndim == 3 else image[..., None]
    coarse = longer <= SMALL
    pixels = np.ascontiguousarray(image[..., ::-1])
    quality = [cv2.IMWRITE_JPEG_QUALITY, 92, cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444]
    data = cv2.imencode(".png", pixels)[1] if coarse else cv2.imencode(".jpg", pixels, quality)[1]
    kind = "png" if coarse else "jpeg"
    src = f"data:image/{kind};base64,{base64.b64encode(data.tobytes()).decode()}"
    return Thumbnail(src, image.shape[1], image.shape[0], coarse)


def difference(before: ImageBytes, after: ImageBytes) -> tuple[ImageBytes, int]:
    """Middle grey and the magnified change ``(N, H, W, C)``, and what it was magnified by."""
    change = after.astype(np.int16) - before
    factor = automatic_factor(change)
    return (128 + factor * change).clip(0, 255).astype(np.uint8), factor
