"""Decodes many image files in parallel into one array, in memory or memory-mapped."""

from __future__ import annotations

import atexit
import errno
import mmap
import os
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Executor
from hashlib import blake2b
from itertools import islice
from pathlib import Path

import numpy as np

from blackbox_dft._utils.types import ImageBytes
from blackbox_dft.errors import InputError
from blackbox_dft.images.files import ByteSource, decode_file, image_size, read_image
from blackbox_dft.images.fitting import Fitting

MIN_RELEASED_BYTES = 512 * 2**20
"""Size of a memory map from which on its pages are released now and then."""
RELEASE_INTERVAL_BYTES = 32 * 2**20
"""Bytes used between two releases; the system maps up to ten times as much around them."""
FILES_PER_BATCH = 512
"""Files decoded before the next error check: at most this many are decoded in vain if one of them is bad."""


def common_size(files: Sequence[Path | ByteSource], threads: Executor) -> tuple[int, int]:
    """The most common (height, width), as the headers declare it; the larger of equally common ones.

    Raises:
        InputError: no header can be read.
    """
    sizes = Counter(size for size in threads.map(image_size, files) if size)
    if not sizes:
        # Raises the error of the first file.
        height, width = read_image(files[0]).shape[:2]
        return height, width
    return max(sizes, key=lambda size: (sizes[size], size))


def have_several_sizes(files: Iterable[Path | ByteSource], threads: Executor) -> bool:
    """Whether the headers of the files declare more than one size; files without a header that can be read are not
    counted.
    """
    rest, first = iter(files), None
    while some := list(islice(rest, FILES_PER_BATCH)):
        for size in threads.map(image_size, some):
            first = first or size
            if size and size != first:
                return True
    return False


def allocate_pixels(shape: tuple[int, ...], memory: int, cache: Path | None) -> ImageBytes:
    """Uninitialised uint8 array: in memory, or beyond ``memory`` bytes in an unlinked file of the folder ``cache``.

    >>> allocate_pixels((2, 4, 4, 3), memory=2**20, cache=None).shape
    (2, 4, 4, 3)

    Raises:
        InputError: the disk is too full, or the folder cannot be written.
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
                preallocate(file.fileno(), size)
                return np.memmap(file, np.uint8, "r+", shape=shape)
            finally:
                _unlink_open_file(Path(name))
    except OSError as error:
        mend = "set TMPDIR to a folder with more space" if cache is None else "give another folder as cache"
        raise InputError(f"no space for {size:,} bytes of pixels in {folder} ({error.strerror}): {mend}.") from error


def preallocate(file: int, size: int) -> None:
    """Allocates ``size`` bytes on disk: writing to a sparse memory map on a full disk raises SIGBUS.

    Does nothing on systems and file systems that cannot preallocate.

    Raises:
        OSError: the disk is too full.
    """
    if not hasattr(os, "posix_fallocate"):
        return
    try:
        os.posix_fallocate(file, 0, size)
    except OSError as error:
        if error.errno not in (errno.EOPNOTSUPP, errno.EINVAL):
            raise


def _unlink_open_file(path: Path) -> None:
    """Removes the name of a file in use, so that its space is freed however the process ends."""
    try:
        path.unlink()
    except OSError:
        # Windows does not unlink open files.
        atexit.register(path.unlink, missing_ok=True)


def decode_into(
    pixels: ImageBytes,
    files: Sequence[Path | ByteSource],
    threads: Executor,
    *,
    skip_bad: bool,
    fitting: Fitting | None = None,
) -> tuple[list[int], list[bytes], int, int]:
    """Decodes ``files`` into ``pixels`` ``(N, H, W, 3)``, brought to its (H, W) by ``fitting``, by default stretched.

    With ``skip_bad``, there are no gaps.

    Returns:
        Indices of the files that were read, a 16-byte digest of each image's pixels, how many images were resized, and
        the largest value in files of 16 bits, 0 without any.

    Raises:
        InputError: the error of the first file that cannot be read, unless ``skip_bad``.
    """
    size = (pixels.shape[1], pixels.shape[2])
    fitting = fitting or Fitting()

    def decode(number: int) -> tuple[bytes, bool, int] | InputError:
        try:
            image, deep_max = decode_file(files[number])
        except InputError as error:
            return error
        pixels[number] = resized_image = fitting(image, size)
        digest = blake2b(resized_image.tobytes(), digest_size=16, person=b"%d" % size[1]).digest()
        return digest, image.shape[:2] != size, deep_max

    indices: list[int] = []
    digests: list[bytes] = []
    resized = deep_max = 0
    release = page_releaser(pixels)
    for start in range(0, len(files), FILES_PER_BATCH):
        numbers = range(start, min(start + FILES_PER_BATCH, len(files)))
        for number, result in zip(numbers, threads.map(decode, numbers), strict=True):
            if isinstance(result, InputError):
                if not skip_bad:
                    raise result
                continue
            if len(indices) < number:
                # Closes the gap left by bad files; no thread writes to this place any more.
                pixels[len(indices)] = pixels[number]
            indices.append(number)
            digests.append(result[0])
            resized += result[1]
            deep_max = max(deep_max, result[2])
        release(len(numbers))
    return indices, digests, resized, deep_max


def page_releaser(images: object) -> Callable[[int], None]:
    """A function to call with the number of images just used; it releases a memory map's pages (``madvise``).

    Released pages stay in the system's page cache while there is memory to spare, but do not count as this process's.
    Without effect for arrays in memory, for small maps, and for photos, which are read from their files.
    """
    mapped = _mapping(images)
    if (
        mapped is None
        or not isinstance(images, np.ndarray)
        or images.nbytes < MIN_RELEASED_BYTES
        or not hasattr(mapped, "madvise")
    ):
        return lambda count: None
    image_bytes = max(1, int(images[:1].nbytes))
    used_bytes = 0

    def used(count: int) -> None:
        nonlocal used_bytes
        used_bytes += count * image_bytes
        if used_bytes > RELEASE_INTERVAL_BYTES:
            used_bytes = 0
            mapped.madvise(mmap.MADV_DONTNEED)

    return used


def _mapping(images: object) -> mmap.mmap | None:
    base = images
    while isinstance(base, np.ndarray):
        base = base.base
    return base if isinstance(base, mmap.mmap) else None
