"""Texts in messages: long lists shortened, durations in words, names of Python objects, labels that say "missing"."""

from __future__ import annotations

from collections.abc import Iterable

MAX_NAMES = 12
"""Names that are listed before the rest is counted."""
MAX_NAME_LENGTH = 40
"""Characters of a name that are shown in a list."""

MISSING = frozenset({"nan", "<na>", "na", "n/a", "#n/a", "null", "none"})
"""What programs write for a missing value, in lower case; some of them may be real labels."""


def shortened(names: Iterable[str]) -> str:
    """``names``, joined by commas; of more than ``MAX_NAMES`` the first ones and the number of all.

    >>> shortened(["cat", "dog"])
    'cat, dog'
    >>> shortened(map(str, range(1000)))
    '0, 1, 2, 3, 4, 5, 6, 7, 8, 9 ... (1,000 in all)'
    """
    every = [name if len(name) <= MAX_NAME_LENGTH else f"{name[: MAX_NAME_LENGTH - 3]}..." for name in names]
    if len(every) <= MAX_NAMES:
        return ", ".join(every)
    return f"{', '.join(every[: MAX_NAMES - 2])} ... ({len(every):,} in all)"


def percent(share: float) -> str:
    """``share`` in percent, with the same three digits as ``0.748`` shows.

    >>> percent(0.7475), f"{0.7475:.3f}"
    ('74.8%', '0.748')
    """
    return f"{100 * float(f'{share:.3f}'):.1f}%"


def duration(seconds: float) -> str:
    """A duration in words, to two digits.

    >>> duration(8.2), duration(100), duration(5000), duration(200_000)
    ('8.2 s', '1.7 min', '83 min', '2.3 days')
    """
    for unit, length, most in (("s", 1.0, 90.0), ("min", 60.0, 5400.0), ("h", 3600.0, 129600.0)):
        if seconds < most:
            return f"{seconds / length:.2g} {unit}"
    return f"{seconds / 86400:.2g} days"


def in_memory(name: str) -> bool:
    """Whether ``name`` stands for an object that was given from Python, as no file or URL of a run can be called.

    >>> in_memory("<arrays>"), in_memory("labels.csv")
    (True, False)
    """
    return name.startswith("<") and name.endswith(">")


def looks_missing(label: str) -> bool:
    """Whether a label is what programs write for a missing value.

    >>> looks_missing("NaN"), looks_missing("naan")
    (True, False)
    """
    return label.strip().casefold() in MISSING
