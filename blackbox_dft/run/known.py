"""Scores that the user has already for the unchanged images, ``--known FILE.csv``: free, and a few are checked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from blackbox_dft._utils.text import shortened
from blackbox_dft._utils.types import Floats, Ints, Scores
from blackbox_dft.data.csv_table import Table, find_column, read_table
from blackbox_dft.errors import InputError, TargetError
from blackbox_dft.images.files import SUFFIXES
from blackbox_dft.scoring.scorer import Scorer

CHECKED = 4
"""Images that are scored again to see that their known scores still hold."""
AGAIN = 1000
"""Number under which they are scored again; those below are the drift check's."""
TOLERATED = 0.02
"""Share of the range of the scores by which they may differ: rounding in the file, another batch."""
LABEL, SCORE = ("label", "class", "prediction", "predicted"), ("score", "probability", "confidence")
"""Columns of a file that holds the decision alone."""


@dataclass(frozen=True, eq=False)
class Known:
    """Scores of unchanged images."""

    path: str
    images: Ints
    """``(N,)``, as indices into the data."""
    scores: Scores
    """``(N, K)``, in the order of the target's classes."""
    decisions: bool
    """Whether only the decided label has a score."""


def read_known(path: str, files: Sequence[str], classes: Sequence[str] | None) -> Known:
    """Reads a CSV with the images' files and a column for each class, or the decided label and its score.

    Files are matched by path or, if that is unique, by name; rows of other files are left out. A class without a column
    is an error; with label and score, the other classes have score 0, as in a response that names one label only.

    Args:
        path: of the CSV.
        files: of the data, in their order.
        classes: of the target, in the order of its scores; None if they are not known.

    Raises:
        InputError: no such file, no classes, columns that are missing, a cell that is no number, or no file that is
            among the data.
    """
    if not Path(path).is_file():
        raise InputError(
            f"--known {path}: there is no such file: give a CSV with a column file and one for each class."
        )
    if not classes:
        raise InputError(f"--known {path}: the target's classes are not known: name them with --model-classes.")
    table = read_table(Path(path), SUFFIXES)
    places = _places(files)
    (rows, decisions), images = _scores(path, table, classes), []
    for _, cells in table.lines:
        name = cells[table.file].replace("\\", "/").removeprefix("./")
        images.append(places.get(name, places.get(Path(name).name, -1)))
    found = np.array(images)
    # The last row of a file counts.
    last = {image: row for row, image in enumerate(found.tolist()) if image >= 0}
    if not last:
        named = shortened([cells[table.file] for _, cells in table.lines])
        raise InputError(
            f"--known {path}: none of its files ({named}) is among the data's ({shortened(list(files))}): "
            "give their names as the data have them."
        )
    order = np.array(list(last.values()))
    return Known(path, found[order], rows[order], decisions)


def _places(files: Sequence[str]) -> dict[str, int]:
    places = {file.replace("\\", "/"): number for number, file in enumerate(files)}
    names = [Path(file).name for file in files]
    if len(set(names)) == len(names):
        places = {name: number for number, name in enumerate(names)} | places
    return places


def _scores(path: str, table: Table, classes: Sequence[str]) -> tuple[Scores, bool]:
    columns = [next((c for c in table.columns if c.casefold() == name.casefold()), None) for name in classes]
    if all(columns):
        full = [[_number(path, line, cells[column or ""]) for column in columns] for line, cells in table.lines]
        return np.array(full, np.float32), False
    label, score = find_column(table.columns, LABEL), find_column(table.columns, SCORE)
    if not (label and score):
        missing = [name for name, column in zip(classes, columns, strict=True) if column is None]
        raise InputError(
            f"--known {path} has no column for {shortened(missing)} (it has {shortened(list(table.columns))}): "
            "name its columns file and the target's classes, or file, label and score."
        )
    numbers = {name.casefold(): number for number, name in enumerate(classes)}
    decided = np.zeros((len(table.lines), len(classes)), np.float32)
    for row, (line, cells) in enumerate(table.lines):
        if (number := numbers.get(cells[label].casefold())) is None:
            raise InputError(
                f"--known {path}, line {line}: {cells[label]!r} is none of the target's classes "
                f"({shortened(list(classes))}): correct it."
            )
        decided[row, number] = _number(path, line, cells[score])
    return decided, True


def _number(path: str, line: int, text: str) -> float:
    try:
        value = float(text.removesuffix("%")) / (100 if text.endswith("%") else 1)
    except ValueError as error:
        raise InputError(
            f"--known {path}, line {line}: {text!r} is no number: correct it, or drop the line."
        ) from error
    if not np.isfinite(value):
        raise InputError(f"--known {path}, line {line}: {text!r} is no score: drop the line.")
    return value


def take_known(scorer: Scorer, known: Known, identity: Floats) -> None:
    """Enters known scores into the ledger, at no query."""
    scorer.ledger.enter(scorer.keys(known.images, identity), known.scores)


def check_known(scorer: Scorer, known: Known, identity: Floats, names: Sequence[str], files: Sequence[str]) -> None:
    """Scores ``CHECKED`` of the images again, in phase ``watch``.

    Raises:
        TargetError: they are not what the file says; names the image and both scores.
    """
    few = np.unique(np.linspace(0, len(known.images) - 1, CHECKED).round().astype(int))
    now = scorer.score("watch", known.images[few], identity, again=AGAIN)
    before = known.scores[few]
    if now.shape[1] != before.shape[1]:
        raise TargetError(
            f"--known {known.path} has {before.shape[1]} scores an image, and the target returns {now.shape[1]}: "
            "leave it out, or name the classes in the target's order with --model-classes"
        )
    spread = float(np.ptp(before)) or 1.0
    apart = np.abs(np.nan_to_num(now, nan=np.inf) - before)
    if known.decisions:
        # It says nothing of the other classes.
        apart[before == 0] = 0
    row, column = np.unravel_index(int(apart.argmax()), apart.shape)
    if apart[row, column] > TOLERATED * spread:
        raise TargetError(
            f"--known {known.path} no longer holds: {files[known.images[few[row]]]} has {before[row, column]:.3g} for "
            f"{names[int(column)]} there, and the target now returns {now[row, column]:.3g}: leave it out, or save the "
            "scores again"
        )
