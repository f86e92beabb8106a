"""Attribute tables of published data sets: lines, attribute names, labels, and errors with the download address."""

from __future__ import annotations

from difflib import get_close_matches
from pathlib import Path

from blackbox_dft.errors import InputError

REDRAW_HINT = "write a CSV (file,label,group)"
"""``Listing.redraw_hint`` of a published data set."""


def missing_error(path: Path, address: str) -> InputError:
    """Error for a part of a data set that does not exist."""
    return InputError(f"{path} is missing: it is published at {address}.")


def malformed_error(path: Path, problem: str, address: str) -> InputError:
    """Error for a part of a data set that differs from the published form."""
    return InputError(f"{path} {problem}: download it again from {address}.")


def read_lines(path: Path, address: str) -> list[tuple[int, str]]:
    """Non-blank lines of a UTF-8 file with their line numbers, from 1; ``address`` is where the file is published.

    Raises:
        InputError: no such file, not text, or no such lines.
    """
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except FileNotFoundError as error:
        raise missing_error(path, address) from error
    except UnicodeDecodeError as error:
        raise malformed_error(path, "is not text in UTF-8", address) from error
    lines = [(number, line) for number, line in enumerate(text.splitlines(), 1) if line.strip()]
    if not lines:
        raise malformed_error(path, "is empty", address)
    return lines


def normalize(attribute: str) -> str:
    """Lower case, with underscores for blanks: data sets and users spell attribute names in several ways.

    >>> normalize("Attractive Man") == normalize("attractive_man")
    True
    """
    return attribute.strip().lower().replace(" ", "_")


def find_attribute(label: str, attributes: list[str], path: Path) -> int:
    """Index of the attribute that ``--label`` names, in any spelling.

    >>> find_attribute("smiling", ["Male", "Smiling"], Path("table.txt"))
    1

    Raises:
        InputError: no label, or no attribute of that name in the table ``path``.
    """
    normalized = [normalize(name) for name in attributes]
    if not label:
        raise InputError(f"{path} has {len(attributes)} attributes: choose one with --label, such as Smiling.")
    if normalize(label) in normalized:
        return normalized.index(normalize(label))
    near = get_close_matches(normalize(label), normalized, n=1)
    hint = f"did you mean {attributes[normalized.index(near[0])]!r}?" if near else f"it has {', '.join(attributes)}."
    raise InputError(f"{path} has no attribute {label!r}: {hint}")


def trait_columns(traits: tuple[str, ...], attributes: list[str], chosen: int) -> list[int]:
    """Indices of those ``traits`` that the table has, without the ``chosen`` attribute, which is the label.

    >>> trait_columns(("Male", "Young"), ["Male", "Smiling", "Young"], chosen=0)
    [2]
    """
    normalized = [normalize(name) for name in attributes]
    known = [normalized.index(normalize(name)) for name in traits if normalize(name) in normalized]
    return [index for index in known if index != chosen]


def attribute_label(attribute: str, present: bool) -> str:
    """Label of an image that has the attribute, or does not.

    >>> attribute_label("Smiling", False)
    'not Smiling'
    """
    return attribute if present else f"not {attribute}"
