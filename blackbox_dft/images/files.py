"""One image file in, one out: 8-bit RGB whatever the file holds."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

import numpy as np

from blackbox_dft._utils.files import write_atomically
from blackbox_dft._utils.types import Array, ImageBytes
from blackbox_dft.errors import InputError
from blackbox_dft.images.headers import Header, read_header

SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff")
LARGEST = 100_000_000
"""Pixels of the largest image that is decoded; more is taken for a mistake or an attack."""
LONGEST = 2**30
"""Bytes of the longest file that is read."""


class ByteSource(Protocol):
    """An image file that is no file of its own, such as a member of an archive; its text says where it is."""

    @property
    def suffix(self) -> str:
        """How its name ends, with the dot."""

    def read_bytes(self) -> bytes:
        """All of it."""
        ...


def list_images(folder: str | Path) -> list[Path]:
    """All image files below ``folder``, sorted; hidden ones left out.

    Raises:
        InputError: there is no such folder.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise InputError(f"{folder} is not a folder: give one that holds images.")
    return [path for path in visible_files(folder) if path.suffix.lower() in SUFFIXES]


def visible_files(folder: Path) -> list[Path]:
    """All files below ``folder``, sorted, broken links too; hidden ones, and all in hidden folders, left out.

    Raises:
        InputError: a folder cannot be listed.
    """

    def refuse(error: OSError) -> None:
        raise InputError(f"{error.filename} cannot be listed ({error.strerror}): check its rights.") from error

    def walk() -> Iterator[Path]:
        for root, folders, files in os.walk(folder, onerror=refuse):
            folders[:] = [name for name in folders if not name.startswith(".")]
            yield from (Path(root, name) for name in files if not name.startswith("."))

    return sorted(walk())


def read_image(path: str | Path | ByteSource) -> ImageBytes:
    """``(H, W, 3)`` uint8 RGB, upright as its EXIF orientation says.

    Grey becomes three equal channels, 16 bits are divided by 257 and rounded, transparency is laid on white.

    Raises:
        InputError: no such file, not an image, cut off, damaged, or larger than ``LARGEST``.
    """
    import cv2

    path = Path(path) if isinstance(path, str) else path
    data, header = _open(path)
    if (pixels := header.height * header.width) > LARGEST:
        raise _bad(path, f"declares {pixels:,} pixels, more than {LARGEST:,}")
    if header.condition == "cut off":
        raise _bad(path, "is cut off")
    if header.condition == "damaged":
        raise _bad(path, "is damaged (its check sum is wrong)")
    try:
        # Unchanged keeps depth and alpha; JPEG has neither, and CMYK is better turned to RGB by the decoder.
        flags = cv2.IMREAD_COLOR if header.form == "jpeg" else cv2.IMREAD_UNCHANGED
        image = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    except cv2.error:
        image = None
    if image is None:
        raise _unknown(path)
    if image.dtype not in (np.uint8, np.uint16, np.float32, np.float64):
        raise _bad(path, f"holds {image.dtype} numbers, not 8 or 16 bits without sign or floating point")
    # OpenCV turns JPEG and TIFF itself.
    return _turned(_rgb(np.asarray(image)), header.orientation if header.form in ("png", "webp") else 1)


def image_size(path: str | Path | ByteSource) -> tuple[int, int] | None:
    """Height and width of an upright image as its header says, nothing decoded; None where it does not."""
    try:
        header = _open(Path(path) if isinstance(path, str) else path)[1]
    except InputError:
        return None
    height, width = header.upright
    return (height, width) if header.condition == "whole" and 0 < height * width <= LARGEST else None


def _open(path: Path | ByteSource) -> tuple[bytes, Header]:
    if path.suffix.lower() not in SUFFIXES:
        raise _bad(path, f"does not end in one of {', '.join(SUFFIXES)}")
    data = _contents(path) if isinstance(path, Path) else path.read_bytes()
    if not data:
        raise _bad(path, "is empty")
    header = read_header(data)
    if header is None:
        raise _unknown(path)
    return data, header


def _contents(path: Path) -> bytes:
    try:
        about = path.stat()
        if not stat.S_ISREG(about.st_mode):
            raise _bad(path, "is not a file")
        if about.st_size > LONGEST:
            raise _bad(path, f"is {about.st_size:,} bytes long, more than {LONGEST:,}")
        return path.read_bytes()
    except FileNotFoundError as error:
        raise InputError(
            f"{path} does not exist: correct the path, or leave bad images out with --skip-bad."
        ) from error
    except OSError as error:
        raise InputError(
            f"{path} cannot be read ({error.strerror}): check its rights, or leave bad images out with --skip-bad."
        ) from error


def _bad(path: Path | ByteSource, what: str) -> InputError:
    return InputError(f"{path} {what}: replace it, or leave bad images out with --skip-bad.")


def _unknown(path: Path | ByteSource) -> InputError:
    return _bad(path, "is not an image that can be read (JPEG, PNG, BMP, WebP or TIFF)")


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


def _turned(image: ImageBytes, orientation: int) -> ImageBytes:
    """EXIF 2.32, 4.6.4 A: quarter turns to the left, after a mirror for the even-handed half of the eight."""
    turns, mirrored = {1: (0, 0), 2: (0, 1), 3: (2, 0), 4: (2, 1), 5: (1, 1), 6: (3, 0), 7: (3, 1), 8: (1, 0)}[
        orientation
    ]
    return np.ascontiguousarray(np.rot90(image[:, ::-1] if mirrored else image, turns))


def fit(image: ImageBytes, size: tuple[int, int]) -> ImageBytes:
    """``(H, W, 3)`` resized to ``size`` (height, width): areas averaged when shrinking, bilinear when enlarging."""
    import cv2

    if image.shape[:2] == size:
        return image
    shrinks = image.shape[0] >= size[0] and image.shape[1] >= size[1]
    resized = cv2.resize(image, size[::-1], interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)
    return np.asarray(resized, np.uint8)


def write_image(path: str | Path, image: ImageBytes, quality: int | None = None) -> None:
    """Writes ``(H, W, 3)`` uint8 RGB, in the format of the suffix, whole or not at all.

    ``quality``, 1 to 100, is for JPEG and WebP (lossless unless given).

    Raises:
        InputError: the suffix is none of ``SUFFIXES``, or the file cannot be written.
    """
    path = Path(path)
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise InputError(f"{path} cannot be written: let its name end in .png or .jpg.")
    data = encode_image(image, suffix, quality)
    write_atomically(path, lambda file: file.write(data))


def encode_image(image: ImageBytes, suffix: str, quality: int | None = None) -> bytes:
    """``(H, W, 3)`` uint8 RGB as the bytes of a file whose name ends in ``suffix``, one of ``SUFFIXES``."""
    import cv2

    options = []
    if quality is not None and suffix in (".jpg", ".jpeg", ".webp"):
        options = [cv2.IMWRITE_WEBP_QUALITY if suffix == ".webp" else cv2.IMWRITE_JPEG_QUALITY, quality]
    data = cv2.imencode(suffix, np.ascontiguousarray(image[..., ::-1]), options)[1]
    return bytes(data.tobytes())
