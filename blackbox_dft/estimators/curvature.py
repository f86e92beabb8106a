"""Whether an assumed curvature is right, judged by whether losses still fall along the way come so far."""

from __future__ import annotations

import numpy as np

from blackbox_dft._utils.types import Floats

MOST = 2.0
"""Of the logarithm of its factor, to either side."""


class CurvatureFactor:
    """A factor for a curvature: it falls while losses fall along the way come so far, and rises where they rise.

    Args:
        rate: how fast it does, in its logarithm, a standard error.
    """

    def __init__(self, rate: float) -> None:
        self._rate = rate
        self._log = 0.0

    @property
    def factor(self) -> float:
        """What to multiply the curvature by."""
        return float(np.exp(-self._log))

    def tell(self, way: Floats, spans: Floats, differences: Floats, weights: Floats) -> None:
        """Pairs told at the end of ``way (k,)``: ``spans (P, k)``, loss ``differences (P,)`` and ``weights (P,)``."""
        told = weights * (spans @ way) * differences
        if error := float(np.sqrt((told**2).sum())):
            self._log = float(np.clip(self._log - self._rate * told.sum() / error, -MOST, MOST))
