"""Reads ``RUN/summary.json`` back into a ``Summary``."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass
from functools import cache
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

from blackbox_dft.errors import InputError
from blackbox_dft.run.summary import Summary

FILE = "summary.json"
"""Its name in the folder of a run."""


def read_summary(run: Path) -> Summary:
    """The summary of the finished run in the folder ``run``.

    Raises:
        InputError: the run is not finished, or the file is damaged or of an earlier version.
    """
    path = run / FILE
    try:
        return summary_of(json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError as error:
        if (run / "config.json").exists():
            raise InputError(f"{run} is not finished: go on with 'bbdft resume {run}'.") from error
        raise InputError(f"{run} holds no run: give the folder that 'bbdft optimize --out' wrote.") from error
    except (OSError, ValueError, KeyError, TypeError) as error:
        again = f"give 'bbdft resume {run}', which writes it again"
        raise InputError(f"{path} cannot be read ({error}): {again}.") from error


def summary_of(document: Mapping[str, Any]) -> Summary:
    """The summary whose ``to_json`` is ``document``; keys that this version does not know are left aside.

    Raises:
        KeyError: a key is missing.
        TypeError: a value is of another type.
    """
    found: Summary = _value(Summary, document)
    return found


def _value(kind: Any, value: Any) -> Any:
    """A value of JSON as the type ``kind`` of a field: dataclasses, tuples and dicts of them, and None."""
    if value is None:
        return None
    origin = get_origin(kind)
    if origin in (Union, UnionType):
        (kind,) = (one for one in get_args(kind) if one is not NoneType)
        return _value(kind, value)
    if origin is tuple:
        inner = get_args(kind)
        each = [inner[0]] * len(value) if Ellipsis in inner else inner
        return tuple(_value(one, item) for one, item in zip(each, value, strict=True))
    if origin is dict:
        return {key: _value(get_args(kind)[1], item) for key, item in value.items()}
    if isinstance(kind, type) and is_dataclass(kind):
        hints = _hints(kind)
        given = {}
        for one in fields(kind):
            if one.name in value:
                given[one.name] = _value(hints[one.name], value[one.name])
            elif one.default is MISSING and one.default_factory is MISSING:
                raise KeyError(one.name)
        return kind(**given)
    return float(value) if kind is float else value


@cache
def _hints(kind: type) -> dict[str, Any]:
    return get_type_hints(kind)
