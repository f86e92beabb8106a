"""Response surface: every loss so far says where the optimum lies, not only those of the last step.

Coordinates with declared ranges (geometry, tone) and those without (an additive perturbation) are learned apart, each
by antithetic pairs of its own: the effect of one group on an image would hide that of the other.
"""

from __future__ import annotations

from math import inf

import numpy as np
from typing_extensions import override

from blackbox_dft._utils.types import Bools, Floats
from blackbox_dft.estimators.base import Proposal, SupportsAskTogether, SupportsPromise
from blackbox_dft.estimators.linear_model import LinearModel
from blackbox_dft.estimators.nes import gaussian_directions
from blackbox_dft.estimators.pairs import paired_proposals
from blackbox_dft.estimators.quadratic_model import QuadraticModel
from blackbox_dft.estimators.search_space import SearchSpace, on_grid
from blackbox_dft.estimators.validation import check_counts, check_positive

MAX_QUADRATIC_SIZE = 24
"""Up to this many coordinates their interactions are learned too."""
DRAWN_AHEAD = 16
"""Proposals whose directions are drawn at once, as far as it is known that they will be of the same few coordinates."""
WON_FLATNESS = 2.0
"""Divides the prior curvature if the start has won a race."""


class Surface(SupportsAskTogether, SupportsPromise):
    """Bayesian regression on all pairs told; its posterior minimum is the estimate.

    Up to ``MAX_QUADRATIC_SIZE`` coordinates a group is modelled by ``QuadraticModel``, larger ones by ``LinearModel``.
    Groups take turns: first only the one with declared ranges, for ``head`` queries, as it gains most; then as
    ``share`` says. Images may be drawn by importance sampling.

    >>> space = SearchSpace(np.zeros(2), np.full(2, -9.0), np.full(2, 9.0))
    >>> surface = Surface(space, seed=0)
    >>> for _ in range(100):
    ...     proposal = surface.ask()
    ...     surface.tell(proposal, ((proposal.candidates - [1, -2]) ** 2).sum(1))
    >>> bool(abs(surface.best - [1, -2]).max() < 0.3)
    True

    Args:
        space: first estimate, and bounds.
        seed: of its random numbers.
        sigma: first standard deviation of the pairs, in units of z, in coordinates with declared ranges; it falls to
            ``1 / 1.4`` of that.
        spread: standard deviation of the pairs in the other coordinates.
        pairs: antithetic pairs in a proposal, each with its own image.
        head: queries of the group with declared ranges before the other begins.
        share: of the queries after that, for the group with declared ranges.

    Raises:
        InputError: an option that no search can run with.
    """

    def __init__(
        self,
        space: SearchSpace,
        *,
        seed: int,
        sigma: float = 1.4,
        spread: float = 1.0,
        pairs: int = 8,
        head: int = 400,
        share: float = 0.3,
    ) -> None:
        check_counts(pairs=pairs)
        check_positive(sigma=sigma, spread=spread)
        self._space = space
        self._z = np.array(space.start, np.float64)
        self._rng = np.random.default_rng(seed)
        self.pairs, self.head, self.share = pairs, head, share
        self._groups = [
            _Group(mask, space, width, ranged)
            for mask, width, ranged in ((space.ranged, sigma, True), (~space.ranged, spread, False))
            if mask.any()
        ]
        self._ahead = np.empty((0, pairs, space.size))
        """Directions drawn and not used yet."""

    @override
    def ask(self) -> Proposal:
        return self.ask_together(1)[0]

    @override
    def ask_together(self, count: int) -> list[Proposal]:
        # Nothing is told in between, so all are of one group, about one estimate.
        number = self._next_group()
        group = self._groups[number]
        offsets = group.spread * self._directions(count, group.size)
        if len(self._groups) > 1:
            within, offsets = offsets, np.zeros((count, self.pairs, self._space.size))
            offsets[..., group.at] = within
        return paired_proposals(self._z, offsets, self._space, uneven=True, note=number)

    def _directions(self, count: int, size: int) -> Floats:
        """Standard normal directions of the pairs of so many proposals ``(count, pairs, size)``."""
        if size < self._space.size or size > MAX_QUADRATIC_SIZE:
            return gaussian_directions(self._rng, self.pairs, size, True, count)
        if len(self._ahead) < count:
            drawn = gaussian_directions(self._rng, self.pairs, size, True, max(count, DRAWN_AHEAD))
            self._ahead = np.concatenate([self._ahead, drawn])
        taken, self._ahead = self._ahead[:count], self._ahead[count:]
        return taken

    @override
    def tell(self, proposal: Proposal, losses: Floats) -> None:
        group, half = self._groups[proposal.note], self.pairs
        at, model, first = group.at, group.model, not group.told
        plus, minus = proposal.candidates[:half, at], proposal.candidates[half:, at]
        weights = np.ones(half) if proposal.weights is None else proposal.weights
        group.told += len(losses)
        before = model.minimum
        model.tell(plus, minus, losses[:half], losses[half:], weights)
        if first or model.minimum is not before:
            self._z[at] = on_grid(model.minimum)
            self._z = self._space.clip(self._z)

    def _next_group(self) -> int:
        first, last = self._groups[0], self._groups[-1]
        if first is last or first.told < self.head:
            return 0
        return int(first.told - self.head >= self.share * (first.told - self.head + last.told))

    @property
    @override
    def best(self) -> Floats:
        return self._z.copy()

    @property
    @override
    def promised_gain(self) -> float:
        # A group that had no turn yet promises nothing known: its turn comes if the others promise enough.
        return sum(group.model.promised_gain for group in self._groups if group.told) if self._groups[0].told else inf


class _Group:
    """Coordinates that are learned together."""

    def __init__(self, members: Bools, space: SearchSpace, spread: float, ranged: bool) -> None:
        self.size = int(members.sum())
        self.at = slice(None) if members.all() else np.flatnonzero(members)
        """Their places."""
        start = space.start[self.at]
        flatness = WON_FLATNESS if space.won and ranged else 1.0
        self.model = QuadraticModel(start, flatness) if self.size <= MAX_QUADRATIC_SIZE else LinearModel(start)
        self._spread, self._ranged = spread, ranged
        self.told = 0
        """Losses told so far."""

    @property
    def spread(self) -> float:
        """Standard deviation of the pairs' offsets."""
        # Wide at first, while the surface is unknown; narrower later, when its finer shape decides.
        return self._spread * (1 + 0.4 / (1 + self.told / 500)) / 1.4 if self._ranged else self._spread
