"""Simultaneous perturbation stochastic approximation, with BlackVIP's gradient correction as an option."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from typing_extensions import override

from blackbox_dft._utils.types import Floats
from blackbox_dft.estimators.base import Proposal, SupportsDelayedTell
from blackbox_dft.estimators.pairs import antithetic_pairs, pair_differences
from blackbox_dft.estimators.search_space import SearchSpace
from blackbox_dft.estimators.step_size import NormalisedStep
from blackbox_dft.estimators.validation import check_counts, check_decay_rates, check_positive


class Spsa(SupportsDelayedTell):
    """SPSA: all coordinates perturbed at once by random signs (Spall 1992, IEEE TAC 37:3).

    ``g_i = (l+ - l-) / (2 c_t d_i)`` with ``d_i = +-1`` (Spall 1998, eq. 2), ``c_t = spread / (t + 1)^gamma``; the step
    is normalised instead of Spall's ``a_t``, which would have to be tuned to each task's loss. Every image gets signs
    of its own, or (``crossed``) all images of a step share one pair, as published.

    ``correction`` evaluates the gradient where the momentum leads (SPSA-GC: Oh et al. 2023, BlackVIP, arXiv 2303.14773,
    eq. 5, after Nesterov): ``m = b m - a g(z + b m)``, ``z = z + m``.

    >>> space = SearchSpace(np.zeros(2), np.full(2, -9.0), np.full(2, 9.0))
    >>> spsa = Spsa(space, seed=0, correction=True)
    >>> for _ in range(200):
    ...     proposal = spsa.ask()
    ...     spsa.tell(proposal, ((proposal.candidates - [1, -2]) ** 2).sum(1))
    >>> bool(abs(spsa.best - [1, -2]).max() < 0.3)
    True

    Args:
        space: first estimate, and bounds.
        seed: of its random numbers.
        step: length of a step, in units of z.
        spread: c, half the distance between the two candidates in each coordinate.
        gamma: exponent by which the spread falls.
        pairs: pairs in a proposal, or images if crossed.
        momentum: weight of the past in the gradient.
        memory: weight of the past in the gradient's size.
        decay: steps until the step's length has fallen to 0.7; 0 for never.
        correction: SPSA-GC.
        crossed: one pair of candidates on all images of a step.

    Raises:
        InputError: an option that no search can run with.
    """

    def __init__(
        self,
        space: SearchSpace,
        *,
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
        check_counts(pairs=pairs)
        check_positive(spread=spread)
        check_decay_rates(momentum=momentum)
        self._space = space
        self._z = np.array(space.start, np.float64)
        self._rng = np.random.default_rng(seed)
        # With the correction the momentum is kept here, and the step must not have a second one.
        inner = 0.0 if correction else momentum
        slopes = 1 if crossed else pairs
        self._step = NormalisedStep(space.size, slopes, step=step, momentum=inner, memory=memory, decay=decay)
        self._velocity = np.zeros(space.size)
        self._momentum = momentum
        self._steps = 0
        self.spread, self.gamma, self.pairs = spread, gamma, pairs
        self.correction, self.crossed = correction, crossed

    @override
    def ask(self) -> Proposal:
        signs = self._rng.integers(0, 2, (self.pairs, self._space.size)) * 2.0 - 1.0
        # Oh et al. 2023, eq. 5: the gradient is taken at z + b m.
        centre = self._z + self._momentum * self._velocity if self.correction else self._z
        offsets = np.asarray(self._spread(self._steps) * signs, np.float64)
        proposal = antithetic_pairs(centre, offsets, self._space, crossed=self.crossed)
        # If losses are told late, the spread of the proposal is not that of the step they are told in.
        return replace(proposal, note=self._steps)

    @override
    def tell(self, proposal: Proposal, losses: Floats) -> None:
        differences, spans = pair_differences(proposal, losses)
        # Spall 1998, eq. 2: as d_i = +-1, 1 / d_i = d_i, and a span is 2 c d.
        gradient = differences @ spans / (4 * self._spread(proposal.note) ** 2 * len(differences))
        self._steps += 1
        if self.correction:
            # (1 - b) keeps the pace of the uncorrected step, whose momentum is an average.
            self._velocity = self._momentum * self._velocity + (1 - self._momentum) * self._step(gradient)
            moved = self._z + self._velocity
        else:
            moved = self._z + self._step(gradient)
        self._z = self._space.clip(moved)

    def _spread(self, step: int) -> float:
        return float(self.spread / (step + 1) ** self.gamma)

    @property
    @override
    def best(self) -> Floats:
        return self._space.settle(self._z)
