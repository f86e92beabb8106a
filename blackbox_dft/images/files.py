"""Reads and writes image files as 8-bit RGB arrays, whatever the format and depth of the file."""

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
from blackbox_dft.images.encoding import to_bytes
from blackbox_dft.images.headers import Header, read_header

SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff")
MAX_IMAGE_PIXELS = 100_000_000
"""Larger images are not decoded: a mistake, or a decompression bomb."""
MAX_FILE_BYTES = 2**30
"""Larger files are not read."""


class ByteSource(Protocol):
    """An image file that is not a file on disk, such as a member of an archive.

    ``read_image`` and ``image_size`` read it in place of a ``Path``, from several threads at once. ``str()`` gives the
    location for error messages.
    """

    @property
    def suffix(self) -> str:
        """Ending of the file's name, with the dot (``".jpg"``)."""

    def read_bytes(self) -> bytes:
        """The whole encoded file."""
        ...


def list_images(folder: str | Path) -> list[Path]:
    """Paths of all image files below ``folder``, sorted; hidden files and folders are left out.

    >>> from blackbox_dft.demo import assets
    >>> [path.name for path in list_images(assets())[:2]]
    ['000.png', '001.png']

    Raises:
        InputError: there is no such folder, or it cannot be listed.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise InputError(f"{folder} is not a folder: give one that holds images.")
    return [path for path in visible_files(folder) if path.suffix.lower() in SUFFIXES]


def visible_files(folder: Path) -> list[Path]:
    """Paths of all files below ``folder``, sorted, broken links included; hidden files and folders are left out.

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
    """Reads one image as ``(H, W, 3)`` uint8 RGB, turned upright by its EXIF orientation.

    Grey becomes three equal channels, 16 bits are divided by 257 and rounded, transparent pixels are laid on white.

    >>> from blackbox_dft.demo import assets
    >>> read_image(assets() / "images/000.png").shape
    (32, 32, 3)

    Raises:
        InputError: no such file, not an image, cut off, damaged, or more than ``MAX_IMAGE_PIXELS``.
    """
    import cv2

    path = Path(path) if isinstance(path, str) else path
    data, header = _open(path)
    if (pixels := header.height * header.width) > MAX_IMAGE_PIXELS:
        raise _bad_image(path, f"declares {pixels:,} pixels, more than {MAX_IMAGE_PIXELS:,}")
    if header.condition == "cut off":
        raise _bad_image(path, "is cut off")
    if header.condition == "damaged":
        raise _bad_image(path, "is damaged (its check sum is wrong)")
    try:
        # IMREAD_UNCHANGED keeps depth and alpha; JPEG has neither, and its decoder converts CMYK to RGB.
        flags = cv2.IMREAD_COLOR if header.format == "jpeg" else cv2.IMREAD_UNCHANGED
        image = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    except cv2.error:
        image = None
    if image is None:
        raise _not_an_image(path)
    if image.dtype not in (np.uint8, np.uint16, np.float32, np.float64):
        raise _bad_image(path, f"holds {image.dtype} numbers, not 8 or 16 bits without sign or floating point")
    # OpenCV itself applies the orientation of JPEG and TIFF.
    return _oriented(_rgb(np.asarray(image)), header.orientation if header.format in ("png", "webp") else 1)


def image_size(path: str | Path | ByteSource) -> tuple[int, int] | None:
    """(height, width) of the upright image, read from its header alone; None if the file is not a whole image."""
    try:
        header = _open(Path(path) if isinstance(path, str) else path)[1]
    except InputError:
        return None
    height, width = header.upright_size
    return (height, width) if header.condition == "whole" and 0 < height * width <= MAX_IMAGE_PIXELS else None


def _open(path: Path | ByteSource) -> tuple[bytes, Header]:
    if path.suffix.lower() not in SUFFIXES:
        raise _bad_image(path, f"does not end in one of {', '.join(SUFFIXES)}")
    data = _read_file(path) if isinstance(path, Path) else path.read_bytes()
    if not data:
        raise _bad_image(path, "is empty")
    header = read_header(data)
    if header is None:
        raise _not_an_image(path)
    return data, header


