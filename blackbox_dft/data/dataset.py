"""Labelled images, read and split."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from blackbox_dft._utils.cpu import cores
from blackbox_dft._utils.types import ImageBytes, Ints
from blackbox_dft.data import cache as pixel_cache
from blackbox_dft.data.cache import DecodedImages
from blackbox_dft.data.decoding import common_size, fill, room
from blackbox_dft.data.records import Listing, Row
from blackbox_dft.data.sources import list_source
from blackbox_dft.data.splits import read_splits
from blackbox_dft.errors import InputError

MEMORY = 256 * 2**20
"""Bytes of pixels above which they live in a file."""


@dataclass(frozen=True, eq=False)
class Dataset:
    """Images with labels and splits."""

    images: ImageBytes
    """``(N, H, W, 3)`` RGB; a memory-mapped file, or in memory."""
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
    traits: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """What else the source says of every image, by name: N texts each."""

    def groups_of(self, indices: Ints) -> Ints | None:
        """Groups ``(N,)`` of these images, where the source names any."""
        return None if self.groups is None else self.groups[indices]


def load(
    source: str | Path,
    *,
    label: str = "",
    size: tuple[int, int] | None = None,
    skip_bad: bool = False,
    seed: int = 0,
    cache: Path | None = None,
    memory: int = MEMORY,
) -> Dataset:
    """Reads a CSV (``file,label|class[,split][,group|person]``) or a folder with one sub-folder per class.

    Args:
        source: the CSV or folder; or ``lfw:DIR``, ``celeba:DIR``, ``muct:DIR``, the data sets as they are published.
        label: attribute of such a data set, or column of the CSV, that holds the labels.
        size: height and width all images are brought to; the most common one unless given.
        skip_bad: leave out images that cannot be read instead of stopping at the first.
        seed: of the splits, where they are drawn.
        cache: folder of a temporary file instead of the user's cache folder, in which decoded images are kept.
        memory: bytes of pixels to hold in memory where they are not kept; more goes to a temporary file.

    Raises:
        InputError: names the file or line, and the mend.
    """
    source = Path(source)
    listing = list_source(source, label)
    # What is wrong with the listing is said before any time goes into its images.
    parts = _arrange(source, listing, listing.rows, seed)
    decoded = _decoded(listing, size, skip_bad, memory, cache)
    read, digests, resized = decoded.read, decoded.digests, decoded.resized
    rows = [listing.rows[number] for number in read]
    known = set(read)
    skipped = [row.file for number, row in enumerate(listing.rows) if number not in known]
    notes = list(listing.notes)
    if skipped:
        if not rows:
            raise InputError(
                f"{source}: none of its {len(listing.rows)} images can be read: check the paths and formats."
            )
        parts = _arrange(source, listing, rows, seed)
        some = ", ".join(skipped[:3]) + (" ..." if len(skipped) > 3 else "")
        notes.append(f"{len(skipped)} images could not be read and were left out: {some}")
    if parts.drawn:
        notes.insert(0, parts.drawn)
    if resized:
        height, width = decoded.images.shape[1:3]
        notes.append(f"{resized} images had another size and were resized to {height}x{width}")
    notes += _shared_notes(parts.splits, digests, parts.groups)
    return Dataset(
        images=decoded.images[: len(rows)],
        labels=parts.labels,
        classes=parts.classes,
        files=tuple(row.file for row in rows),
        splits=parts.splits,
        groups=parts.groups,
        digests=tuple(digests),
        source=source,
        skipped=tuple(skipped),
        resized=resized,
        notes=tuple(notes),
        traits={name: tuple(row.traits[number] for row in rows) for number, name in enumerate(listing.traits)},
    )


def _decoded(
    listing: Listing, size: tuple[int, int] | None, skip_bad: bool, memory: int, cache: Path | None
) -> DecodedImages:
    """The images of files: as they were kept, or decoded, and kept then where that is possible."""
    files = [row.file for row in listing.rows]
    entry = pixel_cache.entry_of(listing.folder, files, size, skip_bad) if cache is None and not listing.held else None
    if entry and (found := pixel_cache.recall(entry)):
        return found
    paths = [listing.place(row) for row in listing.rows]
    with ThreadPoolExecutor(min(16, 2 * cores())) as threads:
        shape = (len(paths), *(size or common_size(paths, threads)), 3)

        def decode(pixels: ImageBytes) -> DecodedImages:
            read, digests, resized = fill(pixels, paths, threads, skip_bad=skip_bad)
            return DecodedImages(pixels[: len(read)], read, digests, resized)

        if entry and (found := pixel_cache.keep(entry, shape, decode)):
            return found
        return decode(room(shape, memory, cache))


@dataclass(frozen=True, eq=False)
class _Parts:
    """What rows say, in numbers."""

    classes: tuple[str, ...]
    labels: Ints
    groups: Ints | None
    splits: Mapping[str, Ints]
    drawn: str | None


def _arrange(source: Path, listing: Listing, rows: Sequence[Row], seed: int) -> _Parts:
    classes = _sorted({row.label for row in rows})
    if len(classes) < 2:
        raise InputError(f"{source} holds one class only ({classes[0]}): there is nothing to tell apart; add another.")
    number = {label: index for index, label in enumerate(classes)}
    labels = np.array([number[row.label] for row in rows], np.int64)
    groups = None
    if any(row.group for row in rows):
        # An image that names no group is one of its own.
        named = [row.group or f"\0{index}" for index, row in enumerate(rows)]
        groups = np.unique(named, return_inverse=True)[1].astype(np.int64)
    splits, drawn = read_splits([row.split for row in rows], labels, groups, seed)
    for split, indices in splits.items():
        lacking = np.flatnonzero(np.bincount(labels[indices], minlength=len(classes)) == 0)
        if lacking.size:
            what = "no image" if lacking.size == len(classes) else f"no image of class {classes[lacking[0]]!r}"
            # Drawn splits lack a class only where it has fewer images, or groups, than there are splits.
            mend = "add images of other groups" if groups is not None else "add images"
            mend = mend if drawn else f"add some, or {listing.undo} to have splits drawn"
            raise InputError(f"{source}: split {split!r} has {what}: {mend}.")
    return _Parts(classes, labels, groups, splits, drawn)


def _sorted(labels: set[str]) -> tuple[str, ...]:
    if all(re.fullmatch("-?[0-9]{1,18}", label) for label in labels):
        return tuple(sorted(labels, key=lambda label: (int(label), label)))
    return tuple(sorted(labels))


def _shared_notes(splits: Mapping[str, Ints], digests: Sequence[bytes], groups: Ints | None) -> list[str]:
    """Warnings that test is not as held out as it should be."""
    seen = {digests[i] for split in ("train", "val") for i in splits[split]}
    notes = []
    if both := sum(digests[i] in seen for i in splits["test"]):
        notes.append(f"{both} images of test have exactly the pixels of one in train or val")
    if groups is not None:
        others = np.concatenate([splits["train"], splits["val"]])
        if people := len(np.intersect1d(groups[splits["test"]], groups[others])):
            notes.append(f"{people} groups of test are also in train or val")
    return notes
