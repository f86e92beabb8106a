"""``--estimator auto``: which estimator suits a search space."""

from __future__ import annotations

from blackbox_dft.estimators.base import Estimator
from blackbox_dft.estimators.nes import Nes
from blackbox_dft.estimators.search_space import SearchSpace
from blackbox_dft.estimators.surface import MAX_QUADRATIC_SIZE, Surface


def choose(space: SearchSpace) -> tuple[str, str]:
    """Name of the estimator for ``space``, and the reason in words; measured in ``docs/research/research.md``.

    >>> import numpy as np
    >>> choose(SearchSpace(np.zeros(10), np.full(10, -9.0), np.full(10, 9.0)))[0]
    'surface'
    >>> choose(SearchSpace(np.zeros(192), np.full(192, -np.inf), np.full(192, np.inf)))
    ('nes', '192 numbers without ranges')
    """
    if ranged := int(space.ranged.sum()):
        return "surface", f"{ranged} of {space.size} numbers have ranges, which a response surface learns soonest"
    if space.size <= MAX_QUADRATIC_SIZE:
        return "surface", f"{space.size} numbers are few enough for a response surface"
    return "nes", f"{space.size} numbers without ranges"


def auto(space: SearchSpace, *, seed: int) -> Estimator:
    """The estimator that ``choose`` names, with its default options."""
    return (Surface if choose(space)[0] == "surface" else Nes)(space, seed=seed)
