"""``load`` and ``Dataset``: labelled images, decoded and split into train, val and test."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from blackbox_dft._utils.cpu import cores
from blackbox_dft._utils.text import looks_missing, shortened
from blackbox_dft._utils.types import ImageBytes, Ints
from blackbox_dft.data import cache as pixel_cache
from blackbox_dft.data.cache import DecodedImages
from blackbox_dft.data.decoding import allocate_pixels, common_size, decode_into, have_several_sizes
from blackbox_dft.data.photos import Photos, read_photos
from blackbox_dft.data.records import Listing, Row
from blackbox_dft.data.sources import list_source
from blackbox_dft.data.splits import read_splits
from blackbox_dft.errors import InputError
from blackbox_dft.images.fit_options import AUTO, KEEP
from blackbox_dft.images.fitting import Fitting

MAX_MEMORY_BYTES = 256 * 2**20
"""Pixels that are not cached lie in memory up to this size, in a temporary file beyond it."""
FEW_CLASSES = 16
"""Up to so many classes each split has to hold all of them; with more, some have too few images for that."""
MAX_DARK_BITS = 14
"""Bits of sensors that write files of 16; a set of natural images may well use no more than 15."""


@dataclass(frozen=True, eq=False)
class Dataset:
    """Labelled images and their splits; made by ``load``."""

    images: ImageBytes | Photos
    """``(N, H, W, 3)`` uint8 RGB, in memory or memory-mapped; or files, if each image keeps its own size."""
    labels: Ints
    """``(N,)``, indices into ``classes``."""
    classes: tuple[str, ...]
    """Names of the labels, sorted; by value if all are whole numbers."""
    files: tuple[str, ...]
    """Names as listed, relative to the source's folder."""
    splits: Mapping[str, Ints]
    """Indices of ``train``, ``val`` and ``test``."""
    groups: Ints | None
    """``(N,)``: equal for images that belong together (one person); None if the source names no groups."""
    digests: tuple[bytes, ...]
    """16 bytes per image, of its pixels after resizing; of its file, if it keeps its own size."""
    source: Path
    skipped: tuple[str, ...] = ()
    """Files left out because they cannot be read."""
    resized: int = 0
    """Number of images that had another size."""
    notes: tuple[str, ...] = ()
    """Lines for the user about what was assumed, drawn or left out."""
    traits: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Further attributes of the images by name, N texts each; the report breaks its results down by them."""
    fitting: Fitting = field(default_factory=Fitting)
    """How images were brought to one size, or that they were not."""

    def groups_of(self, indices: Ints) -> Ints | None:
        """Groups of these images; None if the source names no groups."""
        return None if self.groups is None else self.groups[indices]


def load(
    source: str | Path,
    *,
    label: str = "",
    size: tuple[int, int] | None = None,
    skip_bad: bool = False,
    seed: int = 0,
    allow_outside: bool = True,
    splits: bool = True,
    classes: Sequence[str] | None = None,
    cache: Path | None = None,
    memory: int = MAX_MEMORY_BYTES,
    fitting: Fitting | None = None,
) -> Dataset:
    """Loads a CSV (``file,label|class[,split][,group|person]``) or a folder with one sub-folder per class.

    Decoded images are cached in the user's cache folder, so that a second ``load`` of the same files decodes nothing.

    Args:
        source: the CSV or folder; or a published data set: ``lfw:DIR``, ``celeba:DIR``, ``muct:DIR``.
        label: attribute of a published data set, or column of the CSV, to use as label.
        size: (height, width) that all images are resized to; by default the most common one.
        skip_bad: leave out images that cannot be read, instead of stopping at the first.
        seed: seed of the splits, if they are drawn.
        allow_outside: whether files may lie outside the folder of the CSV or the classes, links followed.
        splits: whether train, val and test are needed; without, each may be empty, and one class is enough.
        classes: names of all labels there may be, in order; by default those that occur, sorted.
        cache: folder for a temporary file of pixels, instead of the user's cache folder.
        memory: bytes of pixels to hold in memory if they cannot be cached; more goes to a temporary file.
        fitting: how images of other sizes are brought to ``size``; by default they are stretched. With ``keep`` they
            are ``Photos``; ``auto`` is ``keep`` if there are several sizes and no ``size`` is given, else ``stretch``.

    Raises:
        InputError: the source or one of its images cannot be used; the message names the file or line.

    >>> from blackbox_dft.demo import assets
    >>> data = load(assets() / "labels.csv")
    >>> data.images.shape, data.images.dtype
    ((800, 32, 32, 3), dtype('uint8'))
    >>> data.classes
    ('0', '1', '2', '3', '4', '5', '6', '7', '8', '9')
    >>> {split: len(indices) for split, indices in data.splits.items()}
    {'train': 240, 'val': 160, 'test': 400}
    """
    listing = list_source(Path(source), label, allow_outside=allow_outside)
    return load_listing(
        Path(source),
        listing,
        size=size,
        skip_bad=skip_bad,
        seed=seed,
        splits=splits,
        classes=classes,
        fitting=fitting or Fitting(),
        cache=cache,
        memory=memory,
    )


def load_listing(
    source: Path,
    listing: Listing,
    *,
    size: tuple[int, int] | None,
    skip_bad: bool,
    seed: int,
    splits: bool,
    classes: Sequence[str] | None,
    fitting: Fitting,
    cache: Path | None = None,
    memory: int = MAX_MEMORY_BYTES,
) -> Dataset:
    """``load`` for files that are listed already; ``source`` is what messages call them."""
    fitting = _decided(fitting, listing, size)
    read_all = _read_photos if fitting.keeps_sizes else _decode
    return assemble(
        source,
        listing,
        lambda: read_all(listing, size, skip_bad, memory, cache, fitting),
        seed=seed,
        splits=splits,
        classes=classes,
        fitting=fitting,
    )


def assemble(
    source: Path,
    listing: Listing,
    decode: Callable[[], DecodedImages],
    *,
    seed: int,
    splits: bool,
    classes: Sequence[str] | None,
    fitting: Fitting,
) -> Dataset:
    """The data set of a listing, whose images ``decode`` reads; arguments as for ``load``.

    Raises:
        InputError: a label or a split cannot be used, or an image cannot be read.
    """
    # Before decoding, so that errors in the listing are reported at once.
    parts = _arrange(source, listing, listing.rows, seed, splits, classes)
    decoded = decode()
    rows = [listing.rows[number] for number in decoded.indices]
    read = set(decoded.indices)
    skipped = [row.file for number, row in enumerate(listing.rows) if number not in read]
    notes = list(listing.notes)
    if skipped:
        if not rows:
            raise InputError(
                f"{source}: none of its {len(listing.rows)} images can be read: check the paths and formats."
            )
        parts = _arrange(source, listing, rows, seed, splits, classes)
        some = ", ".join(skipped[:3]) + (" ..." if len(skipped) > 3 else "")
        notes.append(f"{len(skipped)} images could not be read and were left out: {some}")
    notes[:0] = parts.notes
    notes += [_as_missing(name, parts.labels, n) for n, name in enumerate(parts.classes) if looks_missing(name)]
    if decoded.resized:
        height, width = decoded.images.shape[1:3]
        fitted = f" by --fit {fitting.fit}" if fitting.fit != "stretch" else ""
        notes.append(f"{decoded.resized} images had another size and were resized to {height}x{width}{fitted}")
    if 0 < decoded.deep_max < 2**MAX_DARK_BITS:
        bits = decoded.deep_max.bit_length()
        notes.append(
            f"the largest value in files of 16 bits is {decoded.deep_max:,}: they hold {bits} bits, and come out dark: "
            f"save them multiplied by {2 ** (16 - bits)}, or with 8 bits"
        )
    if isinstance(decoded.images, Photos):
        notes.append(_sizes_note(decoded.images))
    notes += _leak_notes(parts.splits, decoded.digests, parts.groups)
    return Dataset(
        images=decoded.images,
        labels=parts.labels,
        classes=parts.classes,
        files=tuple(row.file for row in rows),
        splits=parts.splits,
        groups=parts.groups,
        digests=tuple(decoded.digests),
        source=source,
        skipped=tuple(skipped),
        resized=decoded.resized,
        notes=tuple(notes),
        traits={name: tuple(row.traits[number] for row in rows) for number, name in enumerate(listing.traits)},
        fitting=fitting,
    )


def _decided(fitting: Fitting, listing: Listing, size: tuple[int, int] | None) -> Fitting:
    """``fitting`` with ``auto`` decided by the sizes that the files' headers declare."""
    if fitting.fit != AUTO:
        return fitting
    with ThreadPoolExecutor(min(16, 2 * cores())) as threads:
        several = size is None and have_several_sizes(map(listing.location, listing.rows), threads)
    if several or fitting.max_side:
        return replace(fitting, fit=KEEP)
    return replace(fitting, fit="stretch")


