"""CSV reader for label tables: any header, delimiter (comma, semicolon, tab) and line ends."""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from blackbox_dft.errors import InputError

DEFAULT_COLUMNS = ("file", "label", "split")
"""Columns of a table without a header."""
FILE_COLUMNS = (
    *("file", "filename", "filepath", "image", "imagefile", "imagename", "imagepath", "path"),
    *("img", "imgname", "imgpath", "imageid", "id"),
)
"""Names of the column with the files, without regard to case, blanks and underscores; the first one counts."""
UNNAMED = re.compile("(unnamed: ?[0-9]+)?")
"""Columns without a name, such as the index that pandas writes; the second form is what it reads them as."""

EXCEL_DELIMITER = re.compile(r"sep=([,;\t]) *", re.IGNORECASE)
"""A first line that tells Excel what stands between the columns, as Excel and programs that write for it put it."""


@dataclass(frozen=True)
class Table:
    """Rows of a CSV."""

    columns: tuple[str, ...]
    """Lower case; those without a name are left out."""
    file: str
    """The column with the files."""
    lines: tuple[tuple[int, Mapping[str, str]], ...]
    """For each row its line number in the file, and its cells by column."""


def read_table(path: Path, file_suffixes: Sequence[str]) -> Table:
    """Reads a table with a header that has one of ``FILE_COLUMNS``, or without one and a file in its first cell.

    >>> from blackbox_dft.demo import assets
    >>> read_table(assets() / "labels.csv", [".png"]).lines[0]
    (2, {'file': 'images/000.png', 'label': '2', 'split': 'train'})

    Raises:
        InputError: not text, empty, no such column, or a line with more cells than there are columns.
    """
    text = _text(path)
    first, *others = text.lstrip().splitlines() or [""]
    stated = EXCEL_DELIMITER.fullmatch(first)
    delimiter = stated[1] if stated and others else max(",;\t", key=first.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    try:
        lines = [
            (reader.line_num, [cell.strip() for cell in cells])
            for cells in reader
            if any(cell.strip() for cell in cells)
        ]
        if stated and others:
            del lines[0]
    except csv.Error as error:
        raise InputError(f"{path}, line {reader.line_num}: {error}: check its quotes.") from error
    if not lines:
        raise InputError(f"{path} is empty: write a header file,label and one line per image.")
    columns = tuple(cell.lower() for cell in lines[0][1])
    named = [name for name in columns if not UNNAMED.fullmatch(name)]
    headless = len(columns) > 1 and Path(columns[0]).suffix in file_suffixes
    if not headless and (file := find_column(named, FILE_COLUMNS)):
        del lines[0]
    elif headless:
        if len(columns) > len(DEFAULT_COLUMNS):
            raise InputError(f"{path} has {len(columns)} columns and no header: write one, such as file,label,split.")
        columns, file = DEFAULT_COLUMNS[: len(columns)], DEFAULT_COLUMNS[0]
        named = list(columns)
    else:
        mend = "put commas between its columns" if "|" in first else "name its columns file,label"
        raise InputError(f"{path} has no column 'file' (it has {', '.join(named)}): {mend}.")
    if not lines:
        raise InputError(f"{path} lists no images: write one line per image under its header.")
    if duplicate := next((name for name in named if named.count(name) > 1), None):
        raise InputError(f"{path} has two columns {duplicate!r}: rename or drop one.")
    rows = tuple((number, _by_column(path, number, columns, cells)) for number, cells in lines)
    return Table(tuple(named), file, rows)


def find_column(columns: Sequence[str], names: Sequence[str]) -> str:
    """The column that has the first of these ``names``, without regard to case, blanks and underscores; "" if none.

    >>> find_column(["image id", "Label"], ["label", "imageid"])
    'Label'
    """
    plain = {re.sub("[^a-z0-9]", "", column.lower()): column for column in reversed(columns)}
    return next((plain[name] for name in names if name in plain), "")


def _text(path: Path) -> str:
    data = path.read_bytes()
    try:
        # Excel writes "Unicode text" so.
        return data.decode("utf-16" if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) else "utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise InputError(
            f"{path} is not text in UTF-8 (line {line}): save it as UTF-8, or give --data a folder of classes."
        ) from error


def _by_column(path: Path, number: int, columns: tuple[str, ...], cells: list[str]) -> Mapping[str, str]:
    if any(cells[len(columns) :]):
        raise InputError(
            f"{path}, line {number}: has {len(cells)} cells for {len(columns)} columns: "
            'put names that contain a comma between "quotes".'
        )
    padded = cells + [""] * (len(columns) - len(cells))
    return {name: cell for name, cell in zip(columns, padded, strict=False) if not UNNAMED.fullmatch(name)}
