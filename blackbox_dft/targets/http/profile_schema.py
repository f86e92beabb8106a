"""Reading a profile's TOML file and refusing what no profile can hold; ``profile`` says what the keys mean."""

from __future__ import annotations

import re
import tomllib
from importlib.resources import files
from pathlib import Path
from typing import Any

from blackbox_dft.errors import InputError
from blackbox_dft.targets.http.secrets import REFERENCE

LARGEST = 2**20
"""Bytes of the largest profile that is read."""
TEXT, NUMBER, TABLE, LIST = (str,), (int, float), (dict,), (list,)
ANY = (str, int, float, bool, dict, list)
KEYS: dict[str, dict[str, tuple[type, ...]]] = {
    "": {"name": TEXT, "batch": (int,), "request": TABLE, "response": TABLE, "documentation": TEXT},
    "request": {
        "method": TEXT,
        "path": TEXT,
        "sign": TEXT,
        "image": TEXT,
        "headers": TABLE,
        "query": TABLE,
        "json": ANY,
        "form": TABLE,
    },
    "response": {
        "rows": TEXT,
        "items": TEXT,
        "label": TEXT,
        "score": TEXT,
        "scale": NUMBER,
        "words": TABLE,
        "classes": LIST,
        "error": TEXT,
    },
}
NAMES: dict[tuple[type, ...], str] = {
    TEXT: "a text",
    NUMBER: "a number",
    TABLE: "a table",
    LIST: "a list",
    (int,): "a whole number",
}


def names() -> list[str]:
    """Profiles the package brings."""
    folder = files("blackbox_dft.targets.http") / "profiles"
    return sorted(entry.name.removesuffix(".toml") for entry in folder.iterdir() if entry.name.endswith(".toml"))


def read_profile(name: str) -> dict[str, Any]:
    """A profile of the package by name, or a file of one's own.

    Raises:
        InputError: no such profile, no TOML, an unknown key, or a value that cannot stand there.
    """
    try:
        table = tomllib.loads(_text(name))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"--profile {name} is no TOML: {error}.") from error
    except RecursionError as error:
        raise InputError(f"--profile {name} is nested too deep: write it flatter.") from error
    if fault := _fault(table):
        raise InputError(f"--profile {name}: {fault}.")
    return table


def _text(name: str) -> str:
    if name.endswith(".toml"):
        place = Path(name)
        if not place.is_file():
            raise InputError(f"--profile {name} does not exist: give a TOML file, or one of v2, {', '.join(names())}.")
        if place.stat().st_size > LARGEST:
            raise InputError(f"--profile {name} is larger than {LARGEST >> 20} MiB: give a profile.")
        return place.read_text(encoding="utf-8")
    if name in names():
        return (files("blackbox_dft.targets.http") / "profiles" / f"{name}.toml").read_text(encoding="utf-8")
    raise InputError(f"unknown profile {name!r}: known are v2, {', '.join(names())}, or give FILE.toml.")


def _fault(table: dict[str, Any]) -> str | None:
    """What is wrong with it, if something is."""
    for section, known in KEYS.items():
        where = f"[{section}] " if section else ""
        # The sections themselves are looked at first.
        for key, value in (table.get(section, {}) if section else table).items():
            if key not in known:
                return f"unknown key {where}{key!r}: known are {', '.join(sorted(known))}"
            if not isinstance(value, known[key]) or (isinstance(value, bool) and known[key] != ANY):
                return f"{where}{key} is {str(value)[:40]!r}: write {NAMES[known[key]]}"
    request, response = table.get("request", {}), table.get("response", {})
    if "json" not in request and "form" not in request:
        return "[request] has neither 'json' nor 'form': say what the body holds"
    if table.get("batch", 1) < 1 or not response.get("scale", 1):
        return "batch and [response] scale are 1 or more, and not 0"
    if not re.fullmatch(r"png|jpeg(:([1-9]\d?|100))?", request.get("image", "png")):
        return f"[request] image is {request['image']!r}: write png or jpeg:Q with Q from 1 to 100"
    if not re.fullmatch(r"[A-Z]+", request.get("method", "POST")):
        return f"[request] method is {request['method']!r}: write POST or PUT"
    path = request.get("path", "/")
    if not path.startswith(("/", ":")) or ".." in re.split(r"[/\\]|%2f|%5c", path.lower().replace("%2e", ".")):
        return f"[request] path {path!r} leads elsewhere than below the URL: write it from / on, without '..'"
    for key in ("headers", "query", "form"):
        if any(isinstance(value, dict | list) for value in request.get(key, {}).values()):
            return f"[request] {key} holds a table or a list: write texts"
    if not all(isinstance(value, int | float) for value in response.get("words", {}).values()):
        return "[response] words holds something other than numbers: write WORD = 0.9"
    if any(".." in Path(match[2]).parts for match in REFERENCE.finditer(str(request)) if match[1] == "file"):
        return "a {file:...} leads upwards by '..': write where the secret lies in full"
    return None
