"""Random search: the control that every other estimator has to beat."""

from __future__ import annotations

import numpy as np

from blackbox_dft._utils.types import Floats
from blackbox_dft.estimators.base import Proposal
from blackbox_dft.estimators.validation import counts, positive


class RandomSearch:
    """Draws around the start, never learning where to look, and keeps the best mean loss on a common minibatch.

    The incumbent is shown each minibatch beside the new candidates, so that it defends its place on equal terms.

    Args:
        start: centre of the draws and first incumbent ``(k,)``.
        lower: least values ``(k,)``.
        upper: greatest values ``(k,)``.
        sigma: spread of the draws, in units of z.
        images: images that all candidates of a proposal share.
        population: new candidates a proposal.
    """

    def __init__(
        self,
        size: int,
        *,
        start: Floats,
        lower: Floats,
        upper: Floats,
        seed: int,
        sigma: float = 1.0,
        images: int = 32,
        population: int = 7,
    ) -> None:
        counts(images=images, population=population)
        positive(sigma=sigma)
        self._start = np.array(start, np.float64)
        self._best = self._start
        self._lower, self._upper = lower, upper
        self._rng = np.random.default_rng(seed)
        self.sigma, self.images, self.population = sigma, images, population

    def ask(self) -> Proposal:
        """The incumbent and ``population`` draws, on the same images."""
        drawn = self._start + self.sigma * self._rng.standard_normal((self.population, len(self._start)))
        return Proposal.crossed(np.clip(np.vstack([self._best, drawn]), self._lower, self._upper), self.images)

    def tell(self, proposal: Proposal, losses: Floats) -> None:
        """The best candidate becomes the incumbent."""
        means = losses.reshape(-1, self.images).mean(axis=1)
        self._best = proposal.candidates[int(means.argmin())]

    @property
    def best(self) -> Floats:
        """The incumbent."""
        return self._best
