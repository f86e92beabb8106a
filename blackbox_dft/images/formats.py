"""Image file formats: the bytes of a file to 8-bit RGB, by Pillow, and by OpenCV where Pillow keeps fewer bits.

Pillow refuses files that are cut off or damaged; OpenCV fills their missing part with grey and prints to stderr. Both
decode JPEG, PNG, BMP and WebP to the same bits, and as fast.
"""

from __future__ import annotations

import ctypes
import io
import logging
import os
import struct
import warnings
import zlib
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from types import ModuleType
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from blackbox_dft._utils.files import is_lfs_pointer
from blackbox_dft._utils.types import Array, ImageBytes
from blackbox_dft.images.encoding import to_bytes

if TYPE_CHECKING:
    from PIL import Image

FORMATS = ("JPEG", "PNG", "BMP", "WEBP", "TIFF", "GIF", "PPM", "AVIF", "JPEG2000")
FORMAT_NAMES = "JPEG, PNG, BMP, WebP, TIFF, GIF, PPM, PGM, AVIF or JPEG 2000"
JPEG_MAGIC = b"\xff\xd8\xff"
PNG_MAGIC = b"\x89PNG\r\n\x1a\n"
TIFF_MAGICS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
PNG_BITS = 24
"""Position of the bits a sample."""
TIFF_BITS, TIFF_PHOTOMETRIC, TIFF_SAMPLE_FORMAT = 258, 262, 339
"""Tags (TIFF 6.0)."""
WHITE_IS_ZERO = 0
"""``TIFF_PHOTOMETRIC`` of a negative."""
MAX_IMAGE_PIXELS = 100_000_000
"""Larger images are not decoded: a mistake, or a decompression bomb."""
MAX_OVERSHOOT = 0.5
"""Floating-point pixels in [0, 1] may lie this far outside: resampling overshoots."""
MAX_OVERSHOOT_SHARE = 0.25
"""Below 0, by no more than this share of all their range: pixels around 0 are normalised ones."""
MIN_FLOAT_LEVEL = 16
"""Floating-point pixels are levels from 0 to 255 if their largest is at least this; they may lie as far outside."""


class BadImageError(ValueError):
    """A file that is no whole image of a known format; the text continues a sentence that begins with its name."""


class TooManyPixelsError(BadImageError):
    """An image larger than is decoded."""


class Decoded(NamedTuple):
    """The pixels of a file."""

    image: ImageBytes
    """``(H, W, 3)`` RGB, upright."""
    deep_max: int = 0
    """Largest value if the file holds 16 bits and does not say how many of them are used; else 0."""


@dataclass(frozen=True)
class ImageFile:
    """An image file whose header has been read."""

    size: tuple[int, int]
    """(height, width) as declared, upright."""
    decode: Callable[[], Decoded]
    """Reads the pixels; raises BadImageError if they are cut off, damaged, or numbers of unknown meaning."""


def open_image(data: bytes) -> ImageFile:
    """Reads the header of an image file.

    >>> from blackbox_dft.demo import assets
    >>> open_image((assets() / "images/000.png").read_bytes()).size
    (32, 32)

    Raises:
        BadImageError: no image of one of ``FORMATS``, or more than ``MAX_IMAGE_PIXELS``.
    """
    if png := data.startswith(PNG_MAGIC):
        data = _without_comments(data)
    image = _pillow_open(data)
    if not image:
        if data.startswith(TIFF_MAGICS) and (found := _other_tiff(data)):
            return found
        if any(_pillow().OPEN[name][1](data[:16]) for name in FORMATS):
            raise BadImageError("is cut off or damaged, or of a kind that is not supported")
        if is_lfs_pointer(data):
            raise BadImageError("is a pointer of Git LFS, whose file has to be fetched by 'git lfs pull'")
        raise BadImageError(f"is not an image that can be read ({FORMAT_NAMES})")
    _check_pixels(image.width * image.height)
    # Pillow itself turns TIFF upright.
    orientation = 1 if image.format == "TIFF" else _exif_orientation(image.info.get("exif", b""))

    def decode() -> Decoded:
        _load(image)
        if png and image.mode in ("1", "L") and "transparency" in image.info:
            # The transparent grey level is declared in the file's own bits, and Pillow scales the pixels only.
            image.info["transparency"] *= 255 // (2 ** data[PNG_BITS] - 1)
        if image.format == "TIFF":
            return _decode_tiff(data, image)
        if png and data[PNG_BITS] == 16:
            pixels = _opencv(data)
            if pixels.ndim == 2 and "transparency" in image.info:
                pixels = np.where(pixels == image.info["transparency"], np.uint16(65535), pixels)
        elif image.mode == "CMYK" and image.format in ("JPEG", "MPO"):
            # Pillow's conversion differs by one level, so images would have other digests than in runs so far.
            pixels = _opencv(data, color=True)
        else:
            pixels = from_pillow(image)
        deep_max = int(pixels.max()) if pixels.dtype == np.uint16 else 0
        return Decoded(_oriented(_on_white(_eight_bits(pixels)), orientation), deep_max)

    return ImageFile(image.size if orientation >= 5 else image.size[::-1], decode)


