"""What a source lists: files, labels, splits and groups, as text; from a CSV, from folders, or as a data set came."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from blackbox_dft.data.csv_table import read_table
from blackbox_dft.data.published.layouts import list_layout
from blackbox_dft.data.records import Listing, Row
from blackbox_dft.errors import InputError
from blackbox_dft.images.files import SUFFIXES, visible_files

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


def list_source(source: str | Path, label: str = "") -> Listing:
    """Reads a CSV, a folder with one sub-folder per class (or per split, then per class), or a folder with one CSV.

    ``lfw:DIR`` and the like are data sets as they are published (``layouts.LAYOUTS``). ``label`` is the attribute of
    such a data set, or the column of a CSV, that holds the labels.

    Raises:
        InputError: it is none of these, or lists nothing or something impossible.
    """
    source = Path(source)
    try:
        if not source.exists():
            if listing := list_layout(str(source), label):
                return listing
            raise InputError(f"{source} does not exist: give --data a CSV (file,label) or a folder of classes.")
        listing = _from_folder(source, label) if source.is_dir() else _from_csv(source, label)
        _check_places(source, listing)
    except OSError as error:
        raise InputError(
            f"{error.filename or source} cannot be read ({error.strerror}): check its name and its rights."
        ) from error
    return listing


def _from_folder(source: Path, wanted: str) -> Listing:
    names = _subfolders(source)
    tables = sorted(path for path in source.glob("*.csv") if not path.name.startswith("."))
    # One folder of images is no classes to tell apart, and it is beside a table that their labels are.
    if len(tables) == 1 and sum(any(map(_is_image, visible_files(source / name))) for name in names) < 2:
        return _from_csv(tables[0], wanted)
    if wanted:
        raise InputError(f"{source} is a folder of classes, which has no column {wanted!r}: leave --label out.")
    if not names:
        raise InputError(f"{source} has no sub-folders: put the images of each class into one, or give a CSV.")
    strange = [name for name in names if name.lower() not in ALIASES]
    if strange and {"train", "test"} <= {ALIASES.get(name.lower()) for name in names}:
        raise InputError(f"{source} holds {strange[0]!r} beside train and test: name it so too, or move it away.")
    if strange:
        rows, others = _from_classes(source, names)
    else:
        rows, others = [], []
        for name in names:
            found, left = _from_classes(source / name, _subfolders(source / name))
            rows += [Row(f"{name}/{row.file}", row.label, ALIASES[name.lower()]) for row in found]
            others += left
    notes = [f"{len(others)} files are no images by their names and were left out: {_some(others)}"] if others else []
    return Listing(source, tuple(rows), "put the folders of classes side by side", tuple(notes))


def _subfolders(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))


def _is_image(path: Path) -> bool:
    return path.suffix.lower() in SUFFIXES


def _from_classes(folder: Path, names: list[str]) -> tuple[list[Row], list[str]]:
    if not names:
        raise InputError(f"{folder} has no sub-folders: put the images of each class into one, or give a CSV.")
    rows: list[Row] = []
    others: list[str] = []
    for name in names:
        files = visible_files(folder / name)
        images = list(filter(_is_image, files))
        if not images:
            raise InputError(f"{folder / name} holds no images, so its class has none: add some, or remove the folder.")
        rows += [Row(path.relative_to(folder).as_posix(), name) for path in images]
        others += [path.name for path in files if not _is_image(path)]
    return rows, others


def _some(names: list[str]) -> str:
    return ", ".join(names[:3]) + (" ..." if len(names) > 3 else "")


def _from_csv(path: Path, wanted: str) -> Listing:
    table = read_table(path, headless=SUFFIXES)
    # Where both are there, the numbers are the classes' and the names what people call them.
    label = wanted.lower() or ("class" if "class" in table.columns else "label")
    if label not in table.columns:
        if wanted:
            raise InputError(f"{path} has no column {wanted!r}: give --label one of {', '.join(table.columns)}.")
        raise InputError(f"{path} has neither a column 'label' nor 'class': name the column of the labels so.")
    group = next((name for name in ("group", "person") if name in table.columns), "")
    known = {"", "file", "label", "class", "split", group, label}
    traits = tuple(name for name in table.columns if name not in known)
    rows = []
    for number, values in table.lines:
        file, split = values["file"].replace("\\", "/"), values.get("split", "")
        if not file or not values[label]:
            raise InputError(
                f"{path}, line {number}: the file or the {label} is missing: fill it in, or drop the line."
            )
        if split and split.lower() not in ALIASES:
            raise InputError(f"{path}, line {number}: unknown split {split!r}: write train, val or test.")
        # Without making a path of each: there may be 100,000.
        if os.path.isabs(file) and Path(file).is_relative_to(path.parent.absolute()):  # noqa: PTH117
            file = Path(file).relative_to(path.parent.absolute()).as_posix()
        more = tuple(values[name] for name in traits)
        rows.append(Row(file, values[label], ALIASES.get(split.lower(), ""), values.get(group, ""), more))
    if any(row.split for row in rows):
        for (number, _), row in zip(table.lines, rows, strict=True):
            if not row.split:
                raise InputError(
                    f"{path}, line {number}: names no split, as others do: fill it in, or drop the column 'split'."
                )
    return Listing(path.parent, tuple(rows), "drop the column 'split'", traits=traits)


def _check_places(source: Path, listing: Listing) -> None:
    root = str(listing.folder.resolve())
    inside = root.rstrip(os.sep) + os.sep
    seen: dict[str, Row] = {}
    for row, place in zip(listing.rows, _places(source, root, listing.rows), strict=True):
        if not place.startswith(inside):
            raise InputError(
                f"{source}: {row.file} lies outside {listing.folder}: copy it there, and give paths below that folder."
            )
        if (first := seen.setdefault(place, row)) is not row:
            name = row.file if row.file == first.file else f"{row.file} and {first.file}, one file, so it"
            same = "" if first.label == row.label else " with different labels"
            raise InputError(f"{source} lists {name} twice{same}: keep one of them.")


def _places(source: Path, root: str, rows: Iterable[Row]) -> Iterable[str]:
    """Where the files are once all links are followed."""
    folders: dict[str, str] = {}
    for row in rows:
        try:
            if "\0" in row.file:
                raise ValueError(row.file)
            folder, name = os.path.split(os.path.join(root, row.file))  # noqa: PTH118
            # Many files lie in few folders: following the links of each path anew takes seconds for 100,000.
            if folder not in folders:
                folders[folder] = str(Path(folder).resolve())
            place = f"{folders[folder]}{os.sep}{name}"
            yield str(Path(place).resolve()) if name in ("", "..", ".") or os.path.islink(place) else place  # noqa: PTH114
        except (OSError, RuntimeError, ValueError) as error:
            # Too long, a link that leads to itself, a null byte.
            raise InputError(f"{source}: {row.file[:80]!r} is no path of a file: correct it.") from error
