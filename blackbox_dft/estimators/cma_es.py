"""CMA-ES by pycma, on common minibatches."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from blackbox_dft._utils.types import Floats
from blackbox_dft.estimators.base import Proposal
from blackbox_dft.estimators.validation import counts, positive

FULL = 200
"""Up to this many numbers the whole covariance is learned; above, its diagonal (Ros and Hansen 2008)."""


class CmaEs:
    """Covariance matrix adaptation (Hansen 2016, arXiv 1604.00772), crossed: ranks need common images.

    Where the distribution has shrunk to nothing or burst, a new one begins at its mean: the budget says when the search
    is over, not pycma.

    Args:
        start: first mean ``(k,)``.
        lower: least values ``(k,)``.
        upper: greatest values ``(k,)``.
        sigma: first spread, in units of z.
        images: images that all candidates of a generation share.
        population: candidates a generation, 4 or more; 0 for pycma's ``4 + 3 ln k``.
    """

    def __init__(
        self,
        size: int,
        *,
        start: Floats,
        lower: Floats,
        upper: Floats,
        seed: int,
        sigma: float = 0.3,
        images: int = 16,
        population: int = 0,
    ) -> None:
        counts(images=images)
        if population:
            counts(4, population=population)
        positive(sigma=sigma)
        rng = np.random.default_rng(seed)
        self._size, self._sigma = size, sigma
        self._options: dict[str, Any] = {
            "randn": lambda *shape: rng.standard_normal(shape),
            "seed": np.nan,
            "verbose": -9,
            "verb_log": 0,
            # pycma would read this file of the working directory, and obey it.
            "signals_filename": "",
            "CMA_diagonal": size > FULL,
            # A minibatch's losses may stand still without the search being over.
            **dict.fromkeys(("tolfun", "tolfunhist", "tolfunrel", "tolx"), 0),
            **dict.fromkeys(("tolstagnation", "tolflatfitness", "maxiter"), np.inf),
        }
        if population:
            self._options["popsize"] = population
        self._lower, self._upper = lower, upper
        self._cma = self._begin(start)
        self._asked: list[Floats] = []
        self.images = images

    def ask(self) -> Proposal:
        """A generation, each candidate on the same images."""
        self._asked = self._cma.ask()
        return Proposal.crossed(self._inside(np.array(self._asked)), self.images)

    def tell(self, proposal: Proposal, losses: Floats) -> None:
        """Ranks the generation; a candidate outside the bounds pays for the distance it was moved."""
        means = losses.reshape(-1, self.images).mean(axis=1)
        raw = np.array(self._asked)[:, : self._size]
        away = ((raw - proposal.candidates) ** 2).sum(axis=1)
        scale = float(np.std(means)) or 1.0
        self._cma.tell(self._asked, list(means + scale * away))
        if self._cma.stop():
            self._cma = self._begin(self.best)

    def _begin(self, mean: Floats) -> Any:
        with warnings.catch_warnings():
            # It warns that it cannot plot.
            warnings.simplefilter("ignore")
            import cma

        # pycma draws with its own padding coordinate when k is 1; one idle coordinate serves as well.
        padded = np.append(mean, np.zeros(max(0, 2 - self._size)))
        return cma.CMAEvolutionStrategy(padded, self._sigma, dict(self._options))

    def _inside(self, candidates: Floats) -> Floats:
        return np.clip(candidates[..., : self._size], self._lower, self._upper)

    @property
    def best(self) -> Floats:
        """The mean of the search distribution."""
        return self._inside(np.asarray(self._cma.mean, np.float64))