def from_pillow(image: Image.Image) -> ImageBytes:
    """A Pillow image of any mode as ``(H, W, 3)`` RGB; transparency is laid on white.

    Raises:
        BadImageError: floating-point or 32-bit values of unknown meaning.
    """
    if image.mode == "F":
        return _on_white(levels_of_floats(np.asarray(image)))
    if image.mode.startswith("I"):
        values = np.asarray(image)
        if values.min() < 0 or values.max() > 65535:
            raise BadImageError("holds int32 numbers, not 8 or 16 bits without sign or floating point")
        return _on_white(_eight_bits(values.astype(np.uint16)))
    if image.mode == "LAB":
        image = _from_lab(image)
    elif image.has_transparency_data and image.mode != "LA":
        image = image.convert("RGBA")
    elif image.mode not in ("L", "LA", "RGB"):
        image = image.convert("RGB")
    return _on_white(np.asarray(image))


def levels_of_floats(values: Array) -> ImageBytes:
    """Floating-point pixels, in [0, 1] or from 0 to 255, as the nearest of 256 levels; 0 where not a number.

    >>> levels_of_floats(np.array([0, 0.2, 1])), levels_of_floats(np.array([0.0, 51, 255]))
    (array([  0,  51, 255], dtype=uint8), array([  0,  51, 255], dtype=uint8))

    Raises:
        BadImageError: neither of the two.
    """
    values = np.nan_to_num(values)
    low, high = float(values.min(initial=0)), float(values.max(initial=0))
    if low >= -min(MAX_OVERSHOOT, MAX_OVERSHOOT_SHARE * (high - low)) and high <= 1 + MAX_OVERSHOOT:
        return to_bytes(values.clip(0, 1))
    bright = low >= -MIN_FLOAT_LEVEL and high >= MIN_FLOAT_LEVEL
    if high <= 255 + MIN_FLOAT_LEVEL and (bright or (low >= 0 and bool((values == np.rint(values)).all()))):
        return to_bytes((values.clip(0, 255) / 255).astype(np.float32))
    raise BadImageError(
        f"holds floating-point numbers from {low:g} to {high:g}, and only 0 to 1 and 0 to 255 have a known meaning"
    )


@cache
def _pillow() -> ModuleType:
    from PIL import Image

    # They register themselves; if one is missing, Pillow imports all of its plugins.
    from PIL import (  # isort: skip
        AvifImagePlugin,  # noqa: F401
        BmpImagePlugin,  # noqa: F401
        GifImagePlugin,  # noqa: F401
        Jpeg2KImagePlugin,  # noqa: F401
        JpegImagePlugin,  # noqa: F401
        PngImagePlugin,  # noqa: F401
        PpmImagePlugin,  # noqa: F401
        TiffImagePlugin,  # noqa: F401
        WebPImagePlugin,  # noqa: F401
    )

    # They do not carry the file's name; `catch_warnings` is not safe in threads.
    warnings.filterwarnings("ignore", module=r"PIL\.")
    # Errors that nothing handles go to stderr.
    logging.getLogger("PIL").addHandler(logging.NullHandler())
    _silence_libtiff()
    return Image


