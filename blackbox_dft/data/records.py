"""What a source lists, as values: rows of files, labels, splits and groups."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from blackbox_dft.images.files import ByteSource


@dataclass(frozen=True)
class Row:
    """One labelled file."""

    file: str
    """Relative to the source's folder, with forward slashes."""
    label: str
    split: str = ""
    """``train``, ``val``, ``test`` or nothing."""
    group: str = ""
    traits: tuple[str, ...] = ()
    """What else is said of it, one for each of the listing's ``traits``."""


@dataclass(frozen=True)
class Listing:
    """All that a source lists."""

    folder: Path
    rows: tuple[Row, ...]
    undo: str
    """What makes splits be drawn instead of taken as they are given."""
    notes: tuple[str, ...] = ()
    traits: tuple[str, ...] = ()
    """Names of what else is said of every image."""
    held: Mapping[str, ByteSource] = field(default_factory=dict)
    """Where the files are, by name, unless they lie in ``folder``."""

    def place(self, row: Row) -> Path | ByteSource:
        """What ``read_image`` reads of a row."""
        return self.held[row.file] if self.held else self.folder / row.file
