"""Response surface: every answer so far says where the optimum lies, not only the last step's.

Coordinates with declared ranges (geometry, tone) and those without (an additive perturbation) are learned apart, each
by antithetic pairs of its own: what one group does to an image would drown what the other does.
"""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar

import numpy as np

from blackbox_dft._utils.types import Array, Floats
from blackbox_dft.estimators.base import Proposal
from blackbox_dft.estimators.linear_model import LinearModel
from blackbox_dft.estimators.nes import directions
from blackbox_dft.estimators.pairs import around
from blackbox_dft.estimators.quadratic_model import QuadraticModel
from blackbox_dft.estimators.validation import counts, positive

FEW = 24
"""Up to this many coordinates their interactions are learned too."""
RASTER = 4096
"""Estimates and candidates are whole multiples of 1/4096, so that the last bit of another processor, or of another
number of threads, changes neither what is asked nor what comes out."""


def ranged(lower: Floats, upper: Floats) -> Array:
    """Which coordinates have a declared range, ``(k,)`` bool."""
    return np.isfinite(lower) & np.isfinite(upper)


class Surface:
    """Bayesian regression on all pairs told, its posterior minimum being the estimate.

    Up to ``FEW`` coordinates a group is modelled by ``QuadraticModel``, larger ones by ``LinearModel``. Groups take
    turns: the one with declared ranges alone for its first ``head`` queries, as it gains most, then as ``share`` says.

    >>> surface = Surface(2, start=np.zeros(2), lower=np.full(2, -9.0), upper=np.full(2, 9.0), seed=0)
    >>> for _ in range(100):
    ...     proposal = surface.ask()
    ...     surface.tell(proposal, ((proposal.candidates - [1, -2]) ** 2).sum(1))
    >>> bool(abs(surface.best - [1, -2]).max() < 0.3)
    True

    Args:
        start: first estimate ``(k,)``.
        lower: least values ``(k,)``.
        upper: greatest values ``(k,)``.
        sigma: first spread of the pairs, in units of z, where ranges are declared; it falls to ``1 / 1.4`` of that.
        spread: of the pairs in the other coordinates.
        pairs: antithetic pairs a proposal, each with its own image.
        head: queries of the group with declared ranges before the other begins.
        share: of the queries after that, for the group with declared ranges.
    """

    supports_delayed_tell: ClassVar = True

    def __init__(
        self,
        size: int,
        *,
        start: Floats,
        lower: Floats,
        upper: Floats,
        seed: int,
        sigma: float = 1.4,
        spread: float = 1.0,
        pairs: int = 8,
        head: int = 400,
        share: float = 0.3,
    ) -> None:
        counts(pairs=pairs)
        positive(sigma=sigma, spread=spread)
        self._z = np.array(start, np.float64)
        self._lower, self._upper = lower, upper
        self._rng = np.random.default_rng(seed)
        self.pairs, self.head, self.share = pairs, head, share
        declared = ranged(lower, upper)
        self._groups = [
            _Group(np.flatnonzero(mask), start, width, ranges)
            for mask, width, ranges in ((declared, sigma, True), (~declared, spread, False))
            if mask.any()
        ]

    def ask(self) -> Proposal:
        """``2 pairs`` candidates on ``pairs`` images; images may be drawn unevenly."""
        number = self._next()
        group = self._groups[number]
        offsets = np.zeros((self.pairs, len(self._z)))
        offsets[:, group.places] = group.spread * directions(self._rng, self.pairs, len(group.places), True)
        centre, offsets = (np.round(RASTER * values) / RASTER for values in (self._z, offsets))
        return replace(around(centre, offsets, self._lower, self._upper), uneven=True, note=number)

    def tell(self, proposal: Proposal, losses: Floats) -> None:
        """Takes the pairs into the group's model and goes to its minimum."""
        group, half = self._groups[proposal.note], self.pairs
        one, other = proposal.candidates[:half, group.places], proposal.candidates[half:, group.places]
        weights = np.ones(half) if proposal.weights is None else proposal.weights
        group.told += len(losses)
        group.model.tell(one, other, losses[:half], losses[half:], weights)
        at = group.places
        found = np.round(RASTER * group.model.minimum) / RASTER
        self._z[at] = np.clip(found, self._lower[at], self._upper[at])

    def _next(self) -> int:
        """Whose turn it is."""
        first, last = self._groups[0], self._groups[-1]
        if first is last or first.told < self.head:
            return 0
        return int(first.told - self.head >= self.share * (first.told - self.head + last.told))

    @property
    def best(self) -> Floats:
        """The minimum of the surface."""
        return self._z.copy()


class _Group:
    """Coordinates that are learned together."""

    def __init__(self, places: Array, start: Floats, spread: float, ranges: bool) -> None:
        self.places = places
        self.model = (QuadraticModel if len(places) <= FEW else LinearModel)(start[places])
        self._spread, self._ranges = spread, ranges
        self.told = 0

    @property
    def spread(self) -> float:
        """Standard deviation of the pairs' offsets."""
        # Wide at first, where the surface is unknown; narrower where its finer shape decides.
        return self._spread * (1 + 0.4 / (1 + self.told / 500)) / 1.4 if self._ranges else self._spread
