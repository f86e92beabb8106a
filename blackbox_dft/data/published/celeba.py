"""CelebFaces Attributes (Liu et al. 2015): ``img_align_celeba`` and its tables, as published or as Kaggle has them.

``list_attr_celeba.txt`` begins with the number of images and the line of attributes, or with the latter alone, and has
a line an image, 1 or -1 an attribute; the CSV has ``image_id`` and the attributes as header. ``list_eval_partition``
gives 0, 1 or 2 (train, val, test), ``identity_CelebA.txt`` a number a person. The folders of the original (``Anno``,
``Eval``, ``Img``) are looked into too.
"""

from __future__ import annotations

import re
from pathlib import Path

from blackbox_dft.data.published.tables import REDRAW, choose, fold, lacking, malformed, named, read_lines
from blackbox_dft.data.records import Listing, Row
from blackbox_dft.errors import InputError

HOME = "https://mmlab.ie.cuhk.edu.hk/projects/CelebA.html"
PLACES = ("", "Anno/", "Eval/", "Img/")
SPLITS = {"0": "train", "1": "val", "2": "test"}
HOLDS = {"1": True, "-1": False, "0": False}
TRAITS = ("Male", "Young")
NAME = re.compile(r"[0-9]{6}\.jpg")


def list_celeba(folder: Path, label: str) -> Listing:
    """Lists the images of the attribute table; ``label`` is one of its attributes; splits are the published ones.

    Raises:
        InputError: a part is missing or malformed, or there is no such attribute.
    """
    table = _need(folder, "list_attr_celeba")
    attributes, lines = _attributes(table)
    chosen = choose(label, attributes, table)
    folded = [fold(name) for name in attributes]
    traits = [folded.index(fold(name)) for name in TRAITS if fold(name) in folded and fold(name) != folded[chosen]]
    partition = _need(folder, "list_eval_partition")
    splits = _pairs(partition)
    people_file = _find(folder, "identity_CelebA")
    people = _pairs(people_file) if people_file else {}
    root = _root(folder)
    rows = []
    seen = set()
    for number, name, cells in lines:
        if not set(cells) <= HOLDS.keys():
            raise malformed(table, f"line {number} has a value that is neither 1 nor -1", HOME)
        if name in seen:
            raise malformed(table, f"line {number} lists {name} again", HOME)
        seen.add(name)
        if name not in splits:
            raise malformed(partition, f"does not list {name}, which {table.name} does", HOME)
        if splits[name] not in SPLITS:
            raise malformed(partition, f"has {name} in {splits[name]!r} instead of 0, 1 or 2", HOME)
        if people_file and name not in people:
            raise malformed(people_file, f"does not list {name}, which {table.name} does", HOME)
        signs = [named(attributes[place], HOLDS[cells[place]]) for place in (chosen, *traits)]
        rows.append(Row(root + name, signs[0], SPLITS[splits[name]], people.get(name, ""), tuple(signs[1:])))
    return Listing(folder, tuple(rows), REDRAW, traits=tuple(attributes[place] for place in traits))


def _need(folder: Path, stem: str) -> Path:
    if path := _find(folder, stem):
        return path
    raise lacking(folder / f"{stem}.txt", HOME)


def _find(folder: Path, stem: str) -> Path | None:
    """The table ``stem``, as text or CSV; with both the text."""
    for suffix in (".txt", ".csv"):
        for place in PLACES:
            if (path := folder / f"{place}{stem}{suffix}").is_file():
                return path
    return None


def _attributes(table: Path) -> tuple[list[str], list[tuple[int, str, list[str]]]]:
    """Names of the attributes, and of each image its line's number, its name and its values."""
    lines = read_lines(table, HOME)
    comma = "," if table.suffix == ".csv" else None
    count = None
    if lines[0][1].strip().isdigit():
        count = int(lines.pop(0)[1].strip()[:9])
    if not lines or NAME.fullmatch(_cells(lines[0][1], comma)[0]):
        raise malformed(table, "has no line that names the attributes", HOME)
    attributes = _cells(lines.pop(0)[1], comma)
    if fold(attributes[0]) == "image_id":
        del attributes[0]
    rows = []
    for number, line in lines:
        name, *cells = _cells(line, comma)
        if not NAME.fullmatch(name) or len(cells) != len(attributes):
            raise malformed(table, f"line {number} is not a file such as 000001.jpg and {len(attributes)} values", HOME)
        rows.append((number, name, cells))
    if not rows or count not in (None, len(rows)):
        said = "no images" if count is None else f"{len(rows)} images instead of the {count} it announces"
        raise malformed(table, f"lists {said}", HOME)
    return attributes, rows


def _pairs(path: Path) -> dict[str, str]:
    """A table of two columns, files and values."""
    comma = "," if path.suffix == ".csv" else None
    pairs = {}
    for place, (number, line) in enumerate(read_lines(path, HOME)):
        cells = _cells(line, comma)
        if place == 0 and fold(cells[0]) == "image_id":
            continue
        if len(cells) != 2 or not NAME.fullmatch(cells[0]) or not re.fullmatch("[0-9]{1,9}", cells[1]):
            raise malformed(path, f"line {number} is not a file such as 000001.jpg and a number", HOME)
        pairs[cells[0]] = cells[1]
    return pairs


def _cells(line: str, comma: str | None) -> list[str]:
    return [cell.strip() for cell in line.split(comma)]


def _root(folder: Path) -> str:
    """Where the images are, below ``folder``, with a slash behind it."""
    for place in PLACES:
        # Kaggle's archive unpacks to the folder within itself.
        for name in ("img_align_celeba/img_align_celeba", "img_align_celeba"):
            if (path := folder / place / name).is_dir():
                if not any(path.glob("*.jpg")):
                    raise InputError(f"{path} holds no images such as 000001.jpg: they are published at {HOME}.")
                return f"{place}{name}/"
    raise lacking(folder / "img_align_celeba", f"{HOME} (img_align_celeba.zip)")
