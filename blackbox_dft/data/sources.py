"""Lists the files, labels, splits and groups of a source: a CSV, class folders, or a published data set."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from blackbox_dft._utils.text import shortened
from blackbox_dft.data.csv_table import find_column, read_table
from blackbox_dft.data.published.layouts import list_layout
from blackbox_dft.data.records import Listing, Row
from blackbox_dft.errors import InputError
from blackbox_dft.images.files import SUFFIXES, is_visible, visible_files

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
LABEL_COLUMNS = ("class", "label", "target", "category", "classname", "labelname")
"""Tables with both have numbers in 'label' and names in 'class'."""
MAX_PARENTS = 3
"""Folders above that of a table, from which its paths may lead."""
GROUP_COLUMNS = ("group", "person")
OTHER_FILES = {
    **dict.fromkeys(SUFFIXES, "an image: give the CSV or the folder of classes that it belongs to"),
    **dict.fromkeys((".zip", ".tar", ".gz", ".tgz", ".bz2", ".xz", ".7z", ".rar"), "an archive: unpack it first"),
    **dict.fromkeys((".xls", ".xlsx", ".ods", ".parquet", ".feather"), "a table of another kind: save it as CSV"),
    **dict.fromkeys((".json", ".jsonl", ".xml", ".yaml", ".yml"), "no table: write its files and labels into a CSV"),
}
"""What files of other kinds are, by suffix, and what to do."""


def list_source(source: str | Path, label: str = "", *, allow_outside: bool = True) -> Listing:
    """Lists a CSV, a folder with one sub-folder per class (or per split, then per class), or a folder with one CSV.

    ``lfw:DIR`` and the like are published data sets (``layouts.LAYOUTS``). ``label`` is the attribute of such a data
    set, or the column of a CSV, to use as label. Unless ``allow_outside``, files outside the source's folder are
    refused, links followed.

    >>> from blackbox_dft.demo import assets
    >>> list_source(assets() / "labels.csv").rows[0]
    Row(file='images/000.png', label='2', split='train', group='', traits=())

    Raises:
        InputError: the source is none of these, lists no images, or has an invalid line or path.
    """
    source = Path(source)
    try:
        if not source.exists():
            if listing := list_layout(str(source), label):
                return listing if allow_outside or listing.members else _check_paths(source, listing, allow_outside)
            raise InputError(f"{source} does not exist: give --data a CSV (file,label) or a folder of classes.")
        if source.suffix.lower() in OTHER_FILES and source.is_file():
            raise InputError(f"{source} is {OTHER_FILES[source.suffix.lower()]}.")
        listing = _from_folder(source, label) if source.is_dir() else _from_csv(source, label)
        _check_texts(source, listing)
        return _check_paths(source, listing, allow_outside)
    except OSError as error:
        raise InputError(
            f"{error.filename or source} cannot be read ({error.strerror}): check its name and its rights."
        ) from error


def _from_folder(source: Path, label: str) -> Listing:
    names = _subfolders(source)
    tables = sorted(path for path in source.glob("*.csv") if not path.name.startswith("."))
    # A single folder of images beside a table is not a class: the table holds the labels.
    if len(tables) == 1 and sum(any(map(_is_image, visible_files(source / name))) for name in names) < 2:
        return _from_csv(tables[0], label)
    if len(names) == 1 and (inner := _inside(source / names[0])):
        # A folder around all class folders, as archives have it; or train alone, from which all splits are drawn.
        return _from_folder(inner, label)
    if label:
        raise InputError(f"{source} is a folder of classes, which has no column {label!r}: leave --label out.")
    if not names:
        raise InputError(f"{source} has no sub-folders: put the images of each class into one, or give a CSV.")
    unknown = [name for name in names if name.lower() not in ALIASES]
    if unknown and {"train", "test"} <= {ALIASES.get(name.lower()) for name in names}:
        raise InputError(f"{source} holds {unknown[0]!r} beside train and test: rename it to a split, or move it away.")
    if unknown:
        rows, others = _from_classes(source, names)
    else:
        rows, others = [], []
        for name in names:
            split_rows, split_others = _from_classes(source / name, _subfolders(source / name))
            rows += [Row(f"{name}/{row.file}", row.label, ALIASES[name.lower()]) for row in split_rows]
            others += split_others
    notes = [f"{len(others)} files without an image suffix were left out: {_some(others)}"] if others else []
    return Listing(source, tuple(rows), "put all class folders directly into the data folder", tuple(notes))


def _inside(folder: Path) -> Path | None:
    """``folder`` if it holds sub-folders and no images itself."""
    here = any(_is_image(path) for path in folder.iterdir() if not path.name.startswith("."))
    return folder if _subfolders(folder) and not here else None


def _subfolders(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.is_dir() and is_visible(path))


def _is_image(path: Path) -> bool:
    return path.suffix.lower() in SUFFIXES


def _from_classes(folder: Path, names: list[str]) -> tuple[list[Row], list[str]]:
    """Rows of the class folders ``names``, and the names of files that are not images."""
    if not names:
        raise InputError(f"{folder} has no sub-folders: put the images of each class into one, or give a CSV.")
    rows: list[Row] = []
    others: list[str] = []
    for name in names:
        files = visible_files(folder / name)
        images = list(filter(_is_image, files))
        if not images:
            raise InputError(f"{folder / name} holds no images, so its class is empty: add some, or remove the folder.")
        rows += [Row(path.relative_to(folder).as_posix(), name) for path in images]
        others += [path.name for path in files if not _is_image(path)]
    return rows, others


def _some(names: list[str]) -> str:
    return ", ".join(names[:3]) + (" ..." if len(names) > 3 else "")


def _from_csv(path: Path, wanted: str) -> Listing:
    table = read_table(path, file_suffixes=SUFFIXES)
    label = find_column(table.columns, [_plain(wanted)] if wanted else LABEL_COLUMNS)
    if not label:
        if wanted:
            raise InputError(f"{path} has no column {wanted!r}: give --label one of {', '.join(table.columns)}.")
        raise InputError(
            f"{path} has neither a column 'label' nor 'class': name the column that holds the labels, --label one of "
            f"{shortened(table.columns)}."
        )
    group = next((name for name in GROUP_COLUMNS if name in table.columns), "")
    known = {table.file, "label", "class", "split", group, label}
    traits = tuple(name for name in table.columns if name not in known)
    root = str(path.parent.absolute())
    rows = []
    for number, values in table.lines:
        file, split = values[table.file].replace("\\", "/"), values.get("split", "")
        if not file or not values[label]:
            raise InputError(
                f"{path}, line {number}: the file or the {label} is missing: fill it in, or drop the line."
            )
        if re.match(r"[a-z][a-z0-9+.-]+://", file, re.IGNORECASE):
            raise InputError(f"{path}, line {number}: {file} is a URL: download the images, and list their files.")
        if split and split.lower() not in ALIASES:
            raise InputError(f"{path}, line {number}: unknown split {split!r}: write train, val or test.")
        # Plain texts: a Path for each of 100,000 files takes seconds.
        if os.path.isabs(file) and Path(file).is_relative_to(root):  # noqa: PTH117
            file = Path(file).relative_to(root).as_posix()
        others = tuple(values[name] for name in traits)
        rows.append(
            Row(file, values[label], ALIASES.get(split.lower(), ""), values.get(group, "") if group else "", others)
        )
    if any(row.split for row in rows):
        for (number, _), row in zip(table.lines, rows, strict=True):
            if not row.split:
                raise InputError(
                    f"{path}, line {number}: has no split, but other lines do: fill it in, or drop the column 'split'."
                )
    files, notes = find_files(path, [row.file for row in rows])
    labels = _whole_numbers([row.label for row in rows])
    rows = [replace(row, file=file, label=name) for row, file, name in zip(rows, files, labels, strict=True)]
    return Listing(path.parent, tuple(rows), "drop the column 'split'", notes, traits)


def _plain(column: str) -> str:
    return re.sub("[^a-z0-9]", "", column.lower())


def _whole_numbers(labels: list[str]) -> list[str]:
    """Labels without the ``.0`` that a table program puts behind whole numbers; as they are if others are among them.

    >>> _whole_numbers(["1.0", "0"]), _whole_numbers(["1.0", "1.5"])
    (['1', '0'], ['1.0', '1.5'])
    """
    if all(re.fullmatch(r"-?[0-9]+(\.0+)?", label) for label in labels):
        return [label.partition(".")[0] for label in labels]
    return labels


def find_files(table: Path, files: list[str]) -> tuple[list[str], tuple[str, ...]]:
    """The files that the names in a table stand for, and notes.

    Names without a suffix get that of the one file of that name; if the first file is not there, all may lie in one
    sub-folder beside the table, or their paths may lead from a folder above it.
    """
    folder = table.parent
    by_stem: dict[str, dict[str, list[str]]] = {}

    def find(file: str) -> str:
        if os.path.splitext(file)[1].lower() in SUFFIXES or "\0" in file:  # noqa: PTH122
            return file
        place, stem = os.path.split(file)
        if place not in by_stem:
            by_stem[place] = {}
            if (folder / place).is_dir():
                for path in (folder / place).iterdir():
                    if _is_image(path) and not path.name.startswith("."):
                        by_stem[place].setdefault(path.stem, []).append(path.name)
        matches = by_stem[place].get(stem, [])
        if len(matches) > 1:
            raise InputError(f"{table}: {file} may be {' or '.join(sorted(matches)[:2])}: write the suffix too.")
        return os.path.join(place, matches[0]) if matches else file  # noqa: PTH118

    if _exists(folder / find(files[0])):
        return list(map(find, files)), ()
    if os.path.isabs(files[0]):  # noqa: PTH117
        return list(map(find, files)), ()
    places = [name for name in _subfolders(folder) if _exists(folder / find(f"{name}/{files[0]}"))]
    if len(places) != 1:
        # Programs write paths as they are seen from the folder of a project.
        for above in folder.absolute().parents[:MAX_PARENTS]:
            if _exists(folder / find(_seen_from(above, files[0], folder))):
                names = [find(_seen_from(above, file, folder)) for file in files]
                return names, (f"the files are not beside {table.name}: their paths lead from {above}",)
        return list(map(find, files)), ()
    note = f"the files are not beside {table.name}: they are read from its folder {places[0]}"
    return [find(f"{places[0]}/{file}") for file in files], (note,)


def _seen_from(above: Path, file: str, folder: Path) -> str:
    """The path from ``folder`` to a file whose path leads from ``above``, a folder around it."""
    path, inside = os.path.normpath(os.path.join(above, file)), f"{folder.absolute()}{os.sep}"  # noqa: PTH118
    return path.removeprefix(inside) if path.startswith(inside) else os.path.relpath(path, folder.absolute())


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except (OSError, ValueError):
        # Too long, or a null byte.
        return False


def _check_texts(source: Path, listing: Listing) -> None:
    """Refuses names of classes that are not text: they cannot be printed, or compared with those of a model."""
    for label in {row.label for row in listing.rows}:
        try:
            label.encode()
        except UnicodeEncodeError as error:
            raise InputError(
                f"{source}: the label {label.encode(errors='surrogateescape')!r} is not UTF-8: rename its folder."
            ) from error


def _check_paths(source: Path, listing: Listing, allow_outside: bool) -> Listing:
    """Refuses files that are listed twice and, unless allowed, those outside the listing's folder, links followed."""
    root = str(listing.folder.resolve())
    inside = root.rstrip(os.sep) + os.sep
    seen: dict[str, Row] = {}
    again = []
    for row, path in zip(listing.rows, _resolved_paths(source, root, listing.rows), strict=True):
        if not allow_outside and not path.startswith(inside):
            raise InputError(
                f"{source}: {row.file} lies outside {listing.folder} and would be sent away: "
                "give --allow-outside, or copy it there."
            )
        first = seen.setdefault(path, row)
        if first is row:
            continue
        if first.label != row.label or _same_name(first.file, row.file):
            name = row.file if row.file == first.file else f"{row.file} and {first.file}, one file, so it"
            same = "" if first.label == row.label else " with different labels"
            raise InputError(f"{source} lists {name} twice{same}: keep one of them.")
        again.append(row.file)
    if not again:
        return listing
    note = f"{len(again)} files are links to a file that is listed too: {_some(again)}"
    return replace(listing, notes=(*listing.notes, note))


def _same_name(one: str, other: str) -> bool:
    return os.path.normpath(one) == os.path.normpath(other)


def _resolved_paths(source: Path, root: str, rows: Iterable[Row]) -> Iterable[str]:
    """Paths of the files after all links are followed."""
    folders: dict[str, str] = {}
    for row in rows:
        try:
            if "\0" in row.file:
                raise ValueError(row.file)
            folder, name = os.path.split(os.path.join(root, row.file))  # noqa: PTH118
            # Once per folder: resolving the whole path of each of 100,000 files takes seconds.
            if folder not in folders:
                folders[folder] = str(Path(folder).resolve())
            path = f"{folders[folder]}{os.sep}{name}"
            yield str(Path(path).resolve()) if name in ("", "..", ".") or os.path.islink(path) else path  # noqa: PTH114
        except (OSError, RuntimeError, ValueError) as error:
            # Too long, a link to itself, or a null byte.
            raise InputError(f"{source}: {row.file[:80]!r} is not a valid file path: correct it.") from error