def _silence_libtiff() -> None:
    """Has the libtiff that Pillow is linked to print nothing: it knows no file's name, and what fails is an error."""
    from PIL import _imaging

    # Where it is linked statically, its symbols are not to be found.
    with suppress(OSError, AttributeError, TypeError):
        library = ctypes.CDLL(_imaging.__file__)
        for handler in ("TIFFSetErrorHandler", "TIFFSetWarningHandler"):
            set_handler = getattr(library, handler)
            set_handler.argtypes, set_handler.restype = [ctypes.c_void_p], ctypes.c_void_p
            set_handler(None)


def _pillow_open(data: bytes) -> Image.Image | None:
    pillow = _pillow()
    try:
        opened: Image.Image = pillow.open(io.BytesIO(data), formats=FORMATS)
    except pillow.DecompressionBombError as error:
        _check_pixels(int(str(error).split("(")[1].split()[0]))
        raise BadImageError("declares too many pixels") from error
    # Pillow raises errors of many types on files that are not what they seem.
    except Exception:
        return None
    return opened


def _check_pixels(count: int) -> None:
    if count > MAX_IMAGE_PIXELS:
        raise TooManyPixelsError(f"declares {count:,} pixels, more than {MAX_IMAGE_PIXELS:,}")


def _load(image: Image.Image) -> None:
    try:
        image.load()
    except Exception as error:
        if "truncated" in str(error).lower():
            raise BadImageError("is cut off") from error
        raise BadImageError(f"is damaged ({str(error).rstrip('.')})") from error


def _opencv(data: bytes, color: bool = False) -> Array:
    """Decoded with all bits and channels as grey, RGB or RGBA; or with ``color`` as 8-bit RGB."""
    import cv2

    if "OPENCV_LOG_LEVEL" not in os.environ:
        # What it says of a file does not carry the file's name.
        # Up to 4.10, and later.
        (getattr(cv2, "setLogLevel", None) or cv2.utils.logging.setLogLevel)(0)
    flags = cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION if color else cv2.IMREAD_UNCHANGED
    try:
        image = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    except cv2.error:
        image = None
    if image is None:
        raise BadImageError("is damaged, or of a kind that is not supported")
    pixels: Array = np.asarray(image)
    return pixels[..., [2, 1, 0, 3][: pixels.shape[2]]] if pixels.ndim == 3 else pixels


def _decode_tiff(data: bytes, image: Image.Image) -> Decoded:
    tags: Any = image.tag_v2  # type: ignore[attr-defined]
    numbers = _numbers(tags)
    grey = image.mode.startswith(("I;16", "F"))
    if not grey and numbers == "uint16":
        values = _opencv(data)[..., : len(image.getbands())]
        # Pillow keeps the upper 8 bits. OpenCV knows less of opacity.
        if values.dtype != np.uint16 or not np.array_equal(values >> 8, np.asarray(image)):
            values = from_pillow(image)
    else:
        values = np.asarray(image) if grey else from_pillow(image)
    return _tiff_pixels(values, numbers, negative=grey and tags.get(TIFF_PHOTOMETRIC) == WHITE_IS_ZERO)


def _other_tiff(data: bytes) -> ImageFile | None:
    """A TIFF that OpenCV reads and Pillow does not: floating-point colours, big-endian negatives; else None."""
    from PIL.TiffImagePlugin import ImageFileDirectory_v2

    try:
        tags = ImageFileDirectory_v2(data[: 16 if 43 in data[2:4] else 8])
        file = io.BytesIO(data)
        file.seek(tags.next)
        tags.load(file)
        numbers, size = _numbers(tags), (int(tags[257]), int(tags[256]))
        samples, photometric, extra = tags.get(277, 1), tags.get(TIFF_PHOTOMETRIC), tags.get(338, (2,))[0]
    except BadImageError:
        raise
    # Damaged directories raise errors of many types.
    except Exception:
        return None
    colors = 3 if photometric == 2 else 1
    if photometric not in (0, 1, 2) or samples not in (colors, 4) or (samples == 4 and extra != 2):
        return None
    _check_pixels(size[0] * size[1])
    if tags.get(274, 1) in (5, 6, 7, 8):
        size = size[::-1]
    return ImageFile(size, lambda: _tiff_pixels(_opencv(data), numbers, negative=photometric == WHITE_IS_ZERO))


