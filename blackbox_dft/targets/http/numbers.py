"""Scores as text: reads the numbers and percentages that services write, such as ``62.5 %`` and ``0,62``."""

from __future__ import annotations

import re
import unicodedata

NUMBER = re.compile(r"[+-]?(\d+([.,]\d*)?|[.,]\d+)(e[+-]?\d+)?", re.IGNORECASE)
NO_NUMBER = frozenset(["", "-", "n/a", "na", "nan", "null", "none", "inf", "+inf", "-inf", "infinity", "-infinity"])
"""What stands for a score that is missing, without case."""


def parse_score(text: str, scale: float = 1.0) -> float | None:
    """The score in ``text``, divided by ``scale``, or by 100 if it is a percentage; ``None`` if it stands for none.

    >>> parse_score("62.5 %"), parse_score("0,62"), parse_score("62", scale=100), parse_score("n/a")
    (0.625, 0.62, 0.62, None)

    Raises:
        ValueError: it is something else.
    """
    plain = unicodedata.normalize("NFKC", text).replace("\u2212", "-").strip()
    if plain.casefold() in NO_NUMBER:
        return None
    number = plain.removesuffix("%").rstrip()
    if not NUMBER.fullmatch(number):
        raise ValueError(f"{text!r} is not a number")
    return float(number.replace(",", ".")) / (100 if plain.endswith("%") else scale)
