"""Reads and writes image files as 8-bit RGB arrays, whatever the format and depth of the file."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

import numpy as np

from blackbox_dft._utils.files import write_atomically
from blackbox_dft._utils.types import ImageBytes
from blackbox_dft.errors import InputError
from blackbox_dft.images.fit_options import Filter
from blackbox_dft.images.formats import BadImageError, Decoded, open_image

WRITABLE_SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff")
SUFFIXES = (
    *WRITABLE_SUFFIXES,
    *(".jpe", ".jfif", ".gif", ".pgm", ".ppm", ".pbm", ".pnm", ".avif", ".jp2", ".j2k"),
)
"""Of the files that are read."""
SYSTEM_FOLDERS = frozenset(
    ("__macosx", "__pycache__", "#recycle", "#snapshot", "$recycle.bin", "system volume information", "lost+found")
)
"""Beside those whose names begin with ``@``, in which a NAS keeps thumbnails of the photos (``@eaDir``)."""
OUTPUT_MARKS = ("ledger.sqlite", "comparison.json")
"""A folder with one of these is a run or a comparison."""
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
    """Paths of all image files below ``folder``, sorted, without what ``visible_files`` leaves out.

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
    """Paths of all files below ``folder``, sorted, broken links included; links to folders are followed.

    Files whose name begins with a dot are left out, and the folders that ``is_visible`` leaves out.

    Raises:
        InputError: a folder cannot be listed.
    """

    def refuse(error: OSError) -> None:
        raise InputError(f"{error.filename} cannot be listed ({error.strerror}): check its rights.") from error

    def walk() -> Iterator[Path]:
        seen: set[Path] = set()
        for root, folders, files in os.walk(folder, onerror=refuse, followlinks=True):
            here, above = Path(root).resolve(), Path(root).parent.resolve()
            if here in seen or (Path(root) != folder and above.is_relative_to(here)):
                # A link to a folder that was listed, or to one above.
                folders.clear()
                continue
            seen.add(here)
            folders[:] = [name for name in folders if is_visible(Path(root, name))]
            yield from (Path(root, name) for name in files if not name.startswith("."))

    return sorted(walk())


def is_visible(folder: Path) -> bool:
    """Whether a sub-folder holds the user's files: it is not hidden, nor a system's, nor one that bbdft wrote."""
    name = folder.name.lower()
    written = any((folder / mark).exists() for mark in OUTPUT_MARKS)
    return not (name.startswith((".", "@")) or name in SYSTEM_FOLDERS or written)


def read_image(path: str | Path | ByteSource) -> ImageBytes:
    """Reads one image as ``(H, W, 3)`` uint8 RGB, turned upright by its EXIF orientation.

    Grey becomes three equal channels, 16 bits are divided by 257 and rounded, transparent pixels are laid on white; of
    several frames or pages the first is read.

    >>> from blackbox_dft.demo import assets
    >>> read_image(assets() / "images/000.png").shape
    (32, 32, 3)

    Raises:
        InputError: no such file, not an image, cut off, damaged, or more than ``formats.MAX_IMAGE_PIXELS``.
    """
    return decode_file(path).image


def decode_file(path: str | Path | ByteSource) -> Decoded:
    """``read_image``, and whether the file holds 16 bits.

    Raises:
        InputError: as ``read_image``.
    """
    path = Path(path) if isinstance(path, str) else path
    return decode_bytes(path, read_bytes(path))


def read_bytes(path: Path | ByteSource) -> bytes:
    """The bytes of an image file, as ``decode_bytes`` takes them.

    Raises:
        InputError: no such file, no name of an image, empty, or longer than ``MAX_FILE_BYTES``.
    """
    try:
        return _bytes(path)
    except BadImageError as error:
        raise _bad_image(path, str(error)) from error