def _tiff_pixels(values: Array, numbers: str, negative: bool) -> Decoded:
    floats = values.dtype.kind == "f"
    levels = levels_of_floats(values) if floats else _eight_bits(values, 4095 if numbers == "uint12" else 65535)
    deep_max = int(values.max()) if numbers == "uint16" and values.dtype.itemsize == 2 else 0
    return Decoded(_on_white(255 - levels if negative else levels), deep_max)


def _numbers(tags: Any) -> str:
    """Type of the samples of a TIFF, such as ``uint16``; refuses those of unknown meaning or order."""
    kind = {1: "uint", 2: "int", 3: "float"}.get(max(tags.get(TIFF_SAMPLE_FORMAT, (1,))), "uint")
    bits = max(tags.get(TIFF_BITS, (1,)))
    if f"{kind}{bits}" not in ("float32", "float64") and (kind != "uint" or bits > 16):
        raise BadImageError(f"holds {kind}{bits} numbers, not 8 or 16 bits without sign or floating point")
    if bits > 8 and tags.get(284) == 2:
        raise BadImageError(f"holds {bits} bits in a plane for each colour, which is not supported: save it as RGB")
    return f"{kind}{bits}"


def _eight_bits(values: Array, maximum: int = 65535) -> ImageBytes:
    """16-bit numbers up to ``maximum`` as the nearest of 256 levels, halves up; bytes are returned as they are."""
    if values.dtype == np.uint8:
        return values
    return ((values.astype(np.uint32) * 510 + maximum) // (2 * maximum)).astype(np.uint8)


def _on_white(pixels: ImageBytes) -> ImageBytes:
    """1 to 4 channels, the second or fourth of them opacity, as RGB."""
    if pixels.ndim == 2:
        pixels = pixels[..., None]
    if pixels.shape[2] in (2, 4):
        alpha = pixels[..., -1:].astype(np.uint32)
        pixels = ((pixels[..., :-1] * alpha + 255 * (255 - alpha) + 127) // 255).astype(np.uint8)
    return np.repeat(pixels, 3, axis=2) if pixels.shape[2] == 1 else np.ascontiguousarray(pixels)


def _from_lab(image: Image.Image) -> Image.Image:
    from PIL import ImageCms

    lab, srgb = ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB")
    converted = ImageCms.profileToProfile(image, lab, srgb, outputMode="RGB")
    assert converted
    return converted


def _exif_orientation(exif: bytes) -> int:
    """EXIF orientation, 1 (upright) to 8; 1 if there is none or the data are damaged."""
    if not exif:
        return 1
    found = _pillow().Exif()
    try:
        found.load(exif)
        value = found.get(274, 1)
    # Damaged EXIF data raise errors of many types.
    except Exception:
        return 1
    return value if value in range(1, 9) else 1


def _oriented(image: ImageBytes, orientation: int) -> ImageBytes:
    """Turns an image upright (EXIF 2.32, 4.6.4 A): mirrored for half of the orientations, then quarter turns left."""
    turns, mirrored = {1: (0, 0), 2: (0, 1), 3: (2, 0), 4: (2, 1), 5: (1, 1), 6: (3, 0), 7: (3, 1), 8: (1, 0)}[
        orientation
    ]
    return np.ascontiguousarray(np.rot90(image[:, ::-1] if mirrored else image, turns))


def _without_comments(png: bytes) -> bytes:
    """A PNG with only the chunks that decide its pixels (PNG, third edition, 5.3).

    Some programs write wrong check sums for the others, which Pillow refuses, or colour profiles that OpenCV's decoder
    complains of.
    """
    kept, at = [PNG_MAGIC], len(PNG_MAGIC)
    while at + 12 <= len(png):
        length, kind = struct.unpack_from(">I4s", png, at)
        end = at + 12 + length
        right = kind == b"eXIf" and zlib.crc32(png[at + 4 : end - 4]) == int.from_bytes(png[end - 4 : end], "big")
        if kind[:1].isupper() or kind == b"tRNS" or right:
            kept.append(png[at:end])
        at = end
    kept.append(png[at:])
    return b"".join(kept)
