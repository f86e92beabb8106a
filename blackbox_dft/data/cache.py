"""Decoded images kept between runs: a memory-mapped file in the user's cache folder.

An entry is a folder named by what decides its pixels: the files with their sizes and times of change (reading them all
would take as long as decoding), the size they are brought to, and whether bad ones are left out. It holds ``pixels``,
the bytes ``(N, H, W, 3)``, and ``about.npz``.
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
from blackbox_dft.data.decoding import reserve

VERSION = 1
LIMIT = 20 * 2**30
"""Bytes of all entries together; the ones not used for longest go first."""


@dataclass(frozen=True, eq=False)
class DecodedImages:
    """Images read from files, and what is known of them."""

    images: ImageBytes
    read: list[int]
    """Which of the files they are."""
    digests: list[bytes]
    resized: int


def entry_of(folder: Path, files: Sequence[str], size: tuple[int, int] | None, skip_bad: bool) -> Path | None:
    """Where the images of these files below ``folder`` are kept, or would be; nothing where that cannot be said."""
    hasher = blake2b(f"{VERSION} {size} {skip_bad}".encode(), digest_size=16)
    try:
        for file in files:
            # No path is made of each: there may be 100,000.
            path = f"{folder}/{file}"
            about = os.stat(path)  # noqa: PTH116
            # The time of the last change of anything is what no copying tool sets back.
            said = f"{path}\0{about.st_size} {about.st_mtime_ns} {about.st_ctime_ns} {about.st_ino}\0"
            hasher.update(said.encode(errors="surrogateescape"))
        return cache_folder() / "images" / hasher.hexdigest()
    except (OSError, ValueError, RuntimeError):
        return None


def recall(entry: Path) -> DecodedImages | None:
    """What is kept there, if it is whole."""
    try:
        with np.load(entry / "about.npz", allow_pickle=False) as about:
            shape = tuple(int(side) for side in about["shape"])
            read, digests, resized = about["read"].tolist(), about["digests"], int(about["resized"])
        if (entry / "pixels").stat().st_size < np.prod(shape) or len(digests) != shape[0] != 0:
            return None
        images = np.memmap(entry / "pixels", np.uint8, "r", shape=shape)
        with suppress(OSError):
            # Used just now.
            os.utime(entry)
        return DecodedImages(images, read, [digest.tobytes() for digest in digests], resized)
    except (OSError, ValueError, KeyError, EOFError, BadZipFile):
        return None


def keep(entry: Path, shape: tuple[int, ...], decode: Callable[[ImageBytes], DecodedImages]) -> DecodedImages | None:
    """Has the images decoded into a new entry; nothing where there is no room for one.

    Raises:
        InputError: what ``decode`` raises.
    """
    size = int(np.prod(shape, dtype=object))
    if size > LIMIT:
        return None
    try:
        entry.parent.mkdir(parents=True, exist_ok=True)
        # What is there has been found damaged.
        shutil.rmtree(entry, ignore_errors=True)
        _make_room(entry.parent, LIMIT - size)
        folder = Path(tempfile.mkdtemp(dir=entry.parent, prefix=".new-"))
    except OSError:
        return None
    try:
        with (folder / "pixels").open("w+b") as file:
            reserve(file.fileno(), size)
            file.truncate(size)
        done = decode(np.memmap(folder / "pixels", np.uint8, "r+", shape=shape))
        if not done.read:
            return done
        digests = np.frombuffer(b"".join(done.digests), np.uint8).reshape(len(done.digests), -1)
        np.savez(
            folder / "about.npz",
            shape=np.array(done.images.shape),
            read=np.array(done.read, np.int64),
            digests=digests,
            resized=done.resized,
        )
        with suppress(OSError):
            # Another process may have been first, with the same images.
            folder.rename(entry)
        return done
    except OSError:
        return None
    finally:
        # The images stay mapped, also where the file has no name any more.
        if folder.exists():
            shutil.rmtree(folder, ignore_errors=True)


def _make_room(folder: Path, most: int) -> None:
    entries = sorted(folder.iterdir(), key=lambda path: path.stat().st_mtime, reverse=True)
    for entry in entries:
        most -= sum(file.stat().st_blocks * 512 for file in entry.iterdir())
        if most < 0:
            shutil.rmtree(entry, ignore_errors=True)
