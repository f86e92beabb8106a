"""Profile schema: reads and validates a profile's TOML file; ``profile_protocol`` documents the keys."""

from __future__ import annotations

import json
import re
import tomllib
from importlib.resources import files
from pathlib import Path
from typing import Any

from blackbox_dft.errors import InputError
from blackbox_dft.targets.http.secrets import REFERENCE

MAX_PROFILE_BYTES = 2**20
"""Size of the largest profile that is read."""
MARKS = ("{base64}", "{pixels}", "{levels}")
"""What stands for one image in a request; a list whose only element contains one is repeated for every image."""
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
        "body": TEXT,
    },
    "response": {
        "rows": TEXT,
        "items": TEXT,
        "label": TEXT,
        "score": TEXT,
        "labels": TEXT,
        "scores": TEXT,
        "scale": NUMBER,
        "words": TABLE,
        "classes": LIST,
        "error": TEXT,
        "no_score": TEXT,
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
        table = tomllib.loads(profile_text(name))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"--profile {name} is not TOML: {error}.") from error
    except RecursionError as error:
        raise InputError(f"--profile {name} is nested too deep: give a flatter one.") from error
    if fault := _fault(table):
        raise InputError(f"--profile {name}: {fault}.")
    return table


def profile_folder(name: str) -> Path | None:
    """The folder of a profile in a file, where its relative ``{file:PATH}`` lead from; ``None`` for the package's."""
    return Path(name).parent if name.endswith(".toml") else None


def profile_title(name: str) -> str:
    """The first sentence of a profile of the package.

    >>> profile_title("image-form")
    'One image as a file of a multipart form, a list of labels with scores back.'
    """
    lines = profile_text(name).split("\nname =")[0].splitlines()
    return " ".join(line.removeprefix("#").strip() for line in lines).split(". ")[0].split(": {")[0].rstrip(".") + "."


def profile_text(name: str) -> str:
    """The TOML text of the profile ``name``, of the package or in a file.

    Raises:
        InputError: there is no such profile.
    """
    if name == "v2":
        raise InputError(
            "the profile v2 is the Open Inference Protocol, built in, and not a file: options such as --input, "
            "--datatype and --output set what a server does not describe."
        )
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
    return _request_fault(request, table.get("batch", 1)) or _response_fault(response)


def _request_fault(request: dict[str, Any], batch: int) -> str | None:
    bodies = [key for key in ("json", "form", "body") if key in request]
    if not bodies:
        return "[request] has none of 'json', 'form' and 'body': write the body there"
    if len(bodies) > 1:
        return f"[request] has both '{bodies[0]}' and '{bodies[1]}': keep one of them"
    marks = {"json": (*MARKS, "{all-pixels}"), "form": ("{bytes}", "{base64}"), "body": ("{bytes}",)}[bodies[0]]
    if not any(mark in json.dumps(request[bodies[0]], default=str) for mark in marks):
        return f"[request] {bodies[0]} does not contain the image: write {' or '.join(marks)} in it"
    if request.get("body", "{bytes}") != "{bytes}":
        return f"[request] body is {request['body'][:40]!r}: write {{bytes}}"
    if "sign" in request and "form" in request:
        return "[request] signs a form, which cannot be done: write 'json' or 'body'"
    if batch < 1:
        return "batch must be at least 1"
    if batch > 1 and not holds_many(request):
        return (
            f"batch is {batch}, but a request holds one image: put its mark into a list of its own, or write batch = 1"
        )
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
    if any(".." in Path(match[2]).parts for match in REFERENCE.finditer(str(request)) if match[1] == "file"):
        return "a {file:...} leads upwards by '..': write the absolute path of the secret"
    return None


def _response_fault(response: dict[str, Any]) -> str | None:
    if not response.get("scale", 1):
        return "[response] scale must not be 0"
    if not all(isinstance(value, int | float) for value in response.get("words", {}).values()):
        return "[response] words contains something other than numbers: write WORD = 0.9"
    if "labels" in response and {"items", "label", "score"} & set(response):
        return "[response] has both 'labels' and 'items': keep one of them"
    if "scores" in response and "labels" not in response:
        return "[response] has 'scores' without 'labels': name the list of labels too"
    return None


def holds_many(request: dict[str, Any]) -> bool:
    """Whether a request of the profile can hold several images.

    >>> holds_many({"json": {"instances": [{"b64": "{base64}"}]}}), holds_many({"json": {"image": "{base64}"}})
    (True, False)
    """
    return "{all-pixels}" in json.dumps(request, default=str) or _repeats(request.get("json"))


def _repeats(node: Any) -> bool:
    if isinstance(node, list) and len(node) == 1 and any(mark in json.dumps(node, default=str) for mark in MARKS):
        return True
    values = node.values() if isinstance(node, dict) else node if isinstance(node, list) else ()
    return any(map(_repeats, values))
