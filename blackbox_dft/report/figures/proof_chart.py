"""The chart of a sequential proof: the gain of the images drawn so far, and its interval, which closes."""

from __future__ import annotations

import numpy as np

from blackbox_dft._utils.types import Floats
from blackbox_dft.report.figures.charts import Axes, LineChart, Series

GAIN = "gain and its interval"


def proof_chart(path: Floats, unit: str = "points", factor: float = 100.0) -> LineChart:
    """The chart of ``path (P, 4)``: draws, their mean gain, and both ends of the interval; in ``unit``,
    which is ``factor`` times theirs.

    >>> chart = proof_chart(np.array([[16, 0.1, -0.2, 0.5], [32, 0.12, 0.01, 0.4]]))
    >>> [round(float(y)) for y in chart.series[GAIN].y], chart.marks
    ([10, 12], {'no gain': 0.0})
    """
    draws, mean, low, high = path[:, 0], *(factor * path[:, 1:].T)
    # At first the interval is nearly all there is, and says nothing.
    ends = np.concatenate([low[len(low) // 4 :], high[len(high) // 4 :], mean])
    margin = 2 if factor == 100 else 0.05 * float(ends.max() - ends.min()) or 1.0
    y_range = float(ends.min()) - margin, float(ends.max()) + margin
    axes = Axes("images drawn", f"gain, {unit}", y_range=y_range)
    return LineChart({GAIN: Series(draws, mean, low, high)}, {"no gain": 0.0}, axes)
