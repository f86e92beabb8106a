"""Class names as models carry them: lists, tables and texts in metadata, JSON files and label files."""

from __future__ import annotations

import json
import re
from ast import literal_eval
from collections.abc import Mapping
from typing import Any

NUMBERED_LINE = re.compile(r"(\d+)\s*[\s:,;=]\s*(\S.*)")
IMAGE_FILE = re.compile(r"\.(png|jpe?g|bmp|tiff?|webp|gif|pgm|ppm)\b", re.I)
PLACEHOLDER = re.compile(r"LABEL_\d+")
"""What ``transformers`` calls the classes of a model that was given no names."""


def names_of(value: Any) -> tuple[str, ...] | None:
    """Class names, in the order of the scores, of a list, or of a table from indices to names or back.

    ``None`` if it is something else.

    >>> names_of({"1": "dog", "0": "cat"}), names_of({"cat": 0, "dog": 1}), names_of([{"name": "cat"}]), names_of(2)
    (('cat', 'dog'), ('cat', 'dog'), ('cat',), None)
    """
    if isinstance(value, Mapping):
        value = _ordered(value)
    if isinstance(value, list | tuple):
        value = [_own_name(item) if isinstance(item, Mapping) else item for item in value]
    if not isinstance(value, list | tuple) or not value:
        return None
    if any(isinstance(item, list | tuple | Mapping) or item is None for item in value):
        return None
    names = tuple(str(item).strip() for item in value)
    return None if all(PLACEHOLDER.fullmatch(name) for name in names) else names


def _ordered(table: Mapping[Any, Any]) -> list[Any] | None:
    """The values of a table whose keys are 0 to n - 1, or its keys if its values are."""
    for pairs in ([(key, value) for key, value in table.items()], [(value, key) for key, value in table.items()]):
        try:
            by_index = {int(index): name for index, name in pairs}
        except (TypeError, ValueError):
            continue
        if sorted(by_index) == list(range(len(table))):
            return [by_index[index] for index in range(len(table))]
    return None


def _own_name(item: Mapping[str, Any]) -> Any:
    return next((item[key] for key in ("name", "label", "class", "displayName") if key in item), None)


def parse_names(text: str) -> tuple[str, ...] | None:
    """Class names in a text: JSON, a Python list or table, one a line, or separated by commas or semicolons.

    >>> parse_names("['red', 'blue']"), parse_names('{"0": "red", "1": "blue"}'), parse_names("red, blue")
    (('red', 'blue'), ('red', 'blue'), ('red', 'blue'))
    """
    text = text.strip().lstrip("\ufeff")
    value = read_literal(text)
    if isinstance(value, list | tuple | dict):
        return names_of(value)
    if not text or text[0] in "[{":
        return None
    if "\n" in text:
        return tuple(name.strip() for name in text.splitlines() if name.strip())
    return tuple(name.strip() for name in text.split("," if "," in text else ";"))


def read_literal(text: str) -> Any:
    """The value of a text in JSON or Python; ``None`` if it is neither, or unquoted words.

    >>> read_literal("[224, 224]"), read_literal("red, blue")
    ([224, 224], None)
    """
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        pass
    if text[:1] not in "[{('\"":
        return None
    try:
        return literal_eval(text)
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return None


def parse_lines(text: str) -> tuple[str, ...] | None:
    """Class names of a label file: one on each line, perhaps behind its index; ``None`` for a list of images.

    >>> parse_lines("0 cat" + chr(10) + "1 guinea pig")
    ('cat', 'guinea pig')
    """
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if any(IMAGE_FILE.search(line) for line in lines):
        return None
    numbered = [NUMBERED_LINE.fullmatch(line) for line in lines]
    if all(numbered) and [int(match[1]) for match in numbered if match] == list(range(len(lines))):
        lines = [match[2].strip() for match in numbered if match]
    return tuple(lines) or None
