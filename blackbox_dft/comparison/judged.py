"""Decisions on the test images, as a comparison judges them: by accuracy, and by its metric."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from blackbox_dft._utils.types import Array, Floats, Ints
from blackbox_dft.evaluation.metric import Metric, ProvableMetric
from blackbox_dft.objectives.losses import decide


@dataclass(frozen=True, eq=False)
class Judged:
    """Which test images are right, and what they contribute to the metric; the last axis is that of N images."""

    right: Array
    """``(..., N)`` bool: whether the decision is the true label."""
    measured: Floats
    """``(..., N)``: contributions to the metric, greater is better; their mean is the metric, or minus a cost."""
    averaged: Floats | None
    """``(..., N)``: what a sequential proof averages; None if there is none for the metric."""

    @classmethod
    def of(cls, metric: Metric, probabilities: Floats, labels: Ints) -> Judged:
        """Of images with probabilities ``(N, L)`` and true ``labels (N,)``.

        >>> from blackbox_dft.evaluation.metric import ACCURACY
        >>> judged = Judged.of(ACCURACY, np.array([[0.9, 0.1], [0.8, 0.2]]), np.array([0, 1]))
        >>> judged.right.tolist(), judged.measured.tolist()
        ([True, False], [1.0, 0.0])
        """
        averaged = metric.of_images(probabilities, labels) if isinstance(metric, ProvableMetric) else None
        return cls(decide(probabilities) == labels, metric.contributions(probabilities, labels), averaged)

    @classmethod
    def by_accuracy(cls, right: Array) -> Judged:
        """Of images of which it is only known whether they are right ``(..., N)``."""
        one_or_zero = np.asarray(right, np.float64)
        return cls(right, one_or_zero, one_or_zero)

    @classmethod
    def stacked(cls, several: Sequence[Judged]) -> Judged:
        """Several with a new first axis."""
        averaged = [one.averaged for one in several if one.averaged is not None]
        return cls(
            np.array([one.right for one in several]),
            np.array([one.measured for one in several]),
            np.array(averaged) if averaged else None,
        )

    def __getitem__(self, rows: int | Sequence[int]) -> Judged:
        """Those of one row, or of several, of the first axis."""
        return Judged(self.right[rows], self.measured[rows], None if self.averaged is None else self.averaged[rows])


def level_of(metric: Metric, measured: Floats) -> float:
    """The metric of images with such contributions, as the user knows it: a cost is positive again.

    >>> from blackbox_dft.evaluation.metric import ACCURACY
    >>> level_of(ACCURACY, np.array([1.0, 0.0]))
    0.5
    """
    mean = float(np.mean(measured))
    return -mean if metric.less_is_better else mean
