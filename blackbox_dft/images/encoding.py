"""Image encodings sent to the target (PNG, JPEG, or floats), bytes <-> floats, and luma weights."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from blackbox_dft._utils.types import ImageBytes, Images
from blackbox_dft.errors import InputError

LUMA_WEIGHTS = np.array([0.299, 0.587, 0.114], np.float32)
"""Weights of red, green and blue in the brightness of a pixel (ITU-R BT.601, 2.5.1)."""


HALF_UP = 2.0**-16
"""Of a level; OpenCV rounds halves to even. No less would make a difference to the larger levels as floats."""


def to_floats(images: ImageBytes | Images, out: Images | None = None) -> Images:
    """8-bit levels divided by 255, float32 in [0, 1]; floats are returned as they are (or copied to ``out``).

    >>> to_floats(np.array([0, 51, 255], np.uint8))
    array([0. , 0.2, 1. ], dtype=float32)
    """
    if images.dtype == np.uint8:
        return np.divide(images, np.float32(255), out=out, dtype=np.float32)
    if out is None:
        return np.asarray(images, np.float32)
    np.copyto(out, images)
    return out


def to_bytes(images: ImageBytes | Images, out: ImageBytes | None = None) -> ImageBytes:
    """Floats in [0, 1] rounded to the nearest of 256 levels; bytes are returned as they are (or copied to ``out``).

    Halves are rounded up, not to even, so that rounding commutes with a shift by whole levels. ``out`` is contiguous.

    >>> to_bytes(np.array([0, 0.2, 1], np.float32))
    array([  0,  51, 255], dtype=uint8)
    """
    if images.dtype == np.uint8:
        if out is None:
            return np.asarray(images, np.uint8)
        np.copyto(out, images)
        return out
    import cv2

    rounded = np.empty(images.shape, np.uint8) if out is None else out
    if images.size:
        rows = -1, images.shape[-1]
        floats = np.ascontiguousarray(images, np.float32).reshape(rows)
        cv2.convertScaleAbs(floats, dst=rounded.reshape(rows), alpha=255, beta=HALF_UP)
    return rounded


@dataclass(frozen=True)
class Encoding:
    """How images are sent: ``none`` leaves floats as they are, ``png`` rounds to 8 bits, ``jpeg:Q`` compresses too.

    >>> grey = np.full((1, 2, 2, 3), 0.501, np.float32)
    >>> Encoding.parse("png").encode(grey)[0, 0, 0]
    array([128, 128, 128], dtype=uint8)
    >>> Encoding.parse("none").encode(grey)[0, 0, 0]
    array([0.501, 0.501, 0.501], dtype=float32)
    >>> str(Encoding.parse("jpeg:95"))
    'jpeg:95'
    """

    kind: str = "png"
    quality: int = 0

    @classmethod
    def parse(cls, text: str) -> Encoding:
        """Reads ``none``, ``png`` or ``jpeg:95``.

        Raises:
            InputError: the text is none of these.
        """
        kind, _, quality = text.partition(":")
        if kind in ("none", "png") and not quality:
            return cls(kind)
        if kind == "jpeg" and quality.isdigit() and 1 <= int(quality) <= 100:
            return cls(kind, int(quality))
        raise InputError(f"unknown encoding {text!r}: give --encoding none, png or jpeg:Q with Q from 1 to 100.")

    def __str__(self) -> str:
        return f"jpeg:{self.quality}" if self.kind == "jpeg" else self.kind

    @property
    def levels(self) -> bool:
        """Whether images are rounded to 8 bits."""
        return self.kind != "none"

    def encode(self, images: Images) -> ImageBytes | Images:
        """Float images ``(N, H, W, C)`` as the target receives them: uint8, or unchanged for ``none``."""
        if self.kind == "none":
            return images
        rounded = to_bytes(images)
        return rounded if self.kind == "png" else through_jpeg(rounded, self.quality)

    def encode_bytes(self, images: ImageBytes) -> ImageBytes | Images:
        """Equals ``encode(to_floats(images))``, but does not convert 8-bit images back and forth."""
        if self.kind == "none":
            return to_floats(images)
        return images if self.kind == "png" else through_jpeg(images, self.quality)


def through_jpeg(images: ImageBytes, quality: int) -> ImageBytes:
    """Compresses each image ``(N, H, W, 3)`` to JPEG of a quality from 1 to 100, and decodes it again."""
    import cv2

    decoded = np.empty_like(images)
    for image, out in zip(images, decoded, strict=True):
        # OpenCV takes one image a call, in the order blue, green, red.
        _, data = cv2.imencode(".jpg", image[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])
        out[...] = np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR))[..., ::-1]
    return decoded
