"""Photos: images that keep their own sizes; files that are read when they are wanted, never all of them at once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from concurrent.futures import Executor
from contextlib import suppress
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import NamedTuple
from zipfile import BadZipFile

import numpy as np

from blackbox_dft._utils.files import write_atomically
from blackbox_dft._utils.types import ImageBytes, Ints
from blackbox_dft.errors import InputError
from blackbox_dft.images.files import ByteSource, decode_bytes, read_bytes
from blackbox_dft.images.fitting import Fitting
from blackbox_dft.images.formats import JPEG_MAGIC, PNG_MAGIC

NOMINAL_SIDE = 256
"""Longest side of the shape that stands for all photos: in reports, and where a space needs any shape."""
FILES_AT_ONCE = 512
"""Files that are read before the next error check."""


class PhotoFile(NamedTuple):
    """A photo as its file is."""

    data: bytes
    kind: str
    """``jpeg`` or ``png``."""


@dataclass(frozen=True, eq=False)
class Photos:
    """N images of several sizes; takes the place of an array ``(N, H, W, 3)`` in a ``Dataset``. Threads may share it.

    >>> from concurrent.futures import ThreadPoolExecutor
    >>> from blackbox_dft.demo import assets
    >>> with ThreadPoolExecutor() as threads:
    ...     photos = read_photos([assets() / "images/000.png"], Fitting("keep"), threads).photos
    >>> len(photos), photos.shape, photos.photo(0).shape
    (1, (1, 32, 32, 3), (32, 32, 3))
    """

    files: tuple[Path | ByteSource, ...]
    fitting: Fitting
    sizes: Ints
    """``(N, 2)``: height and width of each, after ``max_side``."""
    whole: frozenset[int]
    """Those that are not made smaller."""
    digests: tuple[bytes, ...]
    """16 bytes a photo, of its file."""

    def __len__(self) -> int:
        return len(self.files)

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """N and the shape that stands for all: the most common one, made smaller."""
        counts = Counter(map(tuple, self.sizes.tolist()))
        height, width = max(counts, key=lambda size: (counts[size], size))
        height, width = Fitting("keep", max_side=NOMINAL_SIDE).own_size((height, width))
        return len(self), height, width, 3

    def photo(self, number: int) -> ImageBytes:
        """A photo ``(H, W, 3)`` as a space changes it: upright, 8 bits, made smaller if it is above ``max_side``.

        Raises:
            InputError: its file cannot be read any more.
        """
        return self.fitting(decode_bytes(self.files[number], self._bytes(number)).image, (0, 0))

    def file(self, number: int) -> PhotoFile | None:
        """The bytes of a JPEG or PNG file that may be sent as it is; None of other formats, or if it is made smaller.

        Raises:
            InputError: it cannot be read any more.
        """
        if number not in self.whole:
            return None
        data = self._bytes(number)
        kind = "jpeg" if data.startswith(JPEG_MAGIC) else "png" if data.startswith(PNG_MAGIC) else ""
        return PhotoFile(data, kind) if kind else None

    def _bytes(self, number: int) -> bytes:
        data = read_bytes(self.files[number])
        if _digest(data) != self.digests[number]:
            # Its scores would be recorded under the key of what it was.
            raise InputError(f"{self.files[number]} was changed while it was in use: restore it, or start again.")
        return data

    def one(self, indices: Ints) -> ImageBytes:
        """The photo of a request as a batch ``(1, H, W, 3)``: photos of several sizes are no batch."""
        (index,) = indices.tolist()
        return self.photo(index)[None]

    def stretched(self, indices: Ints, size: tuple[int, int]) -> ImageBytes:
        """Photos ``(N, H, W, 3)`` of one size, for what is measured and drawn and never sent."""
        stretch = Fitting()
        found = [stretch(self.photo(index), size) for index in indices.tolist()]
        return np.stack(found) if found else np.empty((0, *size, 3), np.uint8)

    def small(self, number: int) -> ImageBytes:
        """A photo whose longest side is at most ``NOMINAL_SIDE``, for pictures."""
        return Fitting("keep", max_side=NOMINAL_SIDE)(self.photo(number), (0, 0))

    def subset(self, indices: Ints) -> Photos:
        """Some of the photos, in this order."""
        chosen = indices.tolist()
        whole = frozenset(place for place, index in enumerate(chosen) if index in self.whole)
        files, digests = (tuple(every[index] for index in chosen) for every in (self.files, self.digests))
        return Photos(files, self.fitting, self.sizes[indices], whole, digests)


class ReadPhotos(NamedTuple):
    """Photos, and what was learned while they were read."""

    photos: Photos
    indices: list[int]
    """Which of the files they are; all of them unless bad files were skipped."""
    deep_max: int
    """Largest value in files of 16 bits; 0 without any."""


def read_photos(
    files: Sequence[Path | ByteSource],
    fitting: Fitting,
    threads: Executor,
    *,
    skip_bad: bool = False,
    entry: Path | None = None,
) -> ReadPhotos:
    """Reads every file once, one a thread at a time, so that a bad one is an error before anything is sent.

    What is kept is a digest and a size of each. ``entry`` is a folder of the cache, in which they are found again.

    Raises:
        InputError: the error of the first file that cannot be read, unless ``skip_bad``.
    """
    found = _load(entry) if entry else None
    if found is None:
        found = _read(files, threads, skip_bad=skip_bad)
        if entry:
            _store(entry, found)
    indices, digests, own, deep_max = found
    chosen = tuple(files[index] for index in indices.tolist())
    sizes = np.array([fitting.own_size((height, width)) for height, width in own.tolist()], np.int64).reshape(-1, 2)
    whole = frozenset(np.flatnonzero((sizes == own).all(axis=1)).tolist())
    return ReadPhotos(Photos(chosen, fitting, sizes, whole, tuple(digests)), indices.tolist(), deep_max)


_Found = tuple[Ints, list[bytes], Ints, int]
"""Indices, digests, own sizes, and the largest value of 16 bits."""


def _read(files: Sequence[Path | ByteSource], threads: Executor, *, skip_bad: bool) -> _Found:
    def read(path: Path | ByteSource) -> tuple[bytes, tuple[int, int], int] | InputError:
        try:
            data = read_bytes(path)
            image, deep_max = decode_bytes(path, data)
        except InputError as error:
            return error
        return _digest(data), (image.shape[0], image.shape[1]), deep_max

    indices, digests, sizes, deepest = [], [], [], 0
    for start in range(0, len(files), FILES_AT_ONCE):
        for number, result in enumerate(threads.map(read, files[start : start + FILES_AT_ONCE]), start):
            if isinstance(result, InputError):
                if not skip_bad:
                    raise result
                continue
            indices.append(number)
            digests.append(result[0])
            sizes.append(result[1])
            deepest = max(deepest, result[2])
    return np.array(indices, np.int64), digests, np.array(sizes, np.int64).reshape(-1, 2), deepest


def _digest(data: bytes) -> bytes:
    return blake2b(data, digest_size=16).digest()


def _load(entry: Path) -> _Found | None:
    try:
        with np.load(entry / "about.npz", allow_pickle=False) as about:
            indices, sizes, digests = about["read"], about["sizes"], about["digests"]
            if not len(indices) or not len(indices) == len(sizes) == len(digests):
                return None
            return indices, [digest.tobytes() for digest in digests], sizes, int(about["deep_max"])
    except (OSError, ValueError, KeyError, EOFError, BadZipFile):
        return None


def _store(entry: Path, found: _Found) -> None:
    indices, digests, sizes, deep_max = found
    if not digests:
        return
    rows = np.frombuffer(b"".join(digests), np.uint8).reshape(len(digests), -1)
    arrays = {"read": indices, "sizes": sizes, "digests": rows, "deep_max": np.array(deep_max)}
    with suppress(OSError, InputError):
        entry.mkdir(parents=True, exist_ok=True)
        write_atomically(entry / "about.npz", lambda file: np.savez(file, **arrays))  # type: ignore[arg-type]
