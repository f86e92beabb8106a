"""What a source lists: files, labels, splits and groups, as text; from a CSV or from folders."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from pathlib import Path

from blackbox_dft.data.images import SUFFIXES, list_images
from blackbox_dft.errors import InputError

ALIASES = {
    "train": "train",
    "training": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "dev": "val",
    "test": "test",
    "testing": "test",
}


@dataclass(frozen=True)
class Row:
    """One labelled file."""

    file: str
    """Relative to the source's folder, with forward slashes."""
    label: str
    split: str = ""
    group: str = ""


@dataclass(frozen=True)
class Listing:
    """All that a source lists."""

    folder: Path
    rows: tuple[Row, ...]


def list_source(source: str | Path) -> Listing:
    """Reads a CSV, a folder with one sub-folder per class (or per split, then per class), or a folder with labels.csv.

    Raises:
        InputError: it is none of these, or lists nothing or something impossible.
    """
    source = Path(source)
    if source.is_dir():
        classes = sorted(path.name for path in source.iterdir() if path.is_dir() and not path.name.startswith("."))
        tables = sorted(source.glob("*.csv"))
        if len(tables) == 1 and not any(list_images(source / name) for name in classes if name != "images"):
            return _from_csv(tables[0])
        return Listing(source, _from_folders(source, classes))
    if not source.exists():
        raise InputError(f"{source} does not exist: give --data a CSV (file,label) or a folder of classes.")
    return _from_csv(source)


def _from_folders(source: Path, classes: list[str]) -> tuple[Row, ...]:
    if classes and all(name.lower() in ALIASES for name in classes):
        rows = []
        for name in classes:
            inner = sorted(path.name for path in (source / name).iterdir() if path.is_dir() and path.name[0] != ".")
            rows += [Row(f"{name}/{row.file}", row.label, name) for row in _from_folders(source / name, inner)]
        return tuple(rows)
    if not classes:
        raise InputError(f"{source} has no sub-folders: put the images of each class into one, or give a CSV.")
    rows = []
    for name in classes:
        found = list_images(source / name)
        if not found:
            raise InputError(f"{source / name} holds no images, so its class has none: add some, or remove the folder.")
        rows += [Row(path.relative_to(source).as_posix(), name) for path in found]
    return tuple(rows)


def _from_csv(path: Path) -> Listing:
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(
            f"{path} is not text in UTF-8: give --data a CSV (file,label) or a folder of classes."
        ) from error
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror}): check its rights.") from error
    first = text.partition("\n")[0]
    delimiter = max(",;\t", key=first.count)
    lines = [row for row in csv.reader(io.StringIO(text, newline=""), delimiter=delimiter) if any(row)]
    if not lines:
        raise InputError(f"{path} is empty: write a header file,label and one line an image.")
    header = [cell.strip().lower() for cell in lines[0]]
    body = lines[1:]
    if "file" not in header:
        # Without a header, the first cell is a file already.
        if Path(lines[0][0].strip()).suffix.lower() not in SUFFIXES or len(lines[0]) < 2:
            raise InputError(f"{path} has no column 'file' (it has {', '.join(header)}): name its columns file,label.")
        header, body = ["file", "label", "split"][: len(lines[0])], lines
    label = "class" if "class" in header else "label"
    if label not in header:
        raise InputError(f"{path} has neither a column 'label' nor 'class': name the column of the labels so.")
    if not body:
        raise InputError(f"{path} lists no images: write one line an image under its header.")
    group = next((name for name in ("group", "person") if name in header), "")
    rows = []
    for number, cells in enumerate(body, start=len(lines) - len(body) + 1):
        values = dict(zip(header, (cell.strip() for cell in cells), strict=False))
        if not values.get("file") or not values.get(label):
            raise InputError(
                f"{path}, line {number}: the file or the {label} is missing: fill it in, or drop the line."
            )
        rows.append(
            Row(values["file"].replace("\\", "/"), values[label], values.get("split", ""), values.get(group, ""))
        )
    _check_rows(path, rows)
    return Listing(path.parent, tuple(rows))


def _check_rows(path: Path, rows: list[Row]) -> None:
    root = path.parent.resolve()
    seen: dict[Path, str] = {}
    for row in rows:
        place = (root / row.file).resolve()
        if not place.is_relative_to(root):
            raise InputError(f"{path}: {row.file} lies outside {path.parent}: give paths below the CSV's folder.")
        if place in seen:
            same = "" if seen[place] == row.label else " with different labels"
            raise InputError(f"{path} lists {row.file} twice{same}: keep one line of it.")
        seen[place] = row.label
