"""Random search: the control that every other estimator has to beat."""

from __future__ import annotations

import numpy as np
from typing_extensions import override

from blackbox_dft._utils.types import Floats
from blackbox_dft.estimators.base import Estimator, Proposal
from blackbox_dft.estimators.search_space import SearchSpace
from blackbox_dft.estimators.validation import check_counts, check_positive


class RandomSearch(Estimator):
    """Normal draws around the start; keeps the best mean loss on a common minibatch, without learning where to look.

    The best candidate so far is scored on each minibatch beside the new ones, so that all are compared on equal terms.

    >>> space = SearchSpace(np.zeros(2), np.full(2, -9.0), np.full(2, 9.0))
    >>> search = RandomSearch(space, seed=0, images=1)
    >>> for _ in range(50):
    ...     proposal = search.ask()
    ...     search.tell(proposal, ((proposal.candidates - [1, -2]) ** 2).sum(1))
    >>> bool(abs(search.best - [1, -2]).max() < 0.5)
    True

    Args:
        space: centre of the draws, which is the first best candidate, and bounds.
        seed: of its random numbers.
        sigma: standard deviation of the draws, in units of z.
        images: images that all candidates of a proposal share.
        population: new candidates in a proposal.

    Raises:
        InputError: an option that no search can run with.
    """

    def __init__(
        self, space: SearchSpace, *, seed: int, sigma: float = 1.0, images: int = 32, population: int = 7
    ) -> None:
        check_counts(images=images, population=population)
        check_positive(sigma=sigma)
        self._space = space
        self._best = self._start = np.array(space.start, np.float64)
        self._rng = np.random.default_rng(seed)
        self.sigma, self.images, self.population = sigma, images, population

    @override
    def ask(self) -> Proposal:
        drawn = self._start + self.sigma * self._rng.standard_normal((self.population, self._space.size))
        return Proposal.crossed(self._space.settle(np.vstack([self._best, drawn])), self.images)

    @override
    def tell(self, proposal: Proposal, losses: Floats) -> None:
        means = losses.reshape(-1, self.images).mean(axis=1)
        self._best = proposal.candidates[int(means.argmin())]

    @property
    @override
    def best(self) -> Floats:
        return self._best