def _read_file(path: Path) -> bytes:
    try:
        about = path.stat()
        if not stat.S_ISREG(about.st_mode):
            raise _bad_image(path, "is not a file")
        if about.st_size > MAX_FILE_BYTES:
            raise _bad_image(path, f"is {about.st_size:,} bytes long, more than {MAX_FILE_BYTES:,}")
        return path.read_bytes()
    except FileNotFoundError as error:
        raise InputError(
            f"{path} does not exist: correct the path, or leave bad images out with --skip-bad."
        ) from error
    except OSError as error:
        raise InputError(
            f"{path} cannot be read ({error.strerror}): check its rights, or leave bad images out with --skip-bad."
        ) from error


def _bad_image(path: Path | ByteSource, what: str) -> InputError:
    return InputError(f"{path} {what}: replace it, or leave bad images out with --skip-bad.")


def _not_an_image(path: Path | ByteSource) -> InputError:
    return _bad_image(path, "is not an image that can be read (JPEG, PNG, BMP, WebP or TIFF)")


def _rgb(image: Array) -> ImageBytes:
    if image.dtype == np.uint16:
        image = ((image.astype(np.uint32) + 128) // 257).astype(np.uint8)
    elif image.dtype != np.uint8:
        # A floating-point TIFF, by convention in [0, 1].
        image = to_bytes(np.nan_to_num(image).clip(0, 1))
    if image.ndim == 2:
        image = image[..., None]
    if image.shape[2] in (2, 4):
        alpha = image[..., -1:].astype(np.uint32)
        image = ((image[..., :-1] * alpha + 255 * (255 - alpha) + 127) // 255).astype(np.uint8)
    if image.shape[2] == 1:
        return np.repeat(image, 3, axis=2)
    return np.ascontiguousarray(image[..., 2::-1])


def _oriented(image: ImageBytes, orientation: int) -> ImageBytes:
    """Turns an image upright (EXIF 2.32, 4.6.4 A): mirrored for half of the orientations, then quarter turns left."""
    turns, mirrored = {1: (0, 0), 2: (0, 1), 3: (2, 0), 4: (2, 1), 5: (1, 1), 6: (3, 0), 7: (3, 1), 8: (1, 0)}[
        orientation
    ]
    return np.ascontiguousarray(np.rot90(image[:, ::-1] if mirrored else image, turns))


def resize(image: ImageBytes, size: tuple[int, int]) -> ImageBytes:
    """Resizes ``(H, W, 3)`` to ``size`` (height, width): area averages when shrinking, bilinear when enlarging.

    >>> resize(np.zeros((64, 48, 3), np.uint8), (32, 32)).shape
    (32, 32, 3)
    """
    import cv2

    if image.shape[:2] == size:
        return image
    shrinks = image.shape[0] >= size[0] and image.shape[1] >= size[1]
    resized = cv2.resize(image, size[::-1], interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)
    return np.asarray(resized, np.uint8)


def write_image(path: str | Path, image: ImageBytes, quality: int | None = None) -> None:
    """Writes ``(H, W, 3)`` uint8 RGB atomically, in the format that the suffix names.

    ``quality``, 1 to 100, is for JPEG and WebP; without it WebP is lossless and JPEG has OpenCV's default of 95.

    Raises:
        InputError: the suffix is none of ``SUFFIXES``, or the file cannot be written.
    """
    path = Path(path)
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise InputError(f"{path} cannot be written: give it a name that ends in .png or .jpg.")
    data = encode_image(image, suffix, quality)
    write_atomically(path, lambda file: file.write(data))


def encode_image(image: ImageBytes, suffix: str, quality: int | None = None) -> bytes:
    """Encodes ``(H, W, 3)`` uint8 RGB as the bytes of a file whose name ends in ``suffix``, one of ``SUFFIXES``.

    >>> encode_image(np.zeros((2, 2, 3), np.uint8), ".png")[:4]
    b'\x89PNG'
    """
    import cv2

    options = []
    if quality is not None and suffix in (".jpg", ".jpeg", ".webp"):
        options = [cv2.IMWRITE_WEBP_QUALITY if suffix == ".webp" else cv2.IMWRITE_JPEG_QUALITY, quality]
    data = cv2.imencode(suffix, np.ascontiguousarray(image[..., ::-1]), options)[1]
    return bytes(data.tobytes())