def _read_photos(
    listing: Listing,
    size: tuple[int, int] | None,
    skip_bad: bool,
    memory: int,
    cache: Path | None,
    fitting: Fitting,
) -> DecodedImages:
    """Reads every file once, and keeps digests and sizes; arguments as for ``_decode``."""
    files, cached = [row.file for row in listing.rows], cache is None and not listing.members
    entry = pixel_cache.entry_path(listing.folder, files, None, skip_bad, Fitting(KEEP)) if cached else None
    with ThreadPoolExecutor(min(16, 2 * cores())) as threads:
        locations = [listing.location(row) for row in listing.rows]
        found = read_photos(locations, fitting, threads, skip_bad=skip_bad, entry=entry)
    return DecodedImages(found.photos, found.indices, list(found.photos.digests), 0, found.deep_max)


def _sizes_note(photos: Photos) -> str:
    """What photos are sent as."""
    count, smaller = len({tuple(size) for size in photos.sizes.tolist()}), len(photos) - len(photos.whole)
    of_them = f"; {smaller:,} are made smaller (--max-side {photos.fitting.max_side})" if smaller else ""
    sizes = "1 size" if count == 1 else f"{count:,} sizes"
    return f"each image keeps its own size ({sizes}){of_them}"


def _decode(
    listing: Listing,
    size: tuple[int, int] | None,
    skip_bad: bool,
    memory: int,
    cache: Path | None,
    fitting: Fitting,
) -> DecodedImages:
    """Decodes the images, or loads them from the cache."""
    files = [row.file for row in listing.rows]
    cached = cache is None and not listing.members
    entry = pixel_cache.entry_path(listing.folder, files, size, skip_bad, fitting) if cached else None
    if entry and (images := pixel_cache.load_entry(entry)):
        return images
    locations = [listing.location(row) for row in listing.rows]
    with ThreadPoolExecutor(min(16, 2 * cores())) as threads:
        shape = (len(locations), *(size or common_size(locations, threads)), 3)

        def decode(pixels: ImageBytes) -> DecodedImages:
            indices, digests, resized, deep_max = decode_into(
                pixels, locations, threads, skip_bad=skip_bad, fitting=fitting
            )
            return DecodedImages(pixels[: len(indices)], indices, digests, resized, deep_max)

        if entry and (images := pixel_cache.store_entry(entry, shape, decode)):
            return images
        return decode(allocate_pixels(shape, memory, cache))


