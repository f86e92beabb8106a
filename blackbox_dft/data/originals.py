"""Originals: labelled images at their own sizes, decoded one at a time, in random order."""

from __future__ import annotations

from collections.abc import Collection
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from blackbox_dft._utils.types import ImageBytes, Ints
from blackbox_dft.data.dataset import sorted_labels
from blackbox_dft.data.photos import Photos, read_photos
from blackbox_dft.data.records import Listing
from blackbox_dft.data.sources import list_source
from blackbox_dft.images.files import read_image
from blackbox_dft.images.fitting import Fitting


@dataclass(frozen=True, eq=False)
class Originals:
    """Labelled images whose pixels are read when they are wanted; made by ``list_originals``.

    >>> from blackbox_dft.demo import assets
    >>> originals = list_originals(assets() / "labels.csv", count=5)
    >>> len(originals.labels), originals.image(0).shape
    (5, (32, 32, 3))
    """

    listing: Listing
    rows: Ints
    """``(N,)``, of the listing."""
    labels: Ints
    """``(N,)``, indices into ``classes``."""
    classes: tuple[str, ...]
    """Names of the labels of all rows, sorted as by ``load``."""

    def image(self, number: int) -> ImageBytes:
        """An image ``(H, W, 3)`` at its own size.

        Raises:
            InputError: it cannot be read.
        """
        return read_image(self.listing.location(self.listing.rows[int(self.rows[number])]))

    def photos(self, fitting: Fitting) -> Photos:
        """The images as ``Photos``; each is read once now.

        Raises:
            InputError: one cannot be read.
        """
        files = [self.listing.location(self.listing.rows[row]) for row in self.rows.tolist()]
        with ThreadPoolExecutor() as threads:
            return read_photos(files, fitting, threads).photos


def list_originals(
    source: str | Path,
    *,
    count: int,
    label: str = "",
    seed: int = 0,
    allow_outside: bool = True,
    only: Collection[str] | None = None,
) -> Originals:
    """Up to ``count`` images of a source that ``load`` reads, drawn at random; those of a test split come last.

    One image a class is enough, and no split is needed. ``only`` are the files that may be taken.

    Raises:
        InputError: the source cannot be used.
    """
    listing = list_source(source, label, allow_outside=allow_outside)
    classes = sorted_labels({row.label for row in listing.rows})
    numbers = {name: number for number, name in enumerate(classes)}
    order = np.random.default_rng(seed).permutation(len(listing.rows))
    held = np.array([listing.rows[row].split == "test" for row in order.tolist()], np.bool_)
    rows = np.concatenate([order[~held], order[held]])
    if only is not None:
        rows = rows[[listing.rows[row].file in only for row in rows.tolist()]]
    rows = rows[:count]
    labels = np.array([numbers[listing.rows[row].label] for row in rows.tolist()], np.int64)
    return Originals(listing, rows, labels, classes)
