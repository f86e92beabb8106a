"""Natural evolution strategy, paired: an antithetic direction of its own for every image."""

from __future__ import annotations

import numpy as np
from typing_extensions import override

from blackbox_dft._utils.types import Floats
from blackbox_dft.estimators.base import Proposal, SupportsDelayedTell
from blackbox_dft.estimators.pairs import antithetic_pairs, pair_differences
from blackbox_dft.estimators.search_space import SearchSpace
from blackbox_dft.estimators.step_size import NormalisedStep
from blackbox_dft.estimators.validation import check_counts, check_positive


class Nes(SupportsDelayedTell):
    """Antithetic NES with a fixed search distribution N(mean, sigma^2 I).

    The search gradient (Wierstra et al. 2014, JMLR 15, eq. 2 with antithetic pairs as in Salimans et al. 2017, arXiv
    1703.03864, and Ilyas et al. 2018, arXiv 1804.08598, alg. 1): ``g = mean_p (l+_p - l-_p) / (2 sigma) u_p``. There,
    all of a minibatch is scored under each direction; here, each image gets a direction of its own, which for the same
    queries averages over as many images and over more directions.

    >>> space = SearchSpace(np.zeros(2), np.full(2, -9.0), np.full(2, 9.0))
    >>> nes = Nes(space, seed=0)
    >>> for _ in range(200):
    ...     proposal = nes.ask()
    ...     nes.tell(proposal, ((proposal.candidates - [1, -2]) ** 2).sum(1))
    >>> bool(abs(nes.best - [1, -2]).max() < 0.3)
    True

    Args:
        space: first mean, and bounds.
        seed: of its random numbers.
        step: length of a step, in units of z.
        sigma: standard deviation of the search distribution, in units of z.
        pairs: antithetic pairs in a proposal, each with its own image.
        momentum: weight of the past in the gradient.
        memory: weight of the past in the gradient's size.
        decay: steps until the step's length has fallen to 0.7; 0 for never.
        orthogonal: directions of a proposal orthogonal to each other (in blocks of k), which spreads them evenly.

    Raises:
        InputError: an option that no search can run with.
    """

    def __init__(
        self,
        space: SearchSpace,
        *,
        seed: int,
        step: float = 0.3,
        sigma: float = 0.7,
        pairs: int = 16,
        momentum: float = 0.9,
        memory: float = 0.99,
        decay: float = 100.0,
        orthogonal: bool = True,
    ) -> None:
        check_counts(pairs=pairs)
        check_positive(sigma=sigma)
        self._space = space
        self._mean = np.array(space.start, np.float64)
        self._rng = np.random.default_rng(seed)
        self._step = NormalisedStep(space.size, pairs, step=step, momentum=momentum, memory=memory, decay=decay)
        self.sigma, self.pairs, self.orthogonal = sigma, pairs, orthogonal

    @override
    def ask(self) -> Proposal:
        offsets = self.sigma * gaussian_directions(self._rng, self.pairs, self._space.size, self.orthogonal)
        return antithetic_pairs(self._mean, offsets, self._space)

    @override
    def tell(self, proposal: Proposal, losses: Floats) -> None:
        differences, spans = pair_differences(proposal, losses)
        # A span is 2 sigma u, or what the bounds left of it: (l+ - l-) / (2 sigma) u = d s / (4 sigma^2).
        gradient = differences @ spans / (4 * self.sigma**2 * len(differences))
        self._mean = self._space.clip(self._mean + self._step(gradient))

    @property
    @override
    def best(self) -> Floats:
        return self._space.settle(self._mean)


def gaussian_directions(
    rng: np.random.Generator, count: int, size: int, orthogonal: bool, draws: int | None = None
) -> Floats:
    """Standard normal directions ``(count, size)``.

    If ``orthogonal``, those of each block of ``size`` are made orthogonal, and keep their lengths. With ``draws``, as
    many times that ``(draws, count, size)``, the same as by so many calls and in less time.

    >>> u = gaussian_directions(np.random.default_rng(0), 2, 5, orthogonal=True)
    >>> u.shape, bool(abs(u[0] @ u[1]) < 1e-9)
    ((2, 5), True)
    """
    drawn = rng.standard_normal((count, size) if draws is None else (draws, count, size))
    if not orthogonal or size == 1:
        return drawn
    for start in range(0, count, size):
        block = drawn[..., start : start + size, :]
        lengths = np.linalg.norm(block, axis=-1, keepdims=True)
        # The rows of Q are as uniform as the block's directions were (Mezzadri 2007, with the signs of R).
        q, r = np.linalg.qr(block.swapaxes(-1, -2))
        signs = np.where(np.diagonal(r, axis1=-2, axis2=-1) < 0, -1.0, 1.0)
        drawn[..., start : start + size, :] = (q * signs[..., None, :]).swapaxes(-1, -2) * lengths
    return drawn