@dataclass(frozen=True, eq=False)
class _Parts:
    """Rows as numbers: class, group and split of each."""

    classes: tuple[str, ...]
    labels: Ints
    groups: Ints | None
    splits: Mapping[str, Ints]
    notes: tuple[str, ...]
    """On the splits that were drawn."""


def _arrange(
    source: Path, listing: Listing, rows: Sequence[Row], seed: int, needed: bool, known: Sequence[str] | None
) -> _Parts:
    classes = sorted_labels({row.label for row in rows})
    if known is not None:
        same = {name.casefold(): name for name in known}
        rows = [replace(row, label=same.get(row.label.casefold(), row.label)) for row in rows]
        if others := sorted({row.label for row in rows} - set(known)):
            raise InputError(f"{source}: the label {others[0]!r} is none of {shortened(known)}: correct or drop it.")
        classes = tuple(known)
    if needed and len(classes) < 2:
        raise InputError(f"{source} holds one class only ({classes[0]}): nothing to distinguish: add another.")
    number = {label: index for index, label in enumerate(classes)}
    labels = np.array([number[row.label] for row in rows], np.int64)
    groups = None
    if any(row.group for row in rows):
        # An image without a group is a group of its own.
        named = [row.group or f"\0{index}" for index, row in enumerate(rows)]
        groups = np.unique(named, return_inverse=True)[1].astype(np.int64)
    splits, drawn = read_splits([row.split for row in rows], labels, groups, seed)
    if not needed:
        return _Parts(classes, labels, groups, splits, ())
    given = {row.split for row in rows} - ({"train"} if drawn else set())
    rare: set[int] = set()
    lacking: list[str] = []
    for split, indices in splits.items():
        missing = np.flatnonzero(np.bincount(labels[indices], minlength=len(classes)) == 0)
        if missing.size and len(indices) and split not in given:
            rare.update(missing.tolist())
        elif len(classes) > FEW_CLASSES and missing.size < len(classes) - 1 and not _any_missing(classes, missing):
            lacking += [_lacking(split, [classes[number] for number in missing])] if missing.size else []
        elif missing.size:
            what = "no image" if missing.size == len(classes) else f"no image of class {classes[missing[0]]!r}"
            mend = "add images" if groups is None else "add images of other groups"
            if any(row.split for row in rows):
                mend = f"add some, or {listing.redraw_hint} to have splits drawn"
            if missing.size < len(classes) and looks_missing(classes[missing[0]]):
                mend = f"{_as_missing(classes[missing[0]], labels, missing[0])}, or drop these images"
            raise InputError(f"{source}: split {split!r} has {what}: {mend}.")
    notes = [drawn] if drawn else []
    notes += lacking
    if rare:
        some = _some([classes[number] for number in sorted(rare)])
        units = "images" if groups is None else "groups"
        classes_were = "1 class was" if len(rare) == 1 else f"{len(rare)} classes were"
        notes.append(f"{classes_were} drawn at random, with too few {units} for every split: {some}")
    return _Parts(classes, labels, groups, splits, tuple(notes))


