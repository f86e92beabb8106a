"""When a search may stop: the way it goes on promises too little, by what later pairs say of it.

Answers that a search has used to find its way cannot say whether the way was right: it fitted them. Those that come
after can. So the course is cut into stretches; how the mean iterate moved from one stretch to the next is a way, and
the pairs of the stretch behind them, at other images mostly, tell how the loss would change by going it once more.
"""

from __future__ import annotations

import math

import numpy as np

from blackbox_dft._utils.types import Floats
from blackbox_dft.estimators.base import Proposal
from blackbox_dft.estimators.pairs import slopes
from blackbox_dft.estimators.surface import ranged

FIRST = 512
"""Queries of the first stretch."""
GROWTH = 1.5
"""Each later one ends after so many times the queries of the end before it."""
LITTLE = 0.004
"""A gain of loss that is not worth going on for; under bounded losses 0.4 points, about."""
TIMES = 2
"""How many times in a row less has to be promised."""


class EarlyStopping:
    """Whether going on is worth it, from the proposals and losses of a search by antithetic pairs.

    With ``w`` the way and a pair's span ``s (k,)`` and difference of losses ``d``, ``k d (s w) / |s|^2`` estimates the
    loss's slope along ``w`` without bias where directions are spread evenly (it is ``w`` times the estimate that
    random-direction finite differences make of the gradient: Nesterov and Spokoiny 2017, eq. 6). Coordinates with
    declared ranges and those without are taken apart, as estimators ask them apart. Less than ``LITTLE`` is promised
    where the mean of all pairs and one standard error stay below.

    Args:
        lower: least values ``(k,)``.
        upper: greatest values ``(k,)``.
    """

    def __init__(self, lower: Floats, upper: Floats) -> None:
        declared = ranged(lower, upper)
        self._groups = [mask for mask in (declared, ~declared) if mask.any()]
        self._told, self._end = 0, FIRST
        self._sum, self._count = np.zeros(len(lower)), 0
        self._mean: Floats | None = None
        self._way: Floats | None = None
        self._gains: list[list[Floats]] = [[] for _ in self._groups]
        self._still = 0

    @property
    def enough(self) -> bool:
        """Whether too little is promised, and was before."""
        return self._still >= TIMES

    def tell(self, proposal: Proposal, losses: Floats, best: Floats) -> None:
        """A proposal of pairs, its losses ``(Q,)``, and the estimate ``(k,)`` after them."""
        if self._way is not None:
            self._judge(proposal, losses, self._way)
        self._sum += best
        self._count += 1
        self._told += len(losses)
        if self._told >= self._end:
            self._turn()

    def _judge(self, proposal: Proposal, losses: Floats, way: Floats) -> None:
        differences, spans = slopes(proposal, losses)
        weights = np.ones(len(differences)) if proposal.weights is None else proposal.weights
        for mask, gains in zip(self._groups, self._gains, strict=True):
            within = spans[:, mask]
            squares = (within**2).sum(axis=1)
            asked = squares > 0
            along = within[asked] @ way[mask]
            slope = np.count_nonzero(mask) * differences[asked] * along / squares[asked]
            gains.append(-weights[asked] * slope)

    def _turn(self) -> None:
        """From one stretch to the next."""
        if self._way is not None:
            self._still = self._still + 1 if self._promised() < LITTLE else 0
        mean = self._sum / self._count
        if self._mean is not None:
            self._way = mean - self._mean
        self._mean = mean
        self._sum, self._count = np.zeros(len(mean)), 0
        self._gains = [[] for _ in self._groups]
        self._end = int(GROWTH * self._end)

    def _promised(self) -> float:
        """The gain of loss that the way would bring once more, and one standard error; infinity while it is unknown."""
        gain = square = 0.0
        for told in self._gains:
            values = np.concatenate(told)
            if len(values) < 2:
                return math.inf
            gain += float(values.mean())
            square += float(values.var()) / len(values)
        return gain + math.sqrt(square)
