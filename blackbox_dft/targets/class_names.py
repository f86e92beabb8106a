"""Class names in the metadata of a model, in any of the forms in which exporters write them."""

from __future__ import annotations

import ast
import json
from typing import Any


def parse_class_names(value: Any) -> tuple[str, ...] | None:
    """The names of the scores, in order; ``None`` if ``value`` names none.

    A text may be JSON, a Python literal, or names separated by commas or line ends. A list, a table from index to name
    (Ultralytics, ``id2label``) and one from name to index (``label2id``) are read alike.

    >>> parse_class_names("['cat', 'dog']"), parse_class_names('{"1": "dog", "0": "cat"}')
    (('cat', 'dog'), ('cat', 'dog'))
    >>> parse_class_names("cat, dog"), parse_class_names({"cat": 0, "dog": 1})
    (('cat', 'dog'), ('cat', 'dog'))
    >>> parse_class_names('{"cat": 0, "dog": 7}') is None
    True
    """
    if isinstance(value, str):
        return _from_text(value.strip().lstrip("\ufeff"))
    if isinstance(value, dict):
        return _from_table(value)
    if not isinstance(value, list | tuple) or not value:
        return None
    # Some tools describe each class by a table.
    named = [one.get("name", one.get("label")) if isinstance(one, dict) else one for one in value]
    if any(isinstance(name, list | tuple | dict) or name is None for name in named):
        return None
    return tuple(str(name).strip() for name in named)


def _from_text(text: str) -> tuple[str, ...] | None:
    if not text:
        return None
    for parse in (json.loads, ast.literal_eval):
        try:
            value = parse(text)
        except (ValueError, SyntaxError, TypeError, RecursionError, MemoryError):
            continue
        if isinstance(value, list | tuple | dict):
            return parse_class_names(value)
    if text[0] in "[{(":
        # Begun as a list or a table, and neither: names like "['cat'" would be worse than none.
        return None
    separator = "\n" if "\n" in text else "," if "," in text else ";"
    return tuple(name.strip() for name in text.split(separator) if name.strip() or separator == ",")


def _from_table(table: dict[Any, Any]) -> tuple[str, ...] | None:
    try:
        by_index = {int(index): str(name).strip() for index, name in table.items()}
    except (TypeError, ValueError):
        try:
            by_index = {int(index): str(name).strip() for name, index in table.items()}
        except (TypeError, ValueError):
            return None
    if not table or sorted(by_index) != list(range(len(table))):
        return None
    return tuple(by_index[index] for index in range(len(table)))