def _any_missing(classes: Sequence[str], numbers: Ints) -> bool:
    return any(looks_missing(classes[number]) for number in numbers)


def _lacking(split: str, names: list[str]) -> str:
    count = "1 class" if len(names) == 1 else f"{len(names):,} classes"
    return f"split {split!r} has no image of {count}: {_some(names)}"


def _some(names: list[str]) -> str:
    return ", ".join(names[:3]) + (" ..." if len(names) > 3 else "")


def _as_missing(label: str, labels: Ints, number: int) -> str:
    count = int((labels == number).sum())
    images = "1 image has" if count == 1 else f"{count:,} images have"
    return f"{images} the label {label!r}, which looks like a missing value: fill it in"


def sorted_labels(labels: set[str]) -> tuple[str, ...]:
    """Names of labels in order: by value if all are whole numbers.

    >>> sorted_labels({"10", "9", "-1"}), sorted_labels({"10", "9", "x"})
    (('-1', '9', '10'), ('10', '9', 'x'))
    """
    if all(re.fullmatch("-?[0-9]{1,18}", label) for label in labels):
        return tuple(sorted(labels, key=lambda label: (int(label), label)))
    return tuple(sorted(labels))


def _leak_notes(splits: Mapping[str, Ints], digests: Sequence[bytes], groups: Ints | None) -> list[str]:
    """Warnings that images or groups of test are also in train or val."""
    seen = {digests[i] for split in ("train", "val") for i in splits[split]}
    notes = []
    if duplicates := sum(digests[i] in seen for i in splits["test"]):
        notes.append(f"{duplicates} images of test have exactly the pixels of one in train or val")
    if groups is not None:
        others = np.concatenate([splits["train"], splits["val"]])
        if shared := len(np.intersect1d(groups[splits["test"]], groups[others])):
            notes.append(f"{shared} groups of test are also in train or val")
    return notes
