"""What the target would really receive: 8-bit images, as PNG (lossless) or JPEG, or floats untouched."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from blackbox_dft._utils.types import ImageBytes, Images
from blackbox_dft.errors import InputError


@dataclass(frozen=True)
class Encoding:
    """``none`` sends float images as they are, ``png`` rounds them to 8 bits, ``jpeg:Q`` also compresses them."""

    kind: str = "png"
    quality: int = 0

    @classmethod
    def parse(cls, text: str) -> Encoding:
        """Reads ``none``, ``png`` or ``jpeg:95``."""
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
        """Float images ``(N, H, W, C)`` as the target sees them: uint8, or unchanged for ``none``."""
        if self.kind == "none":
            return images
        rounded = to_bytes(images)
        return rounded if self.kind == "png" else through_jpeg(rounded, self.quality)

    def encode_bytes(self, images: ImageBytes) -> ImageBytes | Images:
        """The same for images that nothing has changed; equals ``encode(to_floats(images))``."""
        if self.kind == "none":
            return to_floats(images)
        return images if self.kind == "png" else through_jpeg(images, self.quality)


def to_floats(images: ImageBytes) -> Images:
    """8-bit levels to float32 in [0, 1]."""
    return np.divide(images, np.float32(255), dtype=np.float32)


def to_bytes(images: Images) -> ImageBytes:
    """Float images to the nearest 8-bit level, halves upwards: shifting by whole levels commutes with it."""
    scaled = images * np.float32(255)
    scaled += np.float32(0.5)
    return scaled.astype(np.uint8)


def through_jpeg(images: ImageBytes, quality: int) -> ImageBytes:
    """Each image compressed to JPEG and decoded again."""
    import cv2

    decoded = np.empty_like(images)
    for image, out in zip(images, decoded, strict=True):
        # The codec takes one image a call and blue first.
        _, data = cv2.imencode(".jpg", image[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])
        out[...] = np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR))[..., ::-1]
    return decoded
