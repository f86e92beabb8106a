"""Disk cache of decoded images: memory-mapped files in the user's cache folder.

An entry is a folder named by a digest of everything that decides its pixels: paths, sizes and modification times of the
files (reading their contents would take as long as decoding them), the target size, how images are brought to it, and
whether bad files are skipped.
It holds ``pixels``, the bytes ``(N, H, W, 3)``, and ``about.npz``.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from zipfile import BadZipFile

import numpy as np

from blackbox_dft._utils.files import cache_folder
from blackbox_dft._utils.types import ImageBytes
from blackbox_dft.data.decoding import preallocate
from blackbox_dft.data.photos import Photos
from blackbox_dft.images.fitting import Fitting

VERSION = 2
MAX_CACHE_BYTES = 20 * 2**30
"""Size of all entries together; the least recently used are evicted first."""


@dataclass(frozen=True, eq=False)
class DecodedImages:
    """Images decoded from a list of files."""

    images: ImageBytes | Photos
    indices: list[int]
    """Which of the files they are; all of them unless bad files were skipped."""
    digests: list[bytes]
    """16 bytes per image, of its pixels."""
    resized: int
    """Number of images that had another size."""
    deep_max: int = 0
    """Largest value in files of 16 bits; 0 without any."""


def entry_path(
    folder: Path, files: Sequence[str], size: tuple[int, int] | None, skip_bad: bool, fitting: Fitting | None = None
) -> Path | None:
    """Folder of the cache entry for these files below ``folder``; None without a cache or if a file is missing."""
    fitted = "" if fitting in (None, Fitting()) else f" {fitting}"
    hasher = blake2b(f"{VERSION} {size} {skip_bad}{fitted}".encode(), digest_size=16)
    try:
        for file in files:
            # Plain texts and os.stat: a Path for each of 100,000 files takes seconds.
            path = os.path.join(folder, file)  # noqa: PTH118
            about = os.stat(path)  # noqa: PTH116
            # Copying tools set back the modification time, but not the time of the last status change.
            identity = f"{path}\0{about.st_size} {about.st_mtime_ns} {about.st_ctime_ns} {about.st_ino}\0"
            hasher.update(identity.encode(errors="surrogateescape"))
        return cache_folder() / "images" / hasher.hexdigest()
    except (OSError, ValueError, RuntimeError):
        return None


def load_entry(entry: Path) -> DecodedImages | None:
    """The images of a cache entry, memory-mapped; None if there is no such entry or it is damaged."""
    try:
        with np.load(entry / "about.npz", allow_pickle=False) as about:
            shape = tuple(int(side) for side in about["shape"])
            indices, digests, resized = about["read"].tolist(), about["digests"], int(about["resized"])
            deep_max = int(about["deep_max"])
        if (entry / "pixels").stat().st_size < np.prod(shape) or len(digests) != shape[0] != 0:
            return None
        images = np.memmap(entry / "pixels", np.uint8, "r", shape=shape)
        with suppress(OSError):
            # Marks the entry as used now.
            os.utime(entry)
        return DecodedImages(images, indices, [digest.tobytes() for digest in digests], resized, deep_max)
    except (OSError, ValueError, KeyError, EOFError, BadZipFile):
        return None


def store_entry(
    entry: Path, shape: tuple[int, ...], decode: Callable[[ImageBytes], DecodedImages]
) -> DecodedImages | None:
    """Calls ``decode`` with a new memory-mapped array of this shape and stores the result as a cache entry.

    None, without an error, if the entry is too large for the cache or cannot be written.

    Raises:
        InputError: raised by ``decode``.
    """
    size = int(np.prod(shape, dtype=object))
    if size > MAX_CACHE_BYTES:
        return None
    try:
        entry.parent.mkdir(parents=True, exist_ok=True)
        # An entry that could not be loaded is damaged.
        shutil.rmtree(entry, ignore_errors=True)
        _evict(entry.parent, MAX_CACHE_BYTES - size)
        folder = Path(tempfile.mkdtemp(dir=entry.parent, prefix=".new-"))
    except OSError:
        return None
    try:
        with (folder / "pixels").open("w+b") as file:
            preallocate(file.fileno(), size)
            file.truncate(size)
        decoded = decode(np.memmap(folder / "pixels", np.uint8, "r+", shape=shape))
        if not decoded.indices:
            return decoded
        digests = np.frombuffer(b"".join(decoded.digests), np.uint8).reshape(len(decoded.digests), -1)
        np.savez(
            folder / "about.npz",
            shape=np.array(decoded.images.shape),
            read=np.array(decoded.indices, np.int64),
            digests=digests,
            resized=decoded.resized,
            deep_max=decoded.deep_max,
        )
        with suppress(OSError):
            # Fails if another process has just stored the same entry.
            folder.rename(entry)
        return decoded
    except OSError:
        return None
    finally:
        # The images stay mapped even if their file has been unlinked.
        if folder.exists():
            shutil.rmtree(folder, ignore_errors=True)


def _evict(folder: Path, remaining: int) -> None:
    """Deletes the least recently used entries, so that the others take at most ``remaining`` bytes."""
    entries = sorted(folder.iterdir(), key=lambda path: path.stat().st_mtime, reverse=True)
    for entry in entries:
        remaining -= sum(file.stat().st_blocks * 512 for file in entry.iterdir())
        if remaining < 0:
            shutil.rmtree(entry, ignore_errors=True)
