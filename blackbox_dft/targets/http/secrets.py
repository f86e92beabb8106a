"""Secrets by reference: ``{env:NAME}`` and ``{file:PATH}`` in profiles and options; the values are kept nowhere."""

from __future__ import annotations

import os
import re
from pathlib import Path

from blackbox_dft.errors import InputError

REFERENCE = re.compile(r"\{(env|file):([^}]+)\}")
SENSITIVE = re.compile(r"auth|token|secret|key|cookie|password", re.IGNORECASE)


def resolve(text: str) -> tuple[str, list[str]]:
    """``text`` with its references replaced, and the secret values put in.

    Raises:
        InputError: an environment variable that is not set, or a file that cannot be read.
    """
    values: list[str] = []

    def fill(match: re.Match[str]) -> str:
        kind, name = match.groups()
        if kind == "env":
            value = os.environ.get(name, "")
            if not value:
                raise InputError(f"the environment variable {name} is not set: set it to what {match[0]} stands for.")
        else:
            try:
                value = Path(name).expanduser().read_text(encoding="utf-8").strip()
            except (OSError, UnicodeDecodeError) as error:
                raise InputError(f"{name} cannot be read: it should hold what {match[0]} stands for.") from error
            if not value:
                raise InputError(f"{name} is empty: it should hold what {match[0]} stands for.")
        values.append(value)
        return value

    return REFERENCE.sub(fill, text), values


def parse_header(text: str) -> tuple[str, str]:
    """``"Name: value"``; a header that looks like a secret must be a reference.

    Raises:
        InputError: not of that form, or a secret in plain text.
    """
    name, colon, value = (part.strip() for part in text.partition(":"))
    if not colon or not name or not value:
        raise InputError(f"--header {name!r} cannot be read: write 'Name: value'.")
    if SENSITIVE.search(name) and not REFERENCE.search(value):
        raise InputError(
            f"--header {name} holds a secret in plain text, which would be kept in the run's files: "
            f"write '{name}: {{env:VARIABLE}}' or '{name}: {{file:PATH}}'."
        )
    return name, value
