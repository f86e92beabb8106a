"""Lists the images to predict: files, folders, tables with a column of files, and a list on standard input."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from blackbox_dft.data.csv_table import read_table
from blackbox_dft.data.sources import find_files
from blackbox_dft.errors import InputError
from blackbox_dft.images.files import SUFFIXES, list_images
from blackbox_dft.images.formats import FORMAT_NAMES

TABLE_SUFFIXES = (".csv", ".tsv")
STDIN = "-"
"""The source whose files are the lines of standard input."""


@dataclass(frozen=True)
class ListedImage:
    """An image file, and what it is called in the result."""

    name: str
    """As the user writes it: in the table, in the list, or the folder and the path below it."""
    path: Path


def list_inputs(
    sources: Sequence[str | Path], lines: Iterable[str] = (), *, allow_outside: bool = True
) -> list[ListedImage]:
    """Lists the images of files, folders, CSV files with a column of files, and ``-``, which stands for ``lines``.

    A file that is listed twice is taken once. A file that a table or ``lines`` name need not exist.

    >>> from blackbox_dft.demo import assets
    >>> found = list_inputs([assets() / "labels.csv"])
    >>> len(found), found[0].name, found[0].path.exists()
    (800, 'images/000.png', True)

    Args:
        sources: what to list, in its order.
        lines: a path each.
        allow_outside: whether files of folders and tables may lie outside them, links followed.

    Raises:
        InputError: a source does not exist or holds no images, or two files have one name.
    """
    found: dict[str, ListedImage] = {}
    for source in sources:
        for image in _of_source(source, lines, allow_outside=allow_outside):
            if "\0" in image.name:
                raise InputError(f"{source}: {image.name[:80]!r} is not a valid file path: correct it.")
            first = found.setdefault(image.name, image)
            if first.path != image.path:
                raise InputError(
                    f"{first.path} and {image.path} would both be called {image.name}: give them in two commands."
                )
    if not found:
        raise InputError("standard input lists no files: write the path of an image on each line.")
    return list(found.values())


def _of_source(source: str | Path, lines: Iterable[str], *, allow_outside: bool) -> Iterator[ListedImage]:
    if source == STDIN:
        yield from (ListedImage(line, Path(line)) for line in map(str.strip, lines) if line)
        return
    path = Path(source)
    if not path.exists():
        raise InputError(f"{path} does not exist: give images, folders of images, or a CSV with a column 'file'.")
    if path.is_dir():
        files = list_images(path)
        if not files:
            raise InputError(f"{path} contains no images: give a folder with {FORMAT_NAMES} files.")
        images = [ListedImage(file.as_posix(), file) for file in files]
    elif path.suffix.lower() in TABLE_SUFFIXES:
        table = read_table(path, file_suffixes=SUFFIXES)
        names = [values[table.file] for _, values in table.lines]
        if missing := next((line for line, values in table.lines if not values[table.file]), None):
            raise InputError(f"{path}, line {missing}: the file is missing: fill it in, or drop the line.")
        where, _ = find_files(path, [name.replace("\\", "/") for name in names])
        images = [ListedImage(name, path.parent / file) for name, file in zip(names, where, strict=True)]
    else:
        # What the user names is what the user means, wherever a link leads.
        yield ListedImage(str(source), path)
        return
    if not allow_outside:
        _require_inside(path if path.is_dir() else path.parent, images)
    yield from images


def _require_inside(folder: Path, images: Sequence[ListedImage]) -> None:
    for image in images:
        if "\0" not in image.name and not is_inside(image.path, folder):
            raise InputError(
                f"{image.name} lies outside {folder} and would be sent away: give --allow-outside, or copy it there."
            )


def is_inside(path: Path, folder: Path) -> bool:
    """Whether a file lies in ``folder`` or below it, links followed."""
    return str(path.resolve()).startswith(str(folder.resolve()).rstrip(os.sep) + os.sep)
