"""Image headers, read without decoding: format, size, EXIF orientation, and whether the file is complete.

Needed before decoding: OpenCV fills the missing part of a truncated image with grey without an error, and allocates
whatever size a file declares.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

Condition = Literal["whole", "cut off", "damaged"]


@dataclass(frozen=True)
class Header:
    """What the header of an image file declares."""

    format: str
    """``jpeg``, ``png``, ``bmp``, ``webp`` or ``tiff``."""
    height: int
    """As stored, before the orientation is applied; 0 if not known."""
    width: int
    condition: Condition
    orientation: int = 1
    """EXIF orientation, 1 to 8; 1 is upright."""

    @property
    def upright_size(self) -> tuple[int, int]:
        """(height, width) after the orientation is applied."""
        return (self.width, self.height) if self.orientation >= 5 else (self.height, self.width)


def read_header(data: bytes) -> Header | None:
    """Parses the header of a JPEG, PNG, BMP, WebP or TIFF file; None for anything else.

    Damaged input never raises.

    >>> from blackbox_dft.demo import assets
    >>> read_header((assets() / "images/000.png").read_bytes())
    Header(format='png', height=32, width=32, condition='whole', orientation=1)
    """
    for magic, at, read in _FORMATS:
        if data[at : at + len(magic)] == magic:
            return read(data)
    return None


def _jpeg(data: bytes) -> Header:
    """ITU-T T.81, annex B: segments, each with its length, up to the first scan, then anything up to the end marker."""
    height = width = 0
    orientation = 1
    at = 2
    while at + 4 <= len(data):
        if data[at] != 0xFF or data[at + 1] == 0xFF:
            at += 1
            continue
        marker, length = data[at + 1], int.from_bytes(data[at + 2 : at + 4], "big")
        body = data[at + 4 : at + 2 + length]
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC) and len(body) >= 5:
            height, width = struct.unpack(">HH", body[1:5])
        elif marker == 0xE1 and body[:6] == b"Exif\0\0":
            orientation = _exif_orientation(body)
        at += 2 + length
        if marker == 0xDA:
            # The end marker counts only from here on, behind the EXIF thumbnail; cameras append data to it.
            whole = data.find(b"\xff\xd9", at) >= 0
            return Header("jpeg", height, width, "whole" if whole else "cut off", orientation)
    return Header("jpeg", height, width, "cut off", orientation)


def _png(data: bytes) -> Header:
    """PNG (third edition), 5.3: chunks of length, type, data and CRC-32."""
    height = width = 0
    orientation = 1
    at = 8
    while at + 12 <= len(data):
        length, kind = struct.unpack_from(">I4s", data, at)
        body = memoryview(data)[at + 8 : at + 8 + length]
        end = at + 12 + length
        if end > len(data):
            break
        if kind == b"IHDR" and length >= 8:
            width, height = struct.unpack_from(">II", body)
        if kind[0] < ord("a") and zlib.crc32(body, zlib.crc32(kind)) != int.from_bytes(data[end - 4 : end], "big"):
            # The checksum of critical chunks only (5.4: upper case): some programs write wrong ones for the others.
            return Header("png", height, width, "damaged", orientation)
        if kind == b"eXIf":
            orientation = _exif_orientation(bytes(body))
        elif kind == b"IEND":
            return Header("png", height, width, "whole", orientation)
        at = end
    if at == 8 and len(data) >= 24:
        width, height = struct.unpack_from(">II", data, 16)
    return Header("png", height, width, "cut off", orientation)


def _webp(data: bytes) -> Header:
    """RFC 9649: chunks of type, length and data, padded to even."""
    height = width = 0
    orientation = 1
    size = int.from_bytes(data[4:8], "little")
    at = 12
    while at + 8 <= min(len(data), 8 + size):
        kind, length = struct.unpack_from("<4sI", data, at)
        body = data[at + 8 : at + 8 + length]
        if kind == b"VP8X" and len(body) >= 10:
            width, height = (1 + int.from_bytes(body[i : i + 3], "little") for i in (4, 7))
        elif kind == b"VP8 " and len(body) >= 10 and not width:
            width, height = (value & 0x3FFF for value in struct.unpack_from("<HH", body, 6))
        elif kind == b"VP8L" and len(body) >= 5 and not width:
            bits = int.from_bytes(body[1:5], "little")
            width, height = 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
        elif kind == b"EXIF":
            orientation = _exif_orientation(body)
        at += 8 + length + length % 2
    return Header("webp", height, width, "whole" if len(data) >= 8 + size else "cut off", orientation)


def _bmp(data: bytes) -> Header:
    """BITMAPFILEHEADER and the header after it; rows are padded to four bytes."""
    if len(data) < 34:
        return Header("bmp", 0, 0, "cut off")
    start, kind = struct.unpack_from("<II", data, 10)
    if kind == 12:
        width, height, _, bits = struct.unpack_from("<HHHH", data, 18)
        compressed = False
    else:
        width, height, _, bits, compression = struct.unpack_from("<iiHHI", data, 18)
        compressed = compression in (1, 2)
    width, height = abs(width), abs(height)
    # The declared file size is often wrong, so it is computed from the rows, if these are not compressed.
    needed = 0 if compressed else start + (width * bits + 31) // 32 * 4 * height
    return Header("bmp", height, width, "whole" if len(data) >= needed else "cut off")


def _tiff(data: bytes) -> Header:
    """TIFF 6.0 (and BigTIFF): the first directory, which gives the positions of strips or tiles."""
    tags = _read_directory(data)
    if tags is None:
        return Header("tiff", 0, 0, "cut off")
    ends = [
        start + size
        for starts, sizes in ((273, 279), (324, 325))
        for start, size in zip(tags.get(starts, ()), tags.get(sizes, ()), strict=False)
    ]
    height, width = ((*tags.get(tag, ()), 0)[0] for tag in (257, 256))
    whole = max(ends, default=0) <= len(data)
    return Header("tiff", height, width, "whole" if whole else "cut off", _orientation_tag(tags))


def _exif_orientation(exif: bytes) -> int:
    """The orientation in EXIF data (a TIFF without pixels, possibly after the name ``Exif``); 1 if there is none."""
    return _orientation_tag(_read_directory(exif.removeprefix(b"Exif\0\0")) or {})


def _orientation_tag(tags: dict[int, tuple[int, ...]]) -> int:
    value = (*tags.get(274, ()), 1)[0]
    return value if 1 <= value <= 8 else 1


_INTEGER_CODES = {1: "B", 3: "H", 4: "I", 16: "Q"}


def _read_directory(data: bytes) -> dict[int, tuple[int, ...]] | None:
    """Integer tags of the first directory, those of ``_TAGS`` only; None if the data end before it does."""
    order = {b"II": "<", b"MM": ">"}.get(data[:2])
    if order is None:
        return None
    try:
        if struct.unpack_from(f"{order}H", data, 2)[0] == 43:
            count_code, entry, word, at = "Q", "HHQ", 8, 8
        else:
            count_code, entry, word, at = "H", "HHI", 4, 4
        offset_code = "Q" if word == 8 else "I"
        (start,) = struct.unpack_from(order + offset_code, data, at)
        (entries,) = struct.unpack_from(order + count_code, data, start)
        first = start + struct.calcsize(order + count_code)
        head = struct.calcsize(order + entry)
        tags = {}
        for number in range(entries):
            position = first + number * (head + word)
            tag, kind, count = struct.unpack_from(order + entry, data, position)
            if (code := _INTEGER_CODES.get(kind)) is None or tag not in _TAGS:
                continue
            value_at = position + head
            if struct.calcsize(code) * count > word:
                (value_at,) = struct.unpack_from(order + offset_code, data, value_at)
            if value_at + struct.calcsize(code) * count > len(data):
                return None
            tags[tag] = struct.unpack_from(f"{order}{count}{code}", data, value_at)
        return tags
    except struct.error:
        return None


_TAGS = frozenset((256, 257, 273, 274, 279, 324, 325))

_FORMATS: tuple[tuple[bytes, int, Callable[[bytes], Header]], ...] = (
    (b"\xff\xd8", 0, _jpeg),
    (b"\x89PNG\r\n\x1a\n", 0, _png),
    (b"WEBP", 8, _webp),
    (b"BM", 0, _bmp),
    (b"II*\0", 0, _tiff),
    (b"MM\0*", 0, _tiff),
    (b"II+\0", 0, _tiff),
    (b"MM\0+", 0, _tiff),
)
