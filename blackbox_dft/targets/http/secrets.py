"""Secrets by reference: ``{env:NAME}`` and ``{file:PATH}`` in profiles and options; no file of a run has the values."""

from __future__ import annotations

import os
import re
from pathlib import Path

from blackbox_dft.errors import InputError

REFERENCE = re.compile(r"\{(env|file):([^}]+)\}")
SENSITIVE = re.compile(r"auth|token|secret|key|cookie|password", re.IGNORECASE)


def resolve(text: str) -> tuple[str, list[str]]:
    """``text`` with its references replaced by values, and the list of these values.

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
                value = Path(name).expanduser().read_text(encoding="utf-8").strip()
            except (OSError, UnicodeDecodeError) as error:
                raise InputError(f"{name} cannot be read: it should contain the value for {match[0]}.") from error
            if not value:
                raise InputError(f"{name} is empty: it should contain the value for {match[0]}.")
        values.append(value)
        return value

    return REFERENCE.sub(fill, text), values


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
