"""Lists of names in messages: shortened, as a model may have thousands of classes."""

from __future__ import annotations

from collections.abc import Iterable

MAX_NAMES = 12
"""Names that are listed before the rest is counted."""
MAX_NAME_LENGTH = 40
"""Characters of a name that are shown in a list."""


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
