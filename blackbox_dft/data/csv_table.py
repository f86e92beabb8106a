"""CSV reader for label tables: any header, delimiter (comma, semicolon, tab) and line ends."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from blackbox_dft.errors import InputError

DEFAULT_COLUMNS = ("file", "label", "split")
"""Columns of a table without a header."""


@dataclass(frozen=True)
class Table:
    """Rows of a CSV."""

    columns: tuple[str, ...]
    """Lower case."""
    lines: tuple[tuple[int, Mapping[str, str]], ...]
    """For each row its line number in the file, and its cells by column."""


def read_table(path: Path, file_suffixes: Sequence[str]) -> Table:
    """Reads a table that has a column ``file``, or no header and a file with one of the suffixes in its first cell.

    >>> from blackbox_dft.demo import assets
    >>> read_table(assets() / "labels.csv", [".png"]).lines[0]
    (2, {'file': 'images/000.png', 'label': '2', 'split': 'train'})

    Raises:
        InputError: not UTF-8, empty, no column ``file``, or a line with more cells than there are columns.
    """
    text = _text(path)
    first = text.lstrip().splitlines()[0] if text.strip() else ""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=max(",;\t", key=first.count))
    try:
        lines = [
            (reader.line_num, [cell.strip() for cell in cells])
            for cells in reader
            if any(cell.strip() for cell in cells)
        ]
    except csv.Error as error:
        raise InputError(f"{path}, line {reader.line_num}: {error}: check its quotes.") from error
    if not lines:
        raise InputError(f"{path} is empty: write a header file,label and one line per image.")
    columns = tuple(cell.lower() for cell in lines[0][1])
    if "file" in columns:
        del lines[0]
    elif len(columns) > 1 and Path(columns[0]).suffix in file_suffixes:
        if len(columns) > len(DEFAULT_COLUMNS):
            raise InputError(f"{path} has {len(columns)} columns and no header: write one, such as file,label,split.")
        columns = DEFAULT_COLUMNS[: len(columns)]
    else:
        raise InputError(f"{path} has no column 'file' (it has {', '.join(columns)}): name its columns file,label.")
    if not lines:
        raise InputError(f"{path} lists no images: write one line per image under its header.")
    if duplicate := next((name for name in columns if name and columns.count(name) > 1), None):
        raise InputError(f"{path} has two columns {duplicate!r}: rename or drop one.")
    return Table(columns, tuple((number, _by_column(path, number, columns, cells)) for number, cells in lines))


def _text(path: Path) -> str:
    try:
        return path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(
            f"{path} is not text in UTF-8: give --data a CSV (file,label) or a folder of classes."
        ) from error


def _by_column(path: Path, number: int, columns: tuple[str, ...], cells: list[str]) -> Mapping[str, str]:
    if any(cells[len(columns) :]):
        raise InputError(
            f"{path}, line {number}: has {len(cells)} cells for {len(columns)} columns: "
            'put names that contain a comma between "quotes".'
        )
    return dict(zip(columns, cells + [""] * (len(columns) - len(cells)), strict=False))
