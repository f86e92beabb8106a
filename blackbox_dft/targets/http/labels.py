"""Labels in responses: finds the scores of the known classes by name, and keeps the names that are not known."""

from __future__ import annotations

import shlex
import unicodedata
from collections.abc import Iterable, Sequence

import numpy as np

from blackbox_dft._utils.types import Floats

MAX_UNKNOWN_LABELS = 1000
"""Labels that are kept for messages."""
MAX_LABEL_LENGTH = 200
"""A longer text is no label."""
MAX_LISTED_LABELS = 8
"""Labels that a message lists before it counts the rest."""


class LabelColumns:
    """The column of each class in a row of scores, by its name; names match ignoring case.

    >>> columns = LabelColumns(["left", "right"])
    >>> columns.row([("Right", 0.75), ("up", 0.2)])
    array([0.  , 0.75])
    >>> columns.explain()
    'it names up, and not left or right: ...'

    Args:
        classes: names of the scores, in order.
    """

    def __init__(self, classes: Sequence[str]) -> None:
        self.classes = tuple(classes)
        self.unknown: dict[str, None] = {}
        """Labels of responses that are not among the classes, in the order in which they came."""
        self._exact = {name: column for column, name in enumerate(self.classes)}
        folded = [_fold(name) for name in self.classes]
        # Classes that differ in case alone are matched exactly.
        self._folded = {name: column for column, name in enumerate(folded) if folded.count(name) == 1}

    def find(self, label: str) -> int | None:
        """The column of ``label``; ``None`` if it is not known."""
        return self._exact.get(label, self._folded.get(_fold(label)))

    def __call__(self, label: str) -> int | None:
        """What ``find`` returns; a label that is not known is kept."""
        column = self.find(label)
        if column is None and len(self.unknown) < MAX_UNKNOWN_LABELS:
            self.unknown[label] = None
        return column

    def row(self, scores: Iterable[tuple[str, float]]) -> Floats:
        """One row of scores ``(K,)``; 0 for classes that are not among ``scores``."""
        row = np.zeros(len(self.classes))
        for label, score in scores:
            if (column := self(label)) is not None:
                row[column] = score
        return row

    def explain(self) -> str:
        """Which labels came instead of the classes, and what to give."""
        names = list(self.unknown)
        if (longest := max(names, key=len)) and len(longest) > MAX_LABEL_LENGTH:
            return (
                f"what it gives as a label is a text of {len(longest):,} characters, such as {listed([longest])}: "
                "see what 'bbdft inspect URL --show' prints, and mend the profile's places"
            )
        known = listed(self.classes, "or")
        example = shlex.quote(f"{self.classes[0]}={names[0]}")
        every = shlex.quote(",".join(names)) if len(names) <= MAX_LISTED_LABELS else "with the names that it uses"
        return (
            f"it names {listed(names)}, and not {known}: give --model-classes {every}, and say which of them stand "
            f"for which of your labels, such as --map {example}"
        )


def listed(names: Sequence[str], conjunction: str = "and") -> str:
    """Names as words of a sentence; of many the first ones, and the number of all.

    >>> listed(["a", "b", "c"])
    'a, b and c'
    """
    names = [name if len(name) <= 40 else f"{name[:37]}..." for name in map(str, names)]
    if len(names) > MAX_LISTED_LABELS:
        return f"{', '.join(names[:MAX_LISTED_LABELS])} ... ({len(names):,} in all)"
    return f" {conjunction} ".join(filter(None, [", ".join(names[:-1]), names[-1]])) if names else "nothing"


def _fold(name: str) -> str:
    return unicodedata.normalize("NFC", name).strip().casefold()
