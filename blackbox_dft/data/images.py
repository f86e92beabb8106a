"""One image file in, one out: 8-bit RGB whatever the file holds."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np

from blackbox_dft.arrays import Array, ImageBytes
from blackbox_dft.errors import InputError
from blackbox_dft.files import write_atomically

SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff")
LARGEST = 100_000_000
"""Pixels of the largest image that is decoded; more is taken for a mistake or an attack."""


def list_images(folder: str | Path) -> list[Path]:
    """All image files below ``folder``, sorted; hidden ones left out."""
    folder = Path(folder)
    return sorted(
        path
        for path in folder.rglob("*")
        if path.suffix.lower() in SUFFIXES
        and path.is_file()
        and not any(part.startswith(".") for part in path.relative_to(folder).parts)
    )


def read_image(path: str | Path) -> ImageBytes:
    """``(H, W, 3)`` uint8 RGB, upright as its EXIF orientation says.

    Grey becomes three equal channels, 16 bits are divided by 257 and rounded, transparency is laid on white.

    Raises:
        InputError: no such file, not an image, cut off, or larger than ``LARGEST``.
    """
    import cv2

    path = Path(path)
    try:
        data = path.read_bytes()
    except FileNotFoundError as error:
        raise InputError(
            f"{path} does not exist: correct the path, or leave bad images out with --skip-bad."
        ) from error
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror}): check its rights.") from error
    if not data:
        raise _bad(path, "is empty")
    if _cut_off(data):
        raise _bad(path, "is cut off")
    pixels = _declared_pixels(data)
    if pixels > LARGEST:
        raise _bad(path, f"declares {pixels:,} pixels, more than {LARGEST:,}")
    try:
        # Unchanged keeps depth and alpha but ignores the orientation, which is for JPEG (8-bit, no alpha) in practice.
        flags = cv2.IMREAD_COLOR if data[:2] == b"\xff\xd8" else cv2.IMREAD_UNCHANGED
        image = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    except cv2.error:
        image = None
    if image is None:
        raise _bad(path, "is not an image that can be read (JPEG, PNG, BMP, WebP or TIFF)")
    return _rgb(np.asarray(image))


def _bad(path: Path, what: str) -> InputError:
    return InputError(f"{path} {what}: replace it, or leave bad images out with --skip-bad.")


def _rgb(image: Array) -> ImageBytes:
    if image.dtype == np.uint16:
        image = ((image.astype(np.uint32) + 128) // 257).astype(np.uint8)
    elif image.dtype != np.uint8:
        # Floating point TIFF, by convention in [0, 1].
        image = np.floor(np.nan_to_num(image).clip(0, 1) * 255 + 0.5).astype(np.uint8)
    if image.ndim == 2:
        image = image[..., None]
    if image.shape[2] in (2, 4):
        alpha = image[..., -1:].astype(np.uint32)
        image = ((image[..., :-1] * alpha + 255 * (255 - alpha) + 127) // 255).astype(np.uint8)
    if image.shape[2] == 1:
        return np.repeat(image, 3, axis=2)
    return np.ascontiguousarray(image[..., 2::-1])


def fit(image: ImageBytes, size: tuple[int, int]) -> ImageBytes:
    """``(H, W, 3)`` resized to ``size`` (height, width): areas averaged when shrinking, bilinear when enlarging."""
    import cv2

    if image.shape[:2] == size:
        return image
    shrinks = image.shape[0] >= size[0] and image.shape[1] >= size[1]
    resized = cv2.resize(image, size[::-1], interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)
    return np.asarray(resized, np.uint8)


def write_image(path: str | Path, image: ImageBytes, *, quality: int | None = None) -> None:
    """Writes ``(H, W, 3)`` uint8 RGB, in the format of the suffix, whole or not at all; ``quality`` is for JPEG."""
    import cv2

    path = Path(path)
    options = [] if quality is None else [cv2.IMWRITE_JPEG_QUALITY, quality]
    done, data = cv2.imencode(path.suffix, image[..., ::-1], options)
    if not done:
        raise InputError(f"{path} cannot be written as {path.suffix}: choose png or jpg.")
    write_atomically(path, lambda file: file.write(data.tobytes()))


def _cut_off(data: bytes) -> bool:
    """Whether the file ends before its image does; decoders fill such images with grey and say nothing."""
    if data[:2] == b"\xff\xd8":
        # Cameras append things after the end marker, so that it need not be last.
        return b"\xff\xd9" not in data[-65536:]
    if data[:8] == b"\x89PNG\r\n\x1a\n":
        return b"IEND" not in data[-65536:]
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return len(data) < 8 + int.from_bytes(data[4:8], "little")
    if data[:2] == b"BM" and len(data) >= 6:
        return len(data) < int.from_bytes(data[2:6], "little")
    return False


def _declared_pixels(data: bytes) -> int:
    """Width times height as the header says, before anything is decoded; 0 where it is not known."""
    try:
        if data[:8] == b"\x89PNG\r\n\x1a\n":
            width, height = struct.unpack(">II", data[16:24])
        elif data[:2] == b"BM":
            width, height = struct.unpack("<ii", data[18:26])
        elif data[:2] == b"\xff\xd8":
            width, height = _jpeg_size(data)
        else:
            # WebP holds at most 16383 x 16383; OpenCV refuses TIFF beyond 2^30 pixels.
            return 0
    except (struct.error, IndexError):
        return 0
    return abs(int(width) * int(height))


def _jpeg_size(data: bytes) -> tuple[int, int]:
    at = 2
    while data[at] == 0xFF:
        marker = data[at + 1]
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            height, width = struct.unpack(">HH", data[at + 5 : at + 9])
            return int(width), int(height)
        at += 2 + int.from_bytes(data[at + 2 : at + 4], "big")
    return 0, 0
