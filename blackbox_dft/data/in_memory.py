"""Labelled images given as Python objects: arrays, lists, data sets of torch or Hugging Face, pandas frames."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np

from blackbox_dft._utils.types import Array, ImageBytes
from blackbox_dft.data.cache import DecodedImages
from blackbox_dft.data.csv_table import FILE_COLUMNS, find_column
from blackbox_dft.data.dataset import MAX_MEMORY_BYTES, Dataset, assemble, load_listing
from blackbox_dft.data.decoding import allocate_pixels
from blackbox_dft.data.photos import Photos
from blackbox_dft.data.records import Listing, Row
from blackbox_dft.data.sources import ALIASES, GROUP_COLUMNS, LABEL_COLUMNS
from blackbox_dft.errors import InputError
from blackbox_dft.images.batches import as_batch
from blackbox_dft.images.encoding import to_bytes
from blackbox_dft.images.fit_options import AUTO, KEEP
from blackbox_dft.images.fitting import Fitting

ACCEPTED = (
    "give a path, (images, labels), (paths, labels), a torch Dataset, a Hugging Face Dataset, a pandas frame with a "
    "column of paths, or one of these for each of train, val and test in a dict"
)
REDRAW = "leave the splits out"
CHANNELS = (1, 3)


@dataclass(frozen=True)
class ImageOptions:
    """How images are read, as for ``load``."""

    size: tuple[int, int] | None = None
    label: str = ""
    seed: int = 0
    skip_bad: bool = False
    fitting: Fitting = field(default_factory=Fitting)
    splits: bool = True
    classes: Sequence[str] | None = None


@dataclass(frozen=True, eq=False)
class _Part:
    """Images of one source, not yet read, with their rows."""

    kind: str
    """What messages call the source: ``<arrays>``."""
    rows: tuple[Row, ...]
    images: Callable[[], Iterable[object]] | None
    """Each image in its order; None if the rows name files."""
    traits: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def is_named(data: object) -> bool:
    """Whether ``data`` is the name of a source that ``load`` reads."""
    return isinstance(data, str | os.PathLike)


def dataset_of(data: object, options: ImageOptions | None = None) -> Dataset:
    """The data set that an object holds; its ``source`` is a name in angle brackets.

    >>> images, labels = np.zeros((12, 3, 8, 8)), ["cat", "dog"] * 6
    >>> data = dataset_of((images, labels))
    >>> data.images.shape, data.classes, str(data.source), data.notes[1]
    ((12, 8, 8, 3), ('cat', 'dog'), '<arrays>', 'images are taken as (N, 3, H, W), and rounded to 8 bits')

    Args:
        data: a ``Dataset``; a list of pairs of an image and a label; ``(images, labels)`` with images uint8 or floats
            in [0, 1], ``(N, H, W, C)`` or ``(N, C, H, W)`` RGB or grey, or a list of arrays or Pillow images;
            ``(paths, labels)``; a data set with ``len`` and items ``(image, label)``, as torch has them; a Hugging
            Face ``Dataset``; a pandas frame with a column of paths or images; or a mapping from ``train``, ``val`` and
            ``test`` to such objects.
        options: how to read it.

    Raises:
        InputError: it is none of these, or its images or labels cannot be used.
    """
    options = _of_one_size(options or ImageOptions())
    if isinstance(data, Dataset):
        return _resized(data, options)
    part = _part(data, options)
    source = Path(part.kind)
    if part.images is None:
        # Paths are as the caller's program sees them.
        listing = Listing(Path.cwd(), part.rows, REDRAW, part.notes, part.traits)
        return load_listing(
            source,
            listing,
            size=options.size,
            skip_bad=options.skip_bad,
            seed=options.seed,
            splits=options.splits,
            classes=options.classes,
            fitting=options.fitting,
        )
    listing, images = Listing(Path(), part.rows, REDRAW, part.notes, part.traits), part.images
    return assemble(
        source,
        listing,
        lambda: _read(images(), len(part.rows), options),
        seed=options.seed,
        splits=options.splits,
        classes=options.classes,
        fitting=options.fitting,
    )


def _of_one_size(options: ImageOptions) -> ImageOptions:
    if options.fitting.fit == KEEP:
        raise InputError(
            "images that are given as objects are brought to one size, and --fit keep leaves them their own: pass the "
            "path of a CSV or a folder, or paths of files."
        )
    if options.fitting.max_side is not None:
        raise InputError(
            "images that are given as objects are brought to one size, and --max-side is for photos that keep their "
            "own: leave it out."
        )
    if options.fitting.fit != AUTO:
        return options
    return replace(options, fitting=replace(options.fitting, fit="stretch"))


def _part(data: object, options: ImageOptions) -> _Part:
    if isinstance(data, Mapping) and not hasattr(data, "iloc"):
        return _of_splits(data, options)
    if hasattr(data, "iloc") and hasattr(data, "columns"):
        return _of_frame(data, options.label)
    if hasattr(data, "features") and hasattr(data, "column_names"):
        return _of_hugging_face(data, options.label)
    if isinstance(data, tuple | list) and len(data) == 2:
        return _of_pair(data[0], data[1])
    pairs = isinstance(data, list) and all(isinstance(one, tuple) and len(one) == 2 for one in data)
    listed = isinstance(data, tuple | list | np.ndarray)
    if pairs or (hasattr(data, "__getitem__") and hasattr(data, "__len__") and not listed):
        return _of_items(data)
    raise InputError(f"data of type {type(data).__name__} cannot be used: {ACCEPTED}.")


def _of_splits(data: Mapping[Any, object], options: ImageOptions) -> _Part:
    parts = []
    for name, one in data.items():
        if str(name).lower() not in ALIASES:
            raise InputError(f"data has the unknown split {name!r}: call them train, val and test.")
        part = _part(one, options)
        split = ALIASES[str(name).lower()]
        # Images without a file of their own are counted from 0 in each split.
        prefix = "" if part.images is None else f"{split} "
        rows = tuple(replace(row, split=split, file=prefix + row.file) for row in part.rows)
        parts.append(replace(part, rows=rows))
    if not parts or len({part.images is None for part in parts}) > 1:
        raise InputError(f"data names splits without images, or paths beside images: {ACCEPTED}.")
    every = [part.images for part in parts if part.images]
    return _Part(
        parts[0].kind,
        tuple(row for part in parts for row in part.rows),
        (lambda: (image for images in every for image in images())) if every else None,
        parts[0].traits,
        tuple(dict.fromkeys(note for part in parts for note in part.notes)),
    )


def _of_pair(images: Any, labels: Any) -> _Part:
    names = _labels(labels)
    if isinstance(images, str | os.PathLike) or not hasattr(images, "__len__"):
        raise InputError(f"data is a pair of {type(images).__name__} and labels: {ACCEPTED}.")
    if len(images) != len(names):
        raise InputError(f"data has {len(images):,} images and {len(names):,} labels: give one label an image.")
    if not names:
        raise InputError("data holds no images: give labelled images.")
    if isinstance(images[0], str | os.PathLike):
        files = [Path(os.path.normpath(os.fspath(one))).as_posix() for one in images]
        return _Part("<list of paths>", tuple(map(Row, files, names)), None)
    rows = tuple(Row(str(number), name) for number, name in enumerate(names))
    if isinstance(images, list | tuple):
        return _Part("<list of images>", rows, lambda: images)
    try:
        array: Array = np.asarray(images)
    except (ValueError, TypeError, RuntimeError) as error:
        raise InputError(f"the images are not an array ({error}): {ACCEPTED}.") from error
    channels_last, note = _axes(array)
    return _Part("<arrays>", rows, lambda: channels_last, notes=(note,))


def _axes(array: Array) -> tuple[Array, str]:
    """Images with their channels last, and what was assumed, as a note."""
    rounded = "" if array.dtype == np.uint8 else ", and rounded to 8 bits"
    if array.ndim == 3 and array.shape[2] in CHANNELS:
        # Three columns of pixels are no grey image.
        raise InputError(
            f"the images have shape {array.shape}, as one image has: give several, or images[None] for one."
        )
    if array.ndim == 3:
        return array[..., None], f"images are taken as (N, H, W), grey{rounded}"
    if array.ndim != 4:
        raise InputError(f"the images have shape {array.shape}: give (N, H, W, 3), or (N, 3, H, W).")
    last, first = array.shape[3] in CHANNELS, array.shape[1] in CHANNELS
    if last and first and array.shape[1] != array.shape[3]:
        # A single row or column of pixels is no image.
        last, first = array.shape[3] == 3, array.shape[1] == 3
    if last and first:
        raise InputError(f"in images of shape {array.shape} the channels may be the second or the last axis: resize.")
    if not (last or first):
        raise InputError(f"the images have shape {array.shape}, without 1 or 3 channels: give (N, H, W, 3), RGB.")
    if first:
        depth = array.shape[1]
        return array.transpose(0, 2, 3, 1), f"images are taken as (N, {depth}, H, W){rounded}"
    return array, f"images are taken as (N, H, W, {array.shape[3]}){rounded}"


def _of_items(data: Any) -> _Part:
    """A data set whose items are pairs of an image and a label, such as those of torch and torchvision."""
    count = len(data)
    if not count:
        raise InputError("data holds no images: give labelled images.")
    first = data[0]
    if not isinstance(first, tuple | list) or len(first) < 2:
        raise InputError(f"its items are {type(first).__name__}, not pairs of an image and a label: {ACCEPTED}.")
    images, labels = [], []
    # Once, as reading an item may take long, and random changes would give another image the next time.
    for number in range(count):
        image, label = data[number][:2]
        images.append(_pixels(image))
        labels.append(label)
    names = _named(_labels(labels), getattr(data, "classes", None))
    rows = tuple(Row(str(number), name) for number, name in enumerate(names))
    return _Part("<data set>", rows, lambda: images)


def _of_hugging_face(data: Any, label: str) -> _Part:
    features = dict(data.features)
    columns = tuple(features)
    pictures = [name for name, feature in features.items() if type(feature).__name__ == "Image"]
    image = pictures[0] if pictures else find_column(columns, FILE_COLUMNS)
    kinds = [name for name, feature in features.items() if type(feature).__name__ == "ClassLabel"]
    found = label if label in columns else "" if label else (kinds or [find_column(columns, LABEL_COLUMNS)])[0]
    if not image or not found:
        what = "images" if not image else f"labels{f' {label!r}' if label else ''}"
        raise InputError(f"the data set has no column of {what}: it has {', '.join(columns)}.")
    names = _named(_labels(data[found]), getattr(features[found], "names", None))
    rows = tuple(Row(str(number), name) for number, name in enumerate(names))
    return _Part("<Hugging Face data set>", rows, lambda: (row[image] for row in data))


def _of_frame(frame: Any, label: str) -> _Part:
    columns = tuple(map(str, frame.columns))
    file = find_column(columns, FILE_COLUMNS)
    found = label if label in columns else "" if label else find_column(columns, LABEL_COLUMNS)
    if not file or not found:
        what = "paths, such as 'file'" if not file else f"labels, {label or 'such as label'!r}"
        raise InputError(f"the frame has no column of {what}: it has {', '.join(columns)}.")
    frame = frame.rename(columns=str)
    split, group = find_column(columns, ("split",)), find_column(columns, GROUP_COLUMNS)
    names, known = _labels(frame[found]), {file, found, split, group}
    traits = tuple(name for name in columns if name not in known)
    cells = [frame[name].astype(str).tolist() for name in traits]
    splits = [""] * len(names) if not split else [str(one).lower() for one in frame[split]]
    if unknown := sorted(set(splits) - set(ALIASES) - {""}):
        raise InputError(f"the frame has the unknown split {unknown[0]!r}: write train, val or test.")
    groups = [""] * len(names) if not group else [str(one) for one in frame[group]]
    given = frame[file].tolist()
    if not given:
        raise InputError("data holds no images: give labelled images.")
    of_files = isinstance(given[0], str | os.PathLike)
    files = [Path(os.path.normpath(one)).as_posix() if of_files else str(n) for n, one in enumerate(given)]
    rows = tuple(
        Row(files[n], names[n], ALIASES.get(splits[n], ""), groups[n], tuple(column[n] for column in cells))
        for n in range(len(names))
    )
    return _Part("<data frame>", rows, None if of_files else lambda: given, traits)


def _labels(labels: Any) -> list[str]:
    """Labels as texts; whole numbers without a point."""
    try:
        values: Array = np.asarray(labels)
    except (ValueError, TypeError, RuntimeError):
        values = np.asarray(list(labels), object)
    if values.ndim == 2 and values.shape[1] == 1:
        values = values[:, 0]
    if values.ndim != 1:
        raise InputError(f"the labels have shape {values.shape}: give one label an image, (N,).")
    if values.dtype.kind == "f":
        if not np.isfinite(values).all() or (values != np.rint(values)).any():
            raise InputError("the labels are fractions or not a number: give names or whole numbers.")
        values = values.astype(np.int64)
    if values.dtype.kind == "O":
        if any(one is None or one != one for one in values):
            raise InputError("a label is missing: fill it in, or drop the image.")
        values = np.asarray([one.item() if hasattr(one, "item") else one for one in values], object)
    return [str(one) for one in values.tolist()]


def _named(labels: list[str], names: Iterable[Any] | None) -> list[str]:
    """Names of labels that are numbers of a list of names."""
    every = [] if names is None or isinstance(names, str) else list(map(str, names))
    numbers = all(label.isdecimal() and int(label) < len(every) for label in labels)
    return [every[int(label)] for label in labels] if every and numbers else labels


def _read(images: Iterable[object], count: int, options: ImageOptions) -> DecodedImages:
    """All images as bytes in one array, brought to one size."""
    if options.size is None:
        every = list(_each(images))
        sizes = [image.shape[:2] for image in every]
        images = every
        common = max(set(sizes), key=lambda size: (sizes.count(size), size))
        options = replace(options, size=(common[0], common[1]))
    size = options.size
    assert size
    pixels = allocate_pixels((count, *size, 3), MAX_MEMORY_BYTES, None)
    digests, resized = [], 0
    for number, image in enumerate(_each(images)):
        if image.shape[:2] != size or not options.fitting.keeps_all:
            resized += image.shape[:2] != size
            image = options.fitting(image, size)
        pixels[number] = image
        digests.append(_digest(pixels[number]))
    return DecodedImages(pixels, list(range(count)), digests, resized)


def _each(images: Iterable[object]) -> Iterator[ImageBytes]:
    for number, image in enumerate(images):
        try:
            yield _pixels(image)
        except InputError as error:
            raise InputError(f"image {number}: {error}") from error


def _pixels(image: object) -> ImageBytes:
    """One image as uint8 ``(H, W, 3)`` RGB, whatever the order of its axes."""
    if not hasattr(image, "getbands"):
        try:
            array: Array = np.asarray(image)
        except (ValueError, TypeError, RuntimeError) as error:
            raise InputError(f"it is not an image ({error}): give an array or a Pillow image.") from error
        if array.ndim == 2:
            array = array[..., None]
        if array.ndim != 3:
            raise InputError(f"it has shape {array.shape}: give (H, W, 3) or (3, H, W).")
        if array.shape[2] not in CHANNELS and array.shape[0] in CHANNELS:
            array = array.transpose(1, 2, 0)
        if array.shape[2] not in CHANNELS:
            raise InputError(f"it has shape {array.shape}, without 1 or 3 channels: convert it to RGB.")
        image = array
    pixels = to_bytes(as_batch(image)[0])
    return np.repeat(pixels, 3, axis=2) if pixels.shape[2] == 1 else pixels


def _resized(data: Dataset, options: ImageOptions) -> Dataset:
    """The data set at another size of its images, if it is asked for."""
    size = options.size
    if size is None or data.images.shape[1:3] == size or isinstance(data.images, Photos):
        return data
    pixels = allocate_pixels((len(data.images), *size, 3), MAX_MEMORY_BYTES, None)
    for number, image in enumerate(data.images):
        pixels[number] = options.fitting(image, size)
    note = f"all images were resized from {_words(data.images.shape[1:3])} to {_words(size)}"
    return replace(
        data,
        images=pixels,
        digests=tuple(map(_digest, pixels)),
        resized=len(pixels),
        notes=(*data.notes, note),
    )


def _words(size: Sequence[int]) -> str:
    return "x".join(map(str, size[:2]))


def _digest(image: ImageBytes) -> bytes:
    """Of the pixels, the same as of an image that was read from a file."""
    return blake2b(image.tobytes(), digest_size=16, person=b"%d" % image.shape[1]).digest()
