"""A search algorithm: hill climbing."""

import numpy as np

from blackbox_dft.estimators.base import Estimator, Proposal


class HillClimber(Estimator):
    """Hill climbing: a random step is kept if it lowers the mean loss of a common minibatch."""

    def __init__(self, space, *, seed, step=0.5, images=32):
        self._space = space  # start, lower and upper, each (k,)
        self._best = np.array(space.start, np.float64)
        self._rng = np.random.default_rng(seed)
        self.step, self.images = step, images

    def ask(self):
        """The estimate and one step from it, both on the same images."""
        moved = self._best + self.step * self._rng.standard_normal(len(self._best))
        candidates = np.clip([self._best, moved], self._space.lower, self._space.upper)
        return Proposal.crossed(candidates, self.images)

    def tell(self, proposal, losses):
        """Losses ``(2 * images,)``, in the order of the proposal's queries."""
        before, after = losses.reshape(2, self.images).mean(axis=1)
        if after < before:
            self._best = proposal.candidates[1]

    @property
    def best(self):
        """The estimate ``(k,)``."""
        return self._best
