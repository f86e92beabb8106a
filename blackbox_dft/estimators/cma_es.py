"""CMA-ES by pycma, all candidates of a generation on one minibatch."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from typing_extensions import override

from blackbox_dft._utils.types import Floats
from blackbox_dft.estimators.base import Estimator, Proposal
from blackbox_dft.estimators.search_space import GRID_STEPS, SearchSpace, on_grid
from blackbox_dft.estimators.validation import check_counts, check_positive

MAX_FULL_COVARIANCE_SIZE = 200
"""Up to this size the whole covariance matrix is learned; above, its diagonal (Ros and Hansen 2008)."""
MIN_POPULATION = 4


class CmaEs(Estimator):
    """Covariance matrix adaptation (Hansen 2016, arXiv 1604.00772), crossed, as ranks need common images.

    If the distribution has shrunk to nothing or diverged, a new one begins at its mean: the budget ends the search, not
    pycma's stopping rules.

    >>> space = SearchSpace(np.zeros(2), np.full(2, -9.0), np.full(2, 9.0))
    >>> search = CmaEs(space, seed=0, images=1)
    >>> for _ in range(60):
    ...     proposal = search.ask()
    ...     search.tell(proposal, ((proposal.candidates - [1, -2]) ** 2).sum(1))
    >>> bool(abs(search.best - [1, -2]).max() < 0.1)
    True

    Args:
        space: first mean, and bounds.
        seed: of its random numbers.
        sigma: first standard deviation, in units of z.
        images: images that all candidates of a generation share.
        population: candidates in a generation, 4 or more; 0 for pycma's ``4 + 3 ln k``.

    Raises:
        InputError: an option that no search can run with.
    """

    def __init__(
        self, space: SearchSpace, *, seed: int, sigma: float = 0.3, images: int = 16, population: int = 0
    ) -> None:
        check_counts(images=images)
        if population:
            check_counts(MIN_POPULATION, population=population)
        check_positive(sigma=sigma)
        rng = np.random.default_rng(seed)
        self._space, self._sigma = space, sigma
        self._options: dict[str, Any] = {
            "randn": lambda *shape: rng.standard_normal(shape),
            "seed": np.nan,
            "verbose": -9,
            "verb_log": 0,
            # Otherwise pycma obeys a file of this name in the working directory.
            "signals_filename": "",
            "CMA_diagonal": space.size > MAX_FULL_COVARIANCE_SIZE,
            # The losses of minibatches may stay equal although the search is not over.
            **dict.fromkeys(("tolfun", "tolfunhist", "tolfunrel", "tolx"), 0),
            **dict.fromkeys(("tolstagnation", "tolflatfitness", "maxiter"), np.inf),
        }
        if population:
            self._options["popsize"] = population
        self._cma = self._begin(space.start)
        self._asked: list[Floats] = []
        self.images = images

    @override
    def ask(self) -> Proposal:
        self._asked = self._cma.ask()
        return Proposal.crossed(self._within_bounds(np.array(self._asked)), self.images)

    @override
    def tell(self, proposal: Proposal, losses: Floats) -> None:
        means = losses.reshape(-1, self.images).mean(axis=1)
        # A candidate that the bounds moved is penalised by the distance, so that the mean stays near the bounds.
        unclipped = on_grid(np.array(self._asked)[:, : self._space.size])
        moved = ((unclipped - proposal.candidates) ** 2).sum(axis=1)
        scale = float(np.std(means)) or 1.0
        self._cma.tell(self._asked, list(means + scale * moved))
        # Candidates closer to each other than the grid are one, whose equal losses would widen the spread without end.
        if self._cma.stop() or self._cma.stds.max() < 1 / GRID_STEPS:
            self._cma = self._begin(self.best)

    def _begin(self, mean: Floats) -> Any:
        with warnings.catch_warnings():
            # It warns that it cannot plot.
            warnings.simplefilter("ignore")
            import cma

        # pycma draws differently if k is 1; a second coordinate without effect avoids that.
        padded = np.append(mean, np.zeros(max(0, 2 - self._space.size)))
        return cma.CMAEvolutionStrategy(padded, self._sigma, dict(self._options))

    def _within_bounds(self, candidates: Floats) -> Floats:
        return self._space.settle(candidates[..., : self._space.size])

    @property
    @override
    def best(self) -> Floats:
        return self._within_bounds(np.asarray(self._cma.mean, np.float64))
