"""Labeled Faces in the Wild (LFW): one folder per person, and the attributes of Kumar et al. 2009.

The table ``lfw_attributes.txt`` has a comment line, a header (``#``, ``person``, ``imagenum``, then the attributes) and
one line per image, all separated by tabs. An attribute is a signed score: positive if the face has it, and the larger
the surer.
"""

from __future__ import annotations

import math
from pathlib import Path

from blackbox_dft.data.published.tables import (
    REDRAW_HINT,
    attribute_label,
    find_attribute,
    malformed_error,
    missing_error,
    read_lines,
    trait_columns,
)
from blackbox_dft.data.records import Listing, Row
from blackbox_dft.errors import InputError

IMAGES_ADDRESS = "http://vis-www.cs.umass.edu/lfw/"
TABLE_ADDRESS = "https://www.cs.columbia.edu/CAVE/databases/pubfig/download/lfw_attributes.txt"
TABLE = "lfw_attributes.txt"
FOLDERS = ("lfw", "lfw-deepfunneled", "lfw_funneled")
"""Names of the folders that the archives contain; the folders of people may also lie beside the table."""
TRAITS = ("Male", "Asian", "Black", "White", "Senior")


def list_lfw(folder: Path, label: str) -> Listing:
    """Lists the images of the attribute table; ``label`` is one of its attributes. Splits are drawn, people are groups.

    Raises:
        InputError: a part is missing or malformed, or there is no such attribute.
    """
    table = folder / TABLE
    lines = read_lines(table, TABLE_ADDRESS)
    head = next((index for index, (_, line) in enumerate(lines[:2]) if "imagenum" in line.split("\t")), None)
    if head is None:
        raise malformed_error(table, "has no line that names person, imagenum and the attributes", TABLE_ADDRESS)
    names = [name.strip() for name in lines[head][1].lstrip("#").strip("\t").rstrip().split("\t")]
    if names[:2] != ["person", "imagenum"] or len(names) < 3:
        raise malformed_error(table, f"line {lines[head][0]} does not begin with person and imagenum", TABLE_ADDRESS)
    attributes = names[2:]
    chosen = find_attribute(label, attributes, table)
    traits = trait_columns(TRAITS, attributes, chosen)
    if not lines[head + 1 :]:
        raise malformed_error(table, "lists no images", TABLE_ADDRESS)
    root = _root(folder)
    rows = []
    for number, line in lines[head + 1 :]:
        person, image, scores = _parse(table, number, line, len(attributes))
        labels = [attribute_label(attributes[column], scores[column] > 0) for column in (chosen, *traits)]
        file = f"{root}{person}/{person}_{image:04d}.jpg"
        rows.append(Row(file, labels[0], group=person, traits=tuple(labels[1:])))
    if len({row.file for row in rows}) < len(rows):
        raise malformed_error(table, "lists an image twice", TABLE_ADDRESS)
    return Listing(folder, tuple(rows), REDRAW_HINT, traits=tuple(attributes[column] for column in traits))


def _parse(table: Path, number: int, line: str, count: int) -> tuple[str, int, list[float]]:
    """The person (the name of their folder), the number of the image, and the scores."""
    cells = line.rstrip("\t\r\n ").split("\t")
    if len(cells) != 2 + count:
        raise malformed_error(table, f"line {number} has {len(cells)} cells instead of {2 + count}", TABLE_ADDRESS)
    person, image = cells[0].strip().replace(" ", "_"), cells[1].strip()
    if not person or person.startswith(".") or set(person) & set("/\\\0") or not (image.isascii() and image.isdigit()):
        raise malformed_error(table, f"line {number} does not name a person and an image", TABLE_ADDRESS)
    try:
        scores = [float(cell) for cell in cells[2:]]
    except ValueError:
        scores = [math.nan]
    if not all(map(math.isfinite, scores)):
        raise malformed_error(table, f"line {number} has a score that is not a number", TABLE_ADDRESS)
    return person, int(image[:9]), scores


def _root(folder: Path) -> str:
    """Relative path from ``folder`` to the folders of people: empty, or with a slash at the end."""
    roots = [f"{name}/" for name in FOLDERS if (folder / name).is_dir()]
    if len(roots) > 1:
        raise InputError(
            f"{folder} holds {roots[0]} and {roots[1]}: put {TABLE} into the one to use, and give that folder."
        )
    root = roots[0] if roots else ""
    if not any((folder / root).glob("*/*_[0-9][0-9][0-9][0-9].jpg")):
        raise missing_error(
            folder / root / "Aaron_Eckhart" / "Aaron_Eckhart_0001.jpg", f"{IMAGES_ADDRESS} (lfw.tgz), with all images"
        )
    return root
