"""A noisy quadratic loss, as a small black box for estimators."""

import numpy as np

from blackbox_dft.estimators import SearchSpace, make_estimator
from blackbox_dft.estimators.base import Estimator, Proposal


def box(size: int, bound: float = np.inf) -> SearchSpace:
    """Starts at 0; every coordinate is within ``-bound`` and ``bound``."""
    return SearchSpace(np.zeros(size), np.full(size, -bound), np.full(size, bound))


def make(spec: str, size: int, seed: int = 0, bound: float = np.inf) -> Estimator:
    return make_estimator(spec, box(size, bound), seed=seed)


class Quadratic:
    """``|z - goal|^2``, 1 at the start; images that add a loss of their own; noise."""

    def __init__(self, size: int, seed: int) -> None:
        # Not the estimators' own stream: their first draw would be the direction of the goal.
        rng = np.random.default_rng([seed, 1])
        goal = rng.normal(size=size)
        self.goal = 3 * goal / np.linalg.norm(goal)
        self.rng = rng

    def loss(self, z: np.ndarray) -> np.ndarray:
        return ((z - self.goal) ** 2).sum(axis=-1) / (self.goal**2).sum()

    def losses(self, proposal: Proposal) -> np.ndarray:
        """``(Q,)``."""
        own = self.rng.normal(0, 0.5, proposal.images)[proposal.slots]
        return self.loss(proposal.candidates[proposal.rows]) + own + self.rng.normal(0, 0.1, proposal.queries)
