"""Tables of published data sets: their lines, attributes and what is wrong with them."""

from __future__ import annotations

from difflib import get_close_matches
from pathlib import Path

from blackbox_dft.errors import InputError

REDRAW = "write a CSV (file,label,group)"
"""What makes splits be drawn anew for a data set that brings its own."""


def lacking(what: Path, where: str) -> InputError:
    """The sentence on a part of a data set that is not there."""
    return InputError(f"{what} is missing: it is published at {where}.")


def read_lines(path: Path, where: str) -> list[tuple[int, str]]:
    """The lines of a table that are not blank, with their numbers; ``where`` it is published.

    Raises:
        InputError: no such file, not text, or nothing in it.
    """
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except FileNotFoundError as error:
        raise lacking(path, where) from error
    except UnicodeDecodeError as error:
        raise malformed(path, "is not text in UTF-8", where) from error
    lines = [(number, line) for number, line in enumerate(text.splitlines(), 1) if line.strip()]
    if not lines:
        raise malformed(path, "is empty", where)
    return lines


def malformed(path: Path, what: str, where: str) -> InputError:
    """The sentence on a part of a data set that is not as it was published."""
    return InputError(f"{path} {what}: take it again from {where}.")


def choose(label: str, attributes: list[str], path: Path) -> int:
    """The place among ``attributes`` of the one that ``--label`` names; case, blanks and underscores do not matter.

    Raises:
        InputError: no label, or none of that name.
    """
    folded = [fold(name) for name in attributes]
    if not label:
        raise InputError(f"{path} has {len(attributes)} attributes: say with --label which one, such as Smiling.")
    if fold(label) in folded:
        return folded.index(fold(label))
    near = get_close_matches(fold(label), folded, n=1)
    hint = f"did you mean {attributes[folded.index(near[0])]!r}?" if near else f"it has {', '.join(attributes)}."
    raise InputError(f"{path} has no attribute {label!r}: {hint}")


def fold(name: str) -> str:
    """An attribute's name as data sets write it alike."""
    return name.strip().lower().replace(" ", "_")


def named(attribute: str, holds: bool) -> str:
    """The label of an image that has an attribute, or has it not."""
    return attribute if holds else f"not {attribute}"
