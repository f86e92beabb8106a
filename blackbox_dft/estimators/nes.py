"""Natural evolution strategy, paired: a fresh antithetic direction for every image."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from blackbox_dft._utils.types import Floats
from blackbox_dft.estimators.base import Proposal
from blackbox_dft.estimators.pairs import around, slopes
from blackbox_dft.estimators.step_size import NormalisedStep
from blackbox_dft.estimators.validation import counts, positive


class Nes:
    """Antithetic NES with a fixed search distribution N(mean, sigma^2 I).

    The search gradient (Wierstra et al. 2014, JMLR 15, eq. 2 with antithetic pairs as in Salimans et al. 2017, arXiv
    1703.03864, and Ilyas et al. 2018, arXiv 1804.08598, alg. 1): ``g = mean_p (l+_p - l-_p) / (2 sigma) u_p``. There,
    each direction is shown one minibatch; here, each image gets a direction of its own, which for the same queries
    averages over as many images and over more directions.

    >>> nes = Nes(2, start=np.zeros(2), lower=np.full(2, -9.0), upper=np.full(2, 9.0), seed=0)
    >>> for _ in range(200):
    ...     proposal = nes.ask()
    ...     nes.tell(proposal, ((proposal.candidates - [1, -2]) ** 2).sum(1))
    >>> bool(abs(nes.best - [1, -2]).max() < 0.3)
    True

    Args:
        start: first mean ``(k,)``.
        lower: least values ``(k,)``.
        upper: greatest values ``(k,)``.
        step: length of a step, in units of z.
        sigma: spread of the search distribution, in units of z.
        pairs: antithetic pairs a proposal, each with its own image.
        momentum: weight of the past in the gradient.
        memory: weight of the past in its size.
        decay: steps until the step's length has fallen to 0.7; 0 for never.
        orthogonal: directions of a proposal orthogonal to each other (in blocks of k), which spreads them evenly.
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
        sigma: float = 0.7,
        pairs: int = 16,
        momentum: float = 0.9,
        memory: float = 0.99,
        decay: float = 100.0,
        orthogonal: bool = True,
    ) -> None:
        counts(pairs=pairs)
        positive(sigma=sigma)
        self._mean = np.array(start, np.float64)
        self._lower, self._upper = lower, upper
        self._rng = np.random.default_rng(seed)
        self._step = NormalisedStep(size, pairs, step=step, momentum=momentum, memory=memory, decay=decay)
        self.sigma, self.pairs, self.orthogonal = sigma, pairs, orthogonal

    def ask(self) -> Proposal:
        """``2 pairs`` candidates on ``pairs`` images."""
        offsets = self.sigma * directions(self._rng, self.pairs, len(self._mean), self.orthogonal)
        return around(self._mean, offsets, self._lower, self._upper)

    def tell(self, proposal: Proposal, losses: Floats) -> None:
        """One step against the search gradient; spans clipped by bounds count as long as they are."""
        differences, spans = slopes(proposal, losses)
        gradient = differences @ spans / (4 * self.sigma**2 * len(differences))
        self._mean = np.clip(self._mean + self._step(gradient), self._lower, self._upper)

    @property
    def best(self) -> Floats:
        """The mean."""
        return self._mean


def directions(rng: np.random.Generator, count: int, size: int, orthogonal: bool) -> Floats:
    """Gaussian directions ``(count, size)``; where ``orthogonal``, in blocks that are so, lengths kept."""
    drawn = rng.standard_normal((count, size))
    if not orthogonal or size == 1:
        return drawn
    for start in range(0, count, size):
        block = drawn[start : start + size]
        lengths = np.linalg.norm(block, axis=1, keepdims=True)
        # The rows of Q are as uniform as the block's directions were (Mezzadri 2007, with the signs of R).
        q, r = np.linalg.qr(block.T)
        drawn[start : start + size] = (q * np.where(np.diag(r) < 0, -1.0, 1.0)).T * lengths
    return drawn
