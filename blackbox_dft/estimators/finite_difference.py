"""Central finite differences along coordinates or random directions."""

from __future__ import annotations

import numpy as np
from typing_extensions import override

from blackbox_dft._utils.types import Floats
from blackbox_dft.errors import InputError
from blackbox_dft.estimators.base import Proposal, SupportsDelayedTell
from blackbox_dft.estimators.pairs import antithetic_pairs, pair_differences
from blackbox_dft.estimators.search_space import SearchSpace
from blackbox_dft.estimators.step_size import NormalisedStep
from blackbox_dft.estimators.validation import check_counts, check_positive


class FiniteDifference(SupportsDelayedTell):
    """Kiefer and Wolfowitz (1952, Ann. Math. Stat. 23:3): ``g = (l(z + h e) - l(z - h e)) / (2 h) e``.

    ``directions=coordinate`` goes through the coordinates in a shuffled order, each pair with an image of its own, and
    steps after ``pairs`` of them; the estimate is scaled by k so that its expectation is the gradient, whatever share
    of the coordinates a step has seen. ``random`` takes random unit directions (Nesterov and Spokoiny 2017, eq. 6).

    >>> space = SearchSpace(np.zeros(2), np.full(2, -9.0), np.full(2, 9.0))
    >>> search = FiniteDifference(space, seed=0)
    >>> for _ in range(200):
    ...     proposal = search.ask()
    ...     search.tell(proposal, ((proposal.candidates - [1, -2]) ** 2).sum(1))
    >>> bool(abs(search.best - [1, -2]).max() < 0.3)
    True

    Args:
        space: first estimate, and bounds.
        seed: of its random numbers.
        step: length of a step, in units of z.
        width: h, the distance to either side; a random direction's offset is ``h sqrt(k) / 2`` long.
        pairs: pairs in a proposal.
        momentum: weight of the past in the gradient.
        memory: weight of the past in the gradient's size.
        decay: steps until the step's length has fallen to 0.7; 0 for never.
        directions: ``coordinate`` or ``random``.

    Raises:
        InputError: an option that no search can run with.
    """

    def __init__(
        self,
        space: SearchSpace,
        *,
        seed: int,
        step: float = 0.3,
        width: float = 1.5,
        pairs: int = 16,
        momentum: float = 0.9,
        memory: float = 0.99,
        decay: float = 100.0,
        directions: str = "coordinate",
    ) -> None:
        if directions not in ("coordinate", "random"):
            raise InputError(f"estimator finite-difference: directions={directions}: give coordinate or random.")
        check_counts(pairs=pairs)
        check_positive(width=width)
        self._space = space
        self._z = np.array(space.start, np.float64)
        self._rng = np.random.default_rng(seed)
        self._step = NormalisedStep(space.size, pairs, step=step, momentum=momentum, memory=memory, decay=decay)
        self._order = np.empty(0, np.int64)
        self.width, self.pairs, self.directions = width, pairs, directions

    @override
    def ask(self) -> Proposal:
        size = self._space.size
        if self.directions == "random":
            drawn = self._rng.standard_normal((self.pairs, size))
            # As long as sqrt(k) coordinate steps of half the width: shorter ones vanish in 8-bit rounding if k is large
            offsets = drawn * (np.sqrt(size) / 2 / np.linalg.norm(drawn, axis=1, keepdims=True))
        else:
            while len(self._order) < self.pairs:
                self._order = np.concatenate([self._order, self._rng.permutation(size)])
            chosen, self._order = self._order[: self.pairs], self._order[self.pairs :]
            offsets = np.zeros((self.pairs, size))
            offsets[np.arange(self.pairs), chosen] = 1
        return antithetic_pairs(self._z, self.width * offsets, self._space)

    @override
    def tell(self, proposal: Proposal, losses: Floats) -> None:
        differences, spans = pair_differences(proposal, losses)
        lengths = (spans**2).sum(axis=1)
        # d s / |s|^2 is the slope along the span; its mean times k is the gradient (Nesterov and Spokoiny 2017, eq. 6).
        gradient = (differences / np.maximum(lengths, 1e-300)) @ spans * (self._space.size / len(differences))
        self._z = self._space.clip(self._z + self._step(gradient))

    @property
    @override
    def best(self) -> Floats:
        return self._space.settle(self._z)
