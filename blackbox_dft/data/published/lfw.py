"""Labeled Faces in the Wild: a folder a person, and the attributes of Kumar et al. 2009 (``lfw_attributes.txt``).

The table has a line of comment, a line of names (``#``, ``person``, ``imagenum``, then the attributes) and a line an
image, all separated by tabs. An attribute is a signed score: positive where the face has it, larger where it is surer.
"""

from __future__ import annotations

import math
from pathlib import Path

from blackbox_dft.data.published.tables import REDRAW, choose, fold, lacking, malformed, named, read_lines
from blackbox_dft.data.records import Listing, Row
from blackbox_dft.errors import InputError

IMAGES = "http://vis-www.cs.umass.edu/lfw/"
ATTRIBUTES = "https://www.cs.columbia.edu/CAVE/databases/pubfig/download/lfw_attributes.txt"
TABLE = "lfw_attributes.txt"
FOLDERS = ("lfw", "lfw-deepfunneled", "lfw_funneled")
"""What the archives unpack to; the folders of people may also lie beside the table."""
TRAITS = ("Male", "Asian", "Black", "White", "Senior")


def list_lfw(folder: Path, label: str) -> Listing:
    """Lists the images of the attribute table; ``label`` is one of its attributes.

    People are groups, so that splits, which are drawn, never part one.

    Raises:
        InputError: a part is missing or malformed, or there is no such attribute.
    """
    table = folder / TABLE
    lines = read_lines(table, ATTRIBUTES)
    head = next((place for place, (_, line) in enumerate(lines[:2]) if "imagenum" in line.split("\t")), None)
    if head is None:
        raise malformed(table, "has no line that names person, imagenum and the attributes", ATTRIBUTES)
    names = [name.strip() for name in lines[head][1].lstrip("#").strip("\t").rstrip().split("\t")]
    if names[:2] != ["person", "imagenum"] or len(names) < 3:
        raise malformed(table, f"line {lines[head][0]} does not begin with person and imagenum", ATTRIBUTES)
    attributes = names[2:]
    chosen = choose(label, attributes, table)
    folded = [fold(name) for name in attributes]
    # The label itself says nothing more, and mirrors of the table may have fewer attributes.
    traits = [folded.index(fold(name)) for name in TRAITS if fold(name) in folded and fold(name) != folded[chosen]]
    if not lines[head + 1 :]:
        raise malformed(table, "lists no images", ATTRIBUTES)
    root = _root(folder)
    rows = []
    for number, line in lines[head + 1 :]:
        person, image, scores = _read(table, number, line, len(attributes))
        signs = [named(attributes[place], scores[place] > 0) for place in (chosen, *traits)]
        file = f"{root}{person}/{person}_{image:04d}.jpg"
        rows.append(Row(file, signs[0], group=person, traits=tuple(signs[1:])))
    if len({row.file for row in rows}) < len(rows):
        raise malformed(table, "lists an image twice", ATTRIBUTES)
    return Listing(folder, tuple(rows), REDRAW, traits=tuple(attributes[place] for place in traits))


def _read(table: Path, number: int, line: str, count: int) -> tuple[str, int, list[float]]:
    """Person, as their folder is called, number of the image, and scores."""
    cells = line.rstrip("\t\r\n ").split("\t")
    if len(cells) != 2 + count:
        raise malformed(table, f"line {number} has {len(cells)} cells instead of {2 + count}", ATTRIBUTES)
    person, image = cells[0].strip().replace(" ", "_"), cells[1].strip()
    if not person or person.startswith(".") or set(person) & set("/\\\0") or not (image.isascii() and image.isdigit()):
        raise malformed(table, f"line {number} names no person and image", ATTRIBUTES)
    try:
        scores = [float(cell) for cell in cells[2:]]
    except ValueError:
        scores = [math.nan]
    if not all(map(math.isfinite, scores)):
        raise malformed(table, f"line {number} has a score that is no number", ATTRIBUTES)
    return person, int(image[:9]), scores


def _root(folder: Path) -> str:
    """Where the folders of people are, below ``folder``; empty, or with a slash behind it."""
    found = [f"{name}/" for name in FOLDERS if (folder / name).is_dir()]
    if len(found) > 1:
        raise InputError(f"{folder} holds {found[0]} and {found[1]}: put {TABLE} into the one to take, and name that.")
    root = found[0] if found else ""
    if not any((folder / root).glob("*/*_[0-9][0-9][0-9][0-9].jpg")):
        raise lacking(folder / root / "Aaron_Eckhart" / "Aaron_Eckhart_0001.jpg", f"{IMAGES} (lfw.tgz), as all images")
    return root
