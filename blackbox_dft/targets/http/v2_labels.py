"""V2 labels: scores in text tensors, Triton's ``score:index:label`` or the name of a class.

https://github.com/triton-inference-server/server/blob/main/docs/protocol/extension_classification.md
"""

from __future__ import annotations

import re

import numpy as np

from blackbox_dft._utils.types import Array
from blackbox_dft.targets.http.labels import LabelColumns
from blackbox_dft.targets.http.numbers import parse_score

CLASSIFICATION = re.compile(r"([^:]+):(\d+)(?::(.*))?", re.DOTALL)


def label_scores(texts: Array, columns: LabelColumns) -> Array:
    """Scores ``(N, K)`` of ``texts (N, ...)``; 0 for classes that are not named, 1 for a class that is only named.

    >>> label_scores(np.array([["0.75:1:dog", "0.25:0:cat"], ["0.5:0", "0.5:1"]]), LabelColumns(["cat", "dog"]))
    array([[0.25, 0.75],
           [0.5 , 0.5 ]])
    >>> label_scores(np.array(["dog"]), LabelColumns(["cat", "dog"]))
    array([[0., 1.]])
    """
    return np.array([_row(row, columns) for row in texts.reshape(len(texts), -1).tolist()])


def _row(texts: list[str], columns: LabelColumns) -> Array:
    row = np.zeros(len(columns.classes))
    for text in texts:
        score, column = _parsed(text, columns)
        if column is not None and score is not None:
            row[column] = score
    return row


def _parsed(text: str, columns: LabelColumns) -> tuple[float | None, int | None]:
    if match := CLASSIFICATION.fullmatch(text):
        try:
            score = parse_score(match[1])
        except ValueError:
            return 1.0, columns(text)
        # Without a labels file, Triton names the index alone.
        index = int(match[2])
        return score, columns(match[3]) if match[3] else index if index < len(columns.classes) else None
    return 1.0, columns(text)
