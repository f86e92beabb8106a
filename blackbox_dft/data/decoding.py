"""Many image files into one array, in memory or in a file."""

from __future__ import annotations

import atexit
import errno
import mmap
import os
import tempfile
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from hashlib import blake2b
from pathlib import Path

import numpy as np

from blackbox_dft._utils.types import ImageBytes
from blackbox_dft.errors import InputError
from blackbox_dft.images.files import ByteSource, fit, image_size, read_image

LARGE = 512 * 2**20
"""Bytes of a mapped file from which on its memory is let go of now and then."""
HELD = 32 * 2**20
"""Bytes of it that are used in between; the system maps up to ten times as much around them."""
AHEAD = 512
"""Files read at a time: so many at most are read in vain when one of them is bad."""


def common_size(paths: Sequence[Path | ByteSource], threads: Executor) -> tuple[int, int]:
    """The most common (height, width), as the headers say; the larger of equals.

    Raises:
        InputError: none says.
    """
    sizes = Counter(size for size in threads.map(image_size, paths) if size)
    if not sizes:
        # The first failure says what is wrong.
        height, width = read_image(paths[0]).shape[:2]
        return height, width
    return max(sizes, key=lambda size: (sizes[size], size))


def room(shape: tuple[int, ...], memory: int, cache: Path | None) -> ImageBytes:
    """Uninitialised bytes: in memory, or beyond ``memory`` in a nameless file of the folder ``cache``.

    Raises:
        InputError: the disk does not hold that much, or the folder cannot be written.
    """
    size = int(np.prod(shape, dtype=object))
    if size <= memory:
        return np.empty(shape, np.uint8)
    folder = Path(tempfile.gettempdir() if cache is None else cache)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=folder, prefix="bbdft-", suffix=".images")
        with os.fdopen(handle, "r+b") as file:
            try:
                reserve(file.fileno(), size)
                return np.memmap(file, np.uint8, "r+", shape=shape)
            finally:
                _forget(Path(name))
    except OSError as error:
        mend = "set TMPDIR to a folder with more" if cache is None else "give another folder as cache"
        raise InputError(f"no room for {size:,} bytes of pixels in {folder} ({error.strerror}): {mend}.") from error


def reserve(file: int, size: int) -> None:
    """Takes the room on the disk now: a file with holes is mapped gladly, and its user killed once the disk is full."""
    if not hasattr(os, "posix_fallocate"):
        return
    try:
        os.posix_fallocate(file, 0, size)
    except OSError as error:
        if error.errno not in (errno.EOPNOTSUPP, errno.EINVAL):
            raise


def _forget(path: Path) -> None:
    """Takes the name from a file in use, so that nothing is left of it however the process ends."""
    try:
        path.unlink()
    except OSError:
        # Windows keeps the names of files in use.
        atexit.register(path.unlink, missing_ok=True)


def fill(
    pixels: ImageBytes, paths: Sequence[Path | ByteSource], threads: Executor, *, skip_bad: bool
) -> tuple[list[int], list[bytes], int]:
    """Reads images to the front of ``pixels`` ``(N, H, W, 3)``, resized where they have another size.

    Returns:
        Which of ``paths`` were read, the digest of each, and how many were resized.

    Raises:
        InputError: the first that cannot be read, unless ``skip_bad``.
    """
    size = (pixels.shape[1], pixels.shape[2])

    def one(number: int) -> tuple[bytes, bool] | InputError:
        try:
            image = read_image(paths[number])
        except InputError as error:
            return error
        pixels[number] = fitted = fit(image, size)
        digest = blake2b(fitted.tobytes(), digest_size=16, person=b"%d" % size[1]).digest()
        return digest, image.shape[:2] != size

    read: list[int] = []
    digests: list[bytes] = []
    resized = 0
    release = releaser(pixels)
    for start in range(0, len(paths), AHEAD):
        numbers = range(start, min(start + AHEAD, len(paths)))
        for number, found in zip(numbers, threads.map(one, numbers), strict=True):
            if isinstance(found, InputError):
                if not skip_bad:
                    raise found
                continue
            if len(read) < number:
                # Closes the gaps that bad files left; those behind are not written any more.
                pixels[len(read)] = pixels[number]
            read.append(number)
            digests.append(found[0])
            resized += found[1]
        release(len(numbers))
    return read, digests, resized


def releaser(images: ImageBytes) -> Callable[[int], None]:
    """What is told how many images were used, and now and then lets go of the memory that a mapped file takes.

    Its pages stay in the system's own cache as long as nobody needs the room, but do not count as this process's.
    """
    mapped = _mapping(images)
    if mapped is None or images.nbytes < LARGE or not hasattr(mapped, "madvise"):
        return lambda used: None
    each = max(1, int(images[:1].nbytes))
    waiting = 0

    def used(count: int) -> None:
        nonlocal waiting
        waiting += count * each
        if waiting > HELD:
            waiting = 0
            mapped.madvise(mmap.MADV_DONTNEED)

    return used


def _mapping(images: ImageBytes) -> mmap.mmap | None:
    base: object = images
    while isinstance(base, np.ndarray):
        base = base.base
    return base if isinstance(base, mmap.mmap) else None
