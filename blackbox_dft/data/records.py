"""Rows of a data set before its images are read: files, labels, splits, groups and traits, as text."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from blackbox_dft.images.files import ByteSource


@dataclass(frozen=True)
class Row:
    """One labelled image file.

    >>> Row("cat/1.png", "cat", split="train")
    Row(file='cat/1.png', label='cat', split='train', group='', traits=())
    """

    file: str
    """Relative to the listing's folder, with forward slashes."""
    label: str
    split: str = ""
    """``train``, ``val``, ``test``, or empty if the source does not say."""
    group: str = ""
    """Images of one group (one person) go to the same split; empty for an image that is a group of its own."""
    traits: tuple[str, ...] = ()
    """Further attributes of the image, one value for each of the listing's ``traits``."""


@dataclass(frozen=True)
class Listing:
    """All rows of a data set, and where its files are."""

    folder: Path
    rows: tuple[Row, ...]
    redraw_hint: str
    """How the user gets splits drawn instead of those given, for error messages (``"drop the column 'split'"``)."""
    notes: tuple[str, ...] = ()
    """Lines for the user about what was left out or assumed."""
    traits: tuple[str, ...] = ()
    """Names of the further attributes."""
    members: Mapping[str, ByteSource] = field(default_factory=dict)
    """Files by name, if they are members of archives instead of files in ``folder``."""

    def location(self, row: Row) -> Path | ByteSource:
        """What ``read_image`` reads for a row: a path, or a member of an archive."""
        return self.members[row.file] if self.members else self.folder / row.file
