"""Labelled images, read and split."""

from __future__ import annotations

import atexit
import os
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path

import numpy as np

from blackbox_dft.arrays import ImageBytes, Ints
from blackbox_dft.data.images import fit, read_image
from blackbox_dft.data.listing import Listing, Row, list_source
from blackbox_dft.data.splits import read_splits
from blackbox_dft.errors import InputError

MEMORY = 256 * 2**20
"""Bytes of pixels above which they live in a file."""


@dataclass(frozen=True, eq=False)
class Dataset:
    """Images with labels and splits."""

    images: ImageBytes
    """``(N, H, W, 3)`` RGB; above ``MEMORY`` a memory-mapped file."""
    labels: Ints
    """``(N,)``, indices into classes."""
    classes: tuple[str, ...]
    """Names of the labels, sorted; by value where all are whole numbers."""
    files: tuple[str, ...]
    """As listed, relative to the source's folder."""
    splits: Mapping[str, Ints]
    """Indices of ``train``, ``val`` and ``test``."""
    groups: Ints | None
    """``(N,)``: which images belong together (one person), where the source says."""
    digests: tuple[bytes, ...]
    """16 bytes an image, of its pixels as they are here."""
    source: Path
    skipped: tuple[str, ...] = ()
    """Files left out because they could not be read."""
    resized: int = 0
    """Images that had another size."""
    notes: tuple[str, ...] = ()
    """What was assumed or drawn, a line each."""


def load(
    source: str | Path,
    *,
    size: tuple[int, int] | None = None,
    skip_bad: bool = False,
    seed: int = 0,
    memory: int = MEMORY,
) -> Dataset:
    """Reads a CSV (``file,label|class[,split][,group|person]``) or a folder with one sub-folder per class.

    Args:
        size: height and width all images are brought to; the most common one unless given.
        skip_bad: leave out images that cannot be read instead of stopping at the first.
        seed: of the splits, where they are drawn.
        memory: bytes of pixels to hold in memory; more goes to a temporary file.

    Raises:
        InputError: names the file or line, and the mend.
    """
    listing = list_source(source)
    with ThreadPoolExecutor(min(16, 2 * (os.cpu_count() or 1))) as threads:
        return _read(Path(source), listing, threads, size, skip_bad, seed, memory)


def _read(
    source: Path,
    listing: Listing,
    threads: ThreadPoolExecutor,
    size: tuple[int, int] | None,
    skip_bad: bool,
    seed: int,
    memory: int,
) -> Dataset:
    paths = [listing.folder / row.file for row in listing.rows]
    if size is None:
        size = _common_size(paths, threads)
    pixels = _room((len(paths), *size, 3), memory)
    rows: list[Row] = []
    skipped: list[str] = []
    digests: list[bytes] = []
    resized = 0
    for row, found in zip(listing.rows, _decoded(paths, size, threads), strict=True):
        if isinstance(found, InputError):
            if not skip_bad:
                raise found
            skipped.append(row.file)
            continue
        image, was_other = found
        resized += was_other
        pixels[len(rows)] = image
        digests.append(blake2b(image.tobytes(), digest_size=16, person=b"%d" % image.shape[1]).digest())
        rows.append(row)
    if not rows:
        raise InputError(f"{source}: none of its {len(paths)} images can be read: check the paths and formats.")

    classes = _sorted({row.label for row in rows})
    if len(classes) < 2:
        raise InputError(f"{source} holds one class only ({classes[0]}): there is nothing to tell apart; add another.")
    labels = np.array([classes.index(row.label) for row in rows], np.int64)
    groups = None
    if any(row.group for row in rows):
        # An image that names no group is one of its own.
        named = [row.group or f"\0{number}" for number, row in enumerate(rows)]
        groups = np.unique(named, return_inverse=True)[1].astype(np.int64)
    splits, drawn = read_splits([row.split for row in rows], labels, groups, seed, str(source))
    _check_classes(source, splits, labels, classes)
    notes = [drawn] if drawn else []
    if skipped:
        some = ", ".join(skipped[:3]) + (" ..." if len(skipped) > 3 else "")
        notes.append(f"{len(skipped)} images could not be read and were left out: {some}")
    if resized:
        notes.append(f"{resized} images had another size and were resized to {size[0]}x{size[1]}")
    notes += _shared_notes(splits, digests, groups)
    return Dataset(
        images=pixels[: len(rows)],
        labels=labels,
        classes=classes,
        files=tuple(row.file for row in rows),
        splits=splits,
        groups=groups,
        digests=tuple(digests),
        source=source,
        skipped=tuple(skipped),
        resized=resized,
        notes=tuple(notes),
    )


def _decoded(
    paths: list[Path], size: tuple[int, int], threads: ThreadPoolExecutor
) -> Iterator[tuple[ImageBytes, bool] | InputError]:
    """Images brought to ``size``, in order, a bounded number ahead."""

    def one(path: Path) -> tuple[ImageBytes, bool] | InputError:
        try:
            image = read_image(path)
        except InputError as error:
            return error
        return fit(image, size), image.shape[:2] != size

    ahead = 256
    for start in range(0, len(paths), ahead):
        yield from threads.map(one, paths[start : start + ahead])


def _common_size(paths: list[Path], threads: ThreadPoolExecutor) -> tuple[int, int]:
    """The most common (height, width); the larger of equals."""

    def one(path: Path) -> tuple[int, int] | None:
        try:
            height, width = read_image(path).shape[:2]
        except InputError:
            return None
        return height, width

    sizes = Counter(size for size in threads.map(one, paths) if size)
    if not sizes:
        # The first failure says what is wrong.
        read_image(paths[0])
    return max(sizes, key=lambda size: (sizes[size], size))


def _room(shape: tuple[int, ...], memory: int) -> ImageBytes:
    if int(np.prod(shape)) <= memory:
        return np.empty(shape, np.uint8)
    handle, name = tempfile.mkstemp(prefix="bbdft-", suffix=".images")
    os.close(handle)
    atexit.register(Path(name).unlink, missing_ok=True)
    try:
        return np.memmap(name, np.uint8, "w+", shape=shape)
    except OSError as error:
        raise InputError(
            f"no room for {int(np.prod(shape)):,} bytes of pixels in {tempfile.gettempdir()} ({error.strerror}): "
            "set TMPDIR to a folder with more."
        ) from error


def _sorted(labels: set[str]) -> tuple[str, ...]:
    if all(label.isdigit() for label in labels):
        return tuple(sorted(labels, key=int))
    return tuple(sorted(labels))


def _check_classes(source: Path, splits: Mapping[str, Ints], labels: Ints, classes: tuple[str, ...]) -> None:
    for split, indices in splits.items():
        present = np.bincount(labels[indices], minlength=len(classes))
        if not present.all():
            raise InputError(
                f"{source}: split {split!r} has no image of class {classes[int(present.argmin())]!r}: "
                "add some, or drop the split column to have splits drawn."
            )


def _shared_notes(splits: Mapping[str, Ints], digests: list[bytes], groups: Ints | None) -> list[str]:
    """Warnings that test is not as held out as it should be."""
    held = {digests[i] for i in splits["test"]}
    seen = {digests[i] for split in ("train", "val") for i in splits[split]}
    notes = []
    if both := len(held & seen):
        notes.append(f"{both} images of test have exactly the pixels of one in train or val")
    if groups is not None:
        others = np.concatenate([splits["train"], splits["val"]])
        if people := len(np.intersect1d(groups[splits["test"]], groups[others])):
            notes.append(f"{people} groups of test are also in train or val")
    return notes
