"""The curve of a search: accuracy of its training minibatches against tuning queries, beside the test accuracies."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from blackbox_dft._utils.types import Floats
from blackbox_dft.report.figures.charts import Axes, LineChart, Series, accuracy_range

MAX_POINTS = 48
"""Of the curve as it is drawn."""


def search_curve(points: Floats, summary: Mapping[str, Any], more: Mapping[str, float]) -> LineChart:
    """The chart of a search: the moving average of its minibatches, and lines for test accuracies.

    Args:
        points: ``(P, 3)``, at least one: tuning queries, loss and accuracy of each step.
        summary: of the run; its test accuracies are drawn as lines across.
        more: further test accuracies to draw, by name.
    """
    queries, accuracy = points[:, 0], points[:, 2]
    window = max(1, len(accuracy) // 12) | 1
    averaged = moving_average(accuracy, window)
    shown = np.unique(np.linspace(0, len(averaged) - 1, MAX_POINTS).round().astype(int))
    test = summary["accuracy"]["test"]
    marks = {"before": test["before"], "free threshold": summary["threshold"]["test"], "after": test["after"], **more}
    y_range = accuracy_range([*averaged[shown].tolist(), *marks.values()])
    name = f"training images, mean of {window} step{'s' if window > 1 else ''}"
    line = Series(queries[shown], averaged[shown])
    tests = {f"test, {name}": level for name, level in marks.items()}
    return LineChart({name: line}, tests, Axes("tuning queries", "accuracy", y_range=y_range))


def moving_average(values: ArrayLike, window: int) -> Floats:
    """The mean of ``values`` ``(P,)`` over ``window`` of them, centred; over fewer at both ends.

    >>> moving_average([0, 3, 6, 0], 3)
    array([1.5, 3. , 3. , 3. ])

    Raises:
        ValueError: ``window`` is not an odd number from 1.
    """
    if window < 1 or window % 2 == 0:
        raise ValueError(f"window must be an odd number from 1, not {window}.")
    sums = np.concatenate([[0.0], np.cumsum(np.asarray(values, np.float64))])
    at, half = np.arange(len(sums) - 1), window // 2
    first, last = np.maximum(at - half, 0), np.minimum(at + half + 1, len(sums) - 1)
    means: Floats = (sums[last] - sums[first]) / (last - first)
    return means