def decode_bytes(path: Path | ByteSource, data: bytes) -> Decoded:
    """Decodes what ``read_bytes`` read of ``path``.

    Raises:
        InputError: as ``read_image``.
    """
    try:
        return open_image(data).decode()
    except BadImageError as error:
        raise _bad_image(path, str(error)) from error


def image_size(path: str | Path | ByteSource) -> tuple[int, int] | None:
    """(height, width) of the upright image, read from its header alone; None if it has none that can be read."""
    try:
        return open_image(_bytes(Path(path) if isinstance(path, str) else path)).size
    except (InputError, BadImageError):
        return None


def _bytes(path: Path | ByteSource) -> bytes:
    if path.suffix.lower() not in SUFFIXES:
        raise BadImageError(f"does not end in one of {', '.join(SUFFIXES)}")
    data = _read_file(path) if isinstance(path, Path) else path.read_bytes()
    if not data:
        raise BadImageError("is empty")
    return data


def _read_file(path: Path) -> bytes:
    try:
        about = path.stat()
        if not stat.S_ISREG(about.st_mode):
            raise BadImageError("is not a file")
        if about.st_size > MAX_FILE_BYTES:
            raise BadImageError(f"is {about.st_size:,} bytes long, more than {MAX_FILE_BYTES:,}")
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


def resize(image: ImageBytes, size: tuple[int, int], method: Filter = "auto") -> ImageBytes:
    """Resizes ``(H, W, 3)`` to ``size`` (height, width): area averages when shrinking, bilinear when enlarging.

    Another ``method`` than ``auto`` is used in both directions: bilinear and bicubic as Pillow and torchvision compute
    them, smoothed when they shrink; ``area`` repeats pixels when it enlarges.

    >>> resize(np.zeros((64, 48, 3), np.uint8), (32, 32)).shape
    (32, 32, 3)
    """
    import cv2

    if image.shape[:2] == size:
        return image
    shrinks = image.shape[0] >= size[0] and image.shape[1] >= size[1]
    if method == "auto" or (method == "area" and shrinks):
        resized = cv2.resize(image, size[::-1], interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)
        return np.asarray(resized, np.uint8)
    from PIL import Image

    kinds = {"bilinear": Image.Resampling.BILINEAR, "bicubic": Image.Resampling.BICUBIC, "area": Image.Resampling.BOX}
    return np.array(Image.fromarray(np.ascontiguousarray(image)).resize(size[::-1], kinds[method]), np.uint8)


def write_image(path: str | Path, image: ImageBytes, quality: int | None = None) -> None:
    """Writes ``(H, W, 3)`` uint8 RGB atomically, in the format that the suffix names.

    ``quality``, 1 to 100, is for JPEG and WebP; without it WebP is lossless and JPEG has OpenCV's default of 95.

    Raises:
        InputError: the suffix is none of ``WRITABLE_SUFFIXES``, or the file cannot be written.
    """
    path = Path(path)
    suffix = path.suffix.lower()
    if suffix not in WRITABLE_SUFFIXES:
        raise InputError(f"{path} cannot be written: give it a name that ends in .png or .jpg.")
    data = encode_image(image, suffix, quality)
    write_atomically(path, lambda file: file.write(data))


def encode_image(image: ImageBytes, suffix: str, quality: int | None = None) -> bytes:
    """Encodes ``(H, W, 3)`` uint8 RGB as the bytes of a file whose name ends in ``suffix``, one of
    ``WRITABLE_SUFFIXES``.

    >>> encode_image(np.zeros((2, 2, 3), np.uint8), ".png")[:4]
    b'\x89PNG'
    """
    import cv2

    options = []
    if quality is not None and suffix in (".jpg", ".jpeg", ".webp"):
        options = [cv2.IMWRITE_WEBP_QUALITY if suffix == ".webp" else cv2.IMWRITE_JPEG_QUALITY, quality]
    data = cv2.imencode(suffix, np.ascontiguousarray(image[..., ::-1]), options)[1]
    return bytes(data.tobytes())
