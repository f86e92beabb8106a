"""CelebFaces Attributes (CelebA, Liu et al. 2015): ``img_align_celeba`` and its tables, as published or from Kaggle.

``list_attr_celeba.txt`` begins with the number of images and a line of attributes, or with the latter alone; then comes
one line per image with 1 or -1 for each attribute. The CSV has ``image_id`` and the attributes as header.
``list_eval_partition`` gives 0, 1 or 2 (train, val, test), ``identity_CelebA.txt`` a number for the person. The tables
may also lie in the folders of the original (``Anno``, ``Eval``, ``Img``).
"""

from __future__ import annotations

import re
from pathlib import Path

from blackbox_dft.data.published.tables import (
    REDRAW_HINT,
    attribute_label,
    find_attribute,
    malformed_error,
    missing_error,
    normalize,
    read_lines,
    trait_columns,
)
from blackbox_dft.data.records import Listing, Row
from blackbox_dft.errors import InputError

ADDRESS = "https://mmlab.ie.cuhk.edu.hk/projects/CelebA.html"
SUBFOLDERS = ("", "Anno/", "Eval/", "Img/")
SPLITS = {"0": "train", "1": "val", "2": "test"}
ATTRIBUTE_VALUES = {"1": True, "-1": False, "0": False}
TRAITS = ("Male", "Young")
FILE_NAME = re.compile(r"[0-9]{6}\.jpg")


def list_celeba(folder: Path, label: str) -> Listing:
    """Lists the images of the attribute table; ``label`` is one of its attributes; splits are the published ones.

    Raises:
        InputError: a part is missing or malformed, or there is no such attribute.
    """
    table = _require_table(folder, "list_attr_celeba")
    attributes, lines = _read_attributes(table)
    chosen = find_attribute(label, attributes, table)
    traits = trait_columns(TRAITS, attributes, chosen)
    partition = _require_table(folder, "list_eval_partition")
    splits = _read_pairs(partition)
    people_file = _find_table(folder, "identity_CelebA")
    people = _read_pairs(people_file) if people_file else {}
    root = _root(folder)
    rows = []
    seen = set()
    for number, name, cells in lines:
        if not set(cells) <= ATTRIBUTE_VALUES.keys():
            raise malformed_error(table, f"line {number} has a value that is neither 1 nor -1", ADDRESS)
        if name in seen:
            raise malformed_error(table, f"line {number} lists {name} again", ADDRESS)
        seen.add(name)
        if name not in splits:
            raise malformed_error(partition, f"does not list {name}, which {table.name} does", ADDRESS)
        if splits[name] not in SPLITS:
            raise malformed_error(partition, f"has {name} in {splits[name]!r} instead of 0, 1 or 2", ADDRESS)
        if people_file and name not in people:
            raise malformed_error(people_file, f"does not list {name}, which {table.name} does", ADDRESS)
        labels = [attribute_label(attributes[column], ATTRIBUTE_VALUES[cells[column]]) for column in (chosen, *traits)]
        rows.append(Row(root + name, labels[0], SPLITS[splits[name]], people.get(name, ""), tuple(labels[1:])))
    return Listing(folder, tuple(rows), REDRAW_HINT, traits=tuple(attributes[column] for column in traits))


def _require_table(folder: Path, stem: str) -> Path:
    if path := _find_table(folder, stem):
        return path
    raise missing_error(folder / f"{stem}.txt", ADDRESS)


def _find_table(folder: Path, stem: str) -> Path | None:
    """Path of the table ``stem``, as text or, without that, as CSV."""
    for suffix in (".txt", ".csv"):
        for subfolder in SUBFOLDERS:
            if (path := folder / f"{subfolder}{stem}{suffix}").is_file():
                return path
    return None


def _read_attributes(table: Path) -> tuple[list[str], list[tuple[int, str, list[str]]]]:
    """Names of the attributes, and for each image its line number, its file name and its values."""
    lines = read_lines(table, ADDRESS)
    comma = "," if table.suffix == ".csv" else None
    count = None
    if lines[0][1].strip().isdigit():
        count = int(lines.pop(0)[1].strip()[:9])
    if not lines or FILE_NAME.fullmatch(_cells(lines[0][1], comma)[0]):
        raise malformed_error(table, "has no line with the names of the attributes", ADDRESS)
    attributes = _cells(lines.pop(0)[1], comma)
    if normalize(attributes[0]) == "image_id":
        del attributes[0]
    rows = []
    for number, line in lines:
        name, *cells = _cells(line, comma)
        if not FILE_NAME.fullmatch(name) or len(cells) != len(attributes):
            raise malformed_error(
                table, f"line {number} is not a file such as 000001.jpg and {len(attributes)} values", ADDRESS
            )
        rows.append((number, name, cells))
    if not rows or count not in (None, len(rows)):
        found = "no images" if count is None else f"{len(rows)} images instead of the {count} it announces"
        raise malformed_error(table, f"lists {found}", ADDRESS)
    return attributes, rows


def _read_pairs(path: Path) -> dict[str, str]:
    """A table of two columns: values by file name."""
    comma = "," if path.suffix == ".csv" else None
    pairs = {}
    for index, (number, line) in enumerate(read_lines(path, ADDRESS)):
        cells = _cells(line, comma)
        if index == 0 and normalize(cells[0]) == "image_id":
            continue
        if len(cells) != 2 or not FILE_NAME.fullmatch(cells[0]) or not re.fullmatch("[0-9]{1,9}", cells[1]):
            raise malformed_error(path, f"line {number} is not a file such as 000001.jpg and a number", ADDRESS)
        pairs[cells[0]] = cells[1]
    return pairs


def _cells(line: str, comma: str | None) -> list[str]:
    return [cell.strip() for cell in line.split(comma)]


def _root(folder: Path) -> str:
    """Relative path from ``folder`` to the images, with a slash at the end."""
    for subfolder in SUBFOLDERS:
        # Kaggle's archive has the folder inside a folder of the same name.
        for name in ("img_align_celeba/img_align_celeba", "img_align_celeba"):
            if (path := folder / subfolder / name).is_dir():
                if not any(path.glob("*.jpg")):
                    raise InputError(f"{path} holds no images such as 000001.jpg: they are published at {ADDRESS}.")
                return f"{subfolder}{name}/"
    raise missing_error(folder / "img_align_celeba", f"{ADDRESS} (img_align_celeba.zip)")
