"""Secrets by reference: ``{env:NAME}`` and ``{file:PATH}`` in profiles and options; no file of a run has the values."""

from __future__ import annotations

import os
import re
from pathlib import Path

from blackbox_dft.errors import InputError

REFERENCE = re.compile(r"\{(env|file):([^}]+)\}")
SENSITIVE = re.compile(r"auth|token|secret|key|cookie|password", re.IGNORECASE)


def resolve(text: str, folder: Path | None = None) -> tuple[str, list[str]]:
    """``text`` with its references replaced by values, and the list of these values.

    Args:
        text: with references.
        folder: where relative paths lead from, if the file is there; else from the working directory.

    Raises:
        InputError: an environment variable is not set, or a file cannot be read.

    >>> os.environ["EXAMPLE_KEY"] = "abc"
    >>> resolve("Bearer {env:EXAMPLE_KEY}")
    ('Bearer abc', ['abc'])
    """
    values: list[str] = []

    def fill(match: re.Match[str]) -> str:
        kind, name = match.groups()
        if kind == "env":
            value = os.environ.get(name, "")
            if not value:
                raise InputError(f"the environment variable {name} is not set: set it to the value for {match[0]}.")
        else:
            try:
                value = _place(name, folder).read_text(encoding="utf-8").strip()
            except (OSError, UnicodeDecodeError) as error:
                where = (
                    "" if folder is None or Path(name).expanduser().is_absolute() else f" from here or from {folder}"
                )
                raise InputError(
                    f"{name} cannot be read{where}: it should contain the value for {match[0]}."
                ) from error
            if not value:
                raise InputError(f"{name} is empty: it should contain the value for {match[0]}.")
        values.append(value)
        return value

    return REFERENCE.sub(fill, text), values


def secret_files(text: str) -> list[str]:
    """Paths of the files that ``text`` refers to.

    >>> secret_files("Bearer {file:key.txt}")
    ['key.txt']
    """
    return [name for kind, name in REFERENCE.findall(text) if kind == "file"]


def _place(name: str, folder: Path | None) -> Path:
    path = Path(name).expanduser()
    # An absolute path stays what it is.
    beside = path if folder is None else folder / path
    return beside if beside.exists() else path


def parse_header(text: str) -> tuple[str, str]:
    """Splits ``"Name: value"``; the value of a header whose name suggests a secret must be a reference.

    Raises:
        InputError: not of that form, or a secret in plain text.

    >>> parse_header("Authorization: Bearer {env:API_KEY}")
    ('Authorization', 'Bearer {env:API_KEY}')
    """
    name, colon, value = (part.strip() for part in text.partition(":"))
    if not colon or not name or not value:
        raise InputError(f"--header {name!r} cannot be read: write 'Name: value'.")
    if SENSITIVE.search(name) and not REFERENCE.search(value):
        raise InputError(
            f"--header {name} contains a secret in plain text, which would be stored in the run's files: "
            f"write '{name}: {{env:VARIABLE}}' or '{name}: {{file:PATH}}'."
        )
    return name, value
