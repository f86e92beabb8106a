"""Simultaneous perturbation stochastic approximation, with BlackVIP's gradient correction as an option."""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar

import numpy as np

from blackbox_dft._utils.types import Floats
from blackbox_dft.estimators.base import Proposal
from blackbox_dft.estimators.pairs import around, slopes
from blackbox_dft.estimators.step_size import NormalisedStep
from blackbox_dft.estimators.validation import counts, positive, shares


class Spsa:
    """SPSA: all coordinates perturbed at once by random signs (Spall 1992, IEEE TAC 37:3).

    ``g_i = (l+ - l-) / (2 c_t d_i)`` with ``d_i = +-1`` (Spall 1998, eq. 2), ``c_t = spread / (t + 1)^gamma``; the step
    is normalised instead of Spall's ``a_t``, which would have to be tuned to each task's loss. Every image gets its
    signs, or (``crossed``) all images of a step share one pair, as published.

    ``correction`` evaluates the gradient where the momentum leads (SPSA-GC: Oh et al. 2023, BlackVIP, arXiv 2303.14773,
    eq. 5, after Nesterov): ``m = b m - a g(z + b m)``, ``z = z + m``.

    Args:
        start: first estimate ``(k,)``.
        lower: least values ``(k,)``.
        upper: greatest values ``(k,)``.
        step: length of a step, in units of z.
        spread: c, half the distance between the two candidates in each coordinate.
        gamma: how the spread falls.
        pairs: pairs a proposal, or images where crossed.
        momentum: weight of the past.
        memory: weight of the past in the gradient's size.
        decay: steps until the step's length has fallen to 0.7; 0 for never.
        correction: SPSA-GC.
        crossed: one pair of candidates on all images of a step.
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
        spread: float = 0.7,
        gamma: float = 0.101,
        pairs: int = 16,
        momentum: float = 0.9,
        memory: float = 0.99,
        decay: float = 100.0,
        correction: bool = False,
        crossed: bool = False,
    ) -> None:
        counts(pairs=pairs)
        positive(spread=spread)
        self._z = np.array(start, np.float64)
        self._lower, self._upper = lower, upper
        self._rng = np.random.default_rng(seed)
        shares(momentum=momentum)
        # With the correction the momentum is here, and the step must not have a second one.
        inner = 0.0 if correction else momentum
        self._step = NormalisedStep(
            size, 1 if crossed else pairs, step=step, momentum=inner, memory=memory, decay=decay
        )
        self._velocity = np.zeros(size)
        self._momentum = momentum
        self._count = 0
        self.spread, self.gamma, self.pairs = spread, gamma, pairs
        self.correction, self.crossed = correction, crossed

    def ask(self) -> Proposal:
        """Two candidates for each of ``pairs`` images."""
        signs = self._rng.integers(0, 2, (self.pairs, len(self._z))) * 2.0 - 1.0
        centre = self._z + self._momentum * self._velocity if self.correction else self._z
        proposal = around(
            centre,
            np.asarray(self._spread(self._count) * signs, np.float64),
            self._lower,
            self._upper,
            crossed=self.crossed,
        )
        return replace(proposal, note=self._count)

    def tell(self, proposal: Proposal, losses: Floats) -> None:
        """One step against the estimated gradient."""
        differences, spans = slopes(proposal, losses)
        gradient = differences @ spans / (4 * self._spread(proposal.note) ** 2 * len(differences))
        self._count += 1
        if self.correction:
            # (1 - b) keeps the pace of the uncorrected step, whose momentum is an average.
            self._velocity = self._momentum * self._velocity + (1 - self._momentum) * self._step(gradient)
            moved = self._z + self._velocity
        else:
            moved = self._z + self._step(gradient)
        self._z = np.clip(moved, self._lower, self._upper)

    def _spread(self, count: int) -> float:
        return float(self.spread / (count + 1) ** self.gamma)

    @property
    def best(self) -> Floats:
        """The estimate."""
        return self._z
