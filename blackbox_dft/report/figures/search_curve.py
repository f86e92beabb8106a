"""The course of a search: the accuracy of its estimate against tuning queries, beside the measured test accuracies."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from blackbox_dft._utils.types import Floats
from blackbox_dft.report.figures.charts import Axes, LineChart, Series, accuracy_range
from blackbox_dft.run.predictions import Predictions

MAX_POINTS = 48
"""Of a curve as it is drawn."""
ESTIMATE, LOSS = "estimate, image change alone", "loss of the candidates tried"
"""Names of the two curves: the accuracy of the estimate, or if it is not known, the loss that the search saw."""


def search_curve(predictions: Predictions, summary: Mapping[str, Any], more: Mapping[str, float]) -> LineChart | None:
    """The chart of a search; None if there was none.

    It shows the accuracy of the estimate if the run's file holds it, and test accuracies as lines across. Candidates
    lie around the estimate and are mostly worse, so that their accuracy is never shown as if it were that of the
    result: without estimates (files of earlier versions; more coordinates than a regression can read) it shows their
    loss.

    Args:
        predictions: of the run.
        summary: of the run.
        more: further test accuracies to draw, by name.
    """
    if not len(predictions.points):
        return None
    if not len(predictions.estimates):
        return _loss_curve(predictions.points)
    test = summary["accuracy"]["test"]
    marks = {"before": test["before"], "free threshold": summary["threshold"]["test"], "after": test["after"], **more}
    queries, accuracy, low, high = predictions.estimates.T
    # The band may be wide at first; the axis is for the line.
    y_range = accuracy_range([*accuracy.tolist(), *marks.values()])
    line = Series(queries, accuracy, low.clip(*y_range), high.clip(*y_range))
    tests = {f"test, {name}": level for name, level in marks.items()}
    return LineChart({ESTIMATE: line}, tests, Axes("tuning queries", "accuracy", y_range=y_range, percent=True))


def _loss_curve(points: Floats) -> LineChart:
    queries, loss = points[:, 0], points[:, 1]
    averaged = moving_average(loss, max(1, len(loss) // 12) | 1)
    shown = np.unique(np.linspace(0, len(averaged) - 1, MAX_POINTS).round().astype(int))
    return LineChart({LOSS: Series(queries[shown], averaged[shown])}, {}, Axes("tuning queries", "loss"))


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
