"""Profile schema: reads and validates a profile's TOML file; ``profile_protocol`` documents the keys."""

from __future__ import annotations

import re
import tomllib
from importlib.resources import files
from pathlib import Path
from typing import Any

from blackbox_dft.errors import InputError
from blackbox_dft.targets.http.secrets import REFERENCE

MAX_PROFILE_BYTES = 2**20
"""Size of the largest profile that is read."""
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
TYPE_NAMES: dict[tuple[type, ...], str] = {
    TEXT: "a text",
    NUMBER: "a number",
    TABLE: "a table",
    LIST: "a list",
    (int,): "a whole number",
}


def profile_names() -> list[str]:
    """Names of the profiles in the package.

    >>> "google-vision" in profile_names()
    True
    """
    folder = files("blackbox_dft.targets.http") / "profiles"
    return sorted(entry.name.removesuffix(".toml") for entry in folder.iterdir() if entry.name.endswith(".toml"))


def read_profile(name: str) -> dict[str, Any]:
    """The profile ``name`` of the package, or the one in the file ``name`` if it ends in ``.toml``.

    Raises:
        InputError: no such profile, not TOML, an unknown key, or a value that a key cannot have.

    >>> read_profile("image-json")["request"]["json"]
    {'image': '{base64}'}
    """
    try:
        table = tomllib.loads(_text(name))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"--profile {name} is not TOML: {error}.") from error
    except RecursionError as error:
        raise InputError(f"--profile {name} is nested too deep: give a flatter one.") from error
    if fault := _fault(table):
        raise InputError(f"--profile {name}: {fault}.")
    return table


def _text(name: str) -> str:
    if name.endswith(".toml"):
        path = Path(name)
        if not path.is_file():
            raise InputError(
                f"--profile {name} does not exist: give a TOML file, or one of v2, {', '.join(profile_names())}."
            )
        if path.stat().st_size > MAX_PROFILE_BYTES:
            raise InputError(f"--profile {name} is larger than {MAX_PROFILE_BYTES >> 20} MiB: is it a profile?")
        return path.read_text(encoding="utf-8")
    if name in profile_names():
        return (files("blackbox_dft.targets.http") / "profiles" / f"{name}.toml").read_text(encoding="utf-8")
    raise InputError(f"unknown profile {name!r}: known are v2, {', '.join(profile_names())}, or give FILE.toml.")


def _fault(table: dict[str, Any]) -> str | None:
    """What is wrong with the profile, or ``None``."""
    for section, known in KEYS.items():
        where = f"[{section}] " if section else ""
        # The top level is first, so that the sections are tables here.
        for key, value in (table.get(section, {}) if section else table).items():
            if key not in known:
                return f"unknown key {where}{key!r}: known are {', '.join(sorted(known))}"
            if not isinstance(value, known[key]) or (isinstance(value, bool) and known[key] != ANY):
                return f"{where}{key} is {str(value)[:40]!r}: write {TYPE_NAMES[known[key]]}"
    request, response = table.get("request", {}), table.get("response", {})
    if "json" not in request and "form" not in request:
        return "[request] has neither 'json' nor 'form': write the body there"
    if table.get("batch", 1) < 1 or not response.get("scale", 1):
        return "batch must be at least 1, and [response] scale must not be 0"
    if not re.fullmatch(r"png|jpeg(:([1-9]\d?|100))?", request.get("image", "png")):
        return f"[request] image is {request['image']!r}: write png or jpeg:Q with Q from 1 to 100"
    if not re.fullmatch(r"[A-Z]+", request.get("method", "POST")):
        return f"[request] method is {request['method']!r}: write POST or PUT"
    path = request.get("path", "/")
    if not path.startswith(("/", ":")) or ".." in re.split(r"[/\\]|%2f|%5c", path.lower().replace("%2e", ".")):
        return f"[request] path {path!r} leads outside the URL: write it from / on, without '..'"
    for key in ("headers", "query", "form"):
        if any(isinstance(value, dict | list) for value in request.get(key, {}).values()):
            return f"[request] {key} contains a table or a list: write texts"
    if not all(isinstance(value, int | float) for value in response.get("words", {}).values()):
        return "[response] words contains something other than numbers: write WORD = 0.9"
    if any(".." in Path(match[2]).parts for match in REFERENCE.finditer(str(request)) if match[1] == "file"):
        return "a {file:...} leads upwards by '..': write the absolute path of the secret"
    return None
