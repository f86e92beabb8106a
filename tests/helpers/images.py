"""Image files of every format, written byte by byte with EXIF data and declared sizes of choice."""

import struct
import zlib
from pathlib import Path

import cv2
import numpy as np

RNG = np.random.default_rng(0)
COLORS = np.kron(RNG.integers(30, 220, (3, 4, 3)), np.ones((8, 8, 1))).astype(np.uint8)
NOISY = RNG.integers(0, 255, (40, 40, 3)).astype(np.uint8)


def save(path: Path, rgb: np.ndarray, *options: int) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    order = [2, 1, 0, 3][: rgb.shape[2]] if rgb.ndim == 3 else None
    assert cv2.imwrite(str(path), rgb if order is None else np.ascontiguousarray(rgb[..., order]), options)
    return path


def exif(orientation: int) -> bytes:
    entry = struct.pack("<HHII", 0x0112, 3, 1, orientation)
    return b"II*\0" + struct.pack("<IH", 8, 1) + entry + b"\0\0\0\0"


def jpeg(rgb: np.ndarray, orientation: int = 1, *, extra: bytes = b"", progressive: int = 0) -> bytes:
    """A JPEG with EXIF data; ``extra`` goes behind them, where cameras put a thumbnail."""
    options = [cv2.IMWRITE_JPEG_QUALITY, 100, cv2.IMWRITE_JPEG_PROGRESSIVE, progressive]
    data = cv2.imencode(".jpg", rgb[..., ::-1], options)[1].tobytes()
    body = b"Exif\0\0" + exif(orientation) + extra
    return data[:2] + b"\xff\xe1" + struct.pack(">H", len(body) + 2) + body + data[2:]


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png(rgb: np.ndarray, orientation: int = 1) -> bytes:
    data = cv2.imencode(".png", rgb[..., ::-1])[1].tobytes()
    return data[:33] + chunk(b"eXIf", exif(orientation)) + data[33:]


def webp(rgb: np.ndarray, orientation: int = 1, *, size: tuple[int, int] | None = None) -> bytes:
    height, width = size or rgb.shape[:2]
    frame = cv2.imencode(".webp", rgb[..., ::-1])[1].tobytes()[12:]
    canvas = bytes([8, 0, 0, 0]) + (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    words = exif(orientation)
    body = b"WEBPVP8X" + struct.pack("<I", 10) + canvas + frame + b"EXIF" + struct.pack("<I", len(words)) + words
    return b"RIFF" + struct.pack("<I", len(body)) + body


def tiff(
    pixels: np.ndarray,
    orientation: int = 1,
    *,
    size: tuple[int, int] | None = None,
    big: bool = False,
    tags: dict[int, int] | None = None,
) -> bytes:
    """Not compressed, the directory before the pixels, in either byte order; ``tags`` are further ones, or others."""
    order = ">" if big else "<"
    height, width = size or pixels.shape[:2]
    samples = pixels.shape[2] if pixels.ndim == 3 else 1
    data = pixels.astype(pixels.dtype.newbyteorder(order)).tobytes()
    kind = {"u": 1, "i": 2, "f": 3}[pixels.dtype.kind]
    entries: dict[int, int] = {256: width, 257: height, 258: 8 * pixels.itemsize, 259: 1, 262: 2 if samples > 2 else 1}
    entries |= {273: 0, 274: orientation, 277: samples, 278: height, 279: len(data), 339: kind, **(tags or {})}
    after = 8 + 2 + 12 * len(entries) + 4
    bits = struct.pack(f"{order}{samples}H", *[entries[258]] * samples)
    entries[273] = after + len(bits)
    out = (b"MM\0*" if big else b"II*\0") + struct.pack(order + "IH", 8, len(entries))
    for tag, value in sorted(entries.items()):
        if tag == 258 and samples > 2:
            out += struct.pack(order + "HHII", tag, 3, samples, after)
        elif tag == 258:
            out += struct.pack(order + "HHI", tag, 3, samples) + bits.ljust(4, b"\0")
        elif tag in (256, 257, 273, 278, 279):
            out += struct.pack(order + "HHII", tag, 4, 1, value)
        else:
            out += struct.pack(order + "HHIHH", tag, 3, 1, value, 0)
    return out + struct.pack(order + "I", 0) + bits + data


def encoded(suffix: str) -> bytes:
    return bytes(cv2.imencode(suffix, NOISY)[1].tobytes())


WHOLE = {
    "a.jpg": encoded(".jpg"),
    "progressive.jpg": jpeg(NOISY, progressive=1),
    "thumbnail.jpg": jpeg(NOISY, extra=jpeg(NOISY[:16, :16])),
    "a.png": encoded(".png"),
    "a.bmp": encoded(".bmp"),
    "lossless.webp": encoded(".webp"),
    "extended.webp": webp(NOISY),
    "packed.tif": encoded(".tif"),
    "plain.tif": tiff(NOISY),
    "big_endian.tif": tiff(NOISY, big=True),
}
