"""Central finite differences along coordinates or random directions."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from blackbox_dft._utils.types import Floats
from blackbox_dft.errors import InputError
from blackbox_dft.estimators.base import Proposal
from blackbox_dft.estimators.pairs import around, slopes
from blackbox_dft.estimators.step_size import NormalisedStep
from blackbox_dft.estimators.validation import counts, positive


class FiniteDifference:
    """Kiefer and Wolfowitz (1952, Ann. Math. Stat. 23:3): ``g = (l(z + h e) - l(z - h e)) / (2 h) e``.

    ``directions=coordinate`` goes through the coordinates in a shuffled order, each pair with an image of its own, and
    steps after ``pairs`` of them; the estimate is scaled by k so that its expectation is the gradient whatever share of
    the coordinates a step has seen. ``random`` takes random unit directions (Nesterov and Spokoiny 2017, eq. 6).

    Args:
        start: first estimate ``(k,)``.
        lower: least values ``(k,)``.
        upper: greatest values ``(k,)``.
        step: length of a step, in units of z.
        width: h, the distance to either side; a random direction's offset is ``h sqrt(k) / 2`` long.
        pairs: pairs a proposal.
        momentum: weight of the past in the gradient.
        memory: weight of the past in its size.
        decay: steps until the step's length has fallen to 0.7; 0 for never.
        directions: ``coordinate`` or ``random``.
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
        counts(pairs=pairs)
        positive(width=width)
        self._z = np.array(start, np.float64)
        self._lower, self._upper = lower, upper
        self._rng = np.random.default_rng(seed)
        self._step = NormalisedStep(size, pairs, step=step, momentum=momentum, memory=memory, decay=decay)
        self._order = np.empty(0, np.int64)
        self.width, self.pairs, self.directions = width, pairs, directions

    def ask(self) -> Proposal:
        """Two candidates for each of ``pairs`` images."""
        size = len(self._z)
        if self.directions == "random":
            drawn = self._rng.standard_normal((self.pairs, size))
            # As long as sqrt(k) coordinate steps of half the width, or 8-bit rounding would swallow it in large spaces.
            offsets = drawn * (np.sqrt(size) / 2 / np.linalg.norm(drawn, axis=1, keepdims=True))
        else:
            while len(self._order) < self.pairs:
                self._order = np.concatenate([self._order, self._rng.permutation(size)])
            chosen, self._order = self._order[: self.pairs], self._order[self.pairs :]
            offsets = np.zeros((self.pairs, size))
            offsets[np.arange(self.pairs), chosen] = 1
        return around(self._z, self.width * offsets, self._lower, self._upper)

    def tell(self, proposal: Proposal, losses: Floats) -> None:
        """One step against the estimated gradient."""
        differences, spans = slopes(proposal, losses)
        lengths = (spans**2).sum(axis=1)
        gradient = (differences / np.maximum(lengths, 1e-300)) @ spans * (len(self._z) / len(differences))
        self._z = np.clip(self._z + self._step(gradient), self._lower, self._upper)

    @property
    def best(self) -> Floats:
        """The estimate."""
        return self._z
