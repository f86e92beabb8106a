"""Adapts the curvature prior from the slope along start -> current estimate."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from blackbox_dft._utils.types import Floats

MAX_LOG_FACTOR = 2.0
"""The factor stays within ``exp(-2)`` and ``exp(2)``."""


class CurvatureFactor:
    """A factor for an assumed curvature, by which response surfaces correct how far they trust a slope.

    If losses still fall along the displacement from the start to the estimate, the steps were too short, as the
    curvature assumed was too great: the factor falls. If losses rise along it, the factor rises. With ``v`` the
    displacement and weight ``w``, span ``s`` and loss difference ``d`` of each new pair::

        t_p         = w_p (s_p v) d_p
        log factor += rate * sum_p t_p / sqrt(sum_p t_p^2)      within +-MAX_LOG_FACTOR

    >>> curvature = CurvatureFactor(rate=0.5)
    >>> curvature.tell(np.array([1.0]), np.array([[2.0]]), np.array([-0.1]), np.ones(1))
    >>> round(curvature.factor, 4), round(float(np.exp(-0.5)), 4)
    (0.6065, 0.6065)

    Args:
        rate: change of the factor's logarithm for each standard error of the slope.
        first: the factor at first.
    """

    def __init__(self, rate: float, first: float = 1.0) -> None:
        self._rate = rate
        self._log_factor = float(np.log(first))

    @property
    def factor(self) -> float:
        """Multiplies the curvature."""
        return float(np.exp(self._log_factor))

    def tell(
        self,
        displacement: Floats,
        spans: Floats,
        differences: Floats,
        weights: Floats,
        sizes: Sequence[int] | None = None,
    ) -> None:
        """Learns from pairs about start + ``displacement (k,)``.

        Args:
            displacement: from the start to the estimate that the pairs lie around.
            spans: candidate differences ``(P, k)``.
            differences: loss differences ``(P,)``.
            weights: importance weights of the images ``(P,)``.
            sizes: of the proposals that the pairs are of, each learned from by itself; all are of one by default.
        """
        terms = weights * (spans @ displacement) * differences
        starts = [0] if sizes is None else np.cumsum([0, *sizes[:-1]])
        sums, squares = (np.add.reduceat(values, starts).tolist() for values in (terms, terms**2))
        for total, square in zip(sums, squares, strict=True):
            if square:
                moved = self._log_factor + self._rate * total / math.sqrt(square)
                self._log_factor = min(max(moved, -MAX_LOG_FACTOR), MAX_LOG_FACTOR)
