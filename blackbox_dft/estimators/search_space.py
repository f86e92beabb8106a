"""The box an estimator searches: where it starts, and the bounds of each coordinate."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from blackbox_dft._utils.types import Array, Floats

GRID_STEPS = 4096
"""Estimates and candidates are whole multiples of 1/4096, so that the last bit of another processor, or of another
number of threads, changes neither proposals nor results: a run may be resumed on another machine."""


@dataclass(frozen=True, eq=False)
class SearchSpace:
    """Start and bounds of the vectors z ``(k,)`` that an estimator proposes, in units of z.

    >>> space = SearchSpace(np.zeros(3), np.array([-2, -2, -np.inf]), np.array([2, 2, np.inf]))
    >>> space.size
    3
    >>> space.ranged
    array([ True,  True, False])
    >>> space.clip(np.array([[5.0, -1.0, 99.0]]))
    array([[ 2., -1., 99.]])

    Raises:
        ValueError: the three are not vectors of one length.
    """

    start: Floats
    """First estimate ``(k,)``; the image change it stands for is the identity in a run."""
    lower: Floats
    """Least values ``(k,)``; ``-inf`` if a coordinate has no bound."""
    upper: Floats
    """Greatest values ``(k,)``; ``inf`` if a coordinate has no bound."""
    won: bool = False
    """Whether the start has won against others far from it: losses are flatter than usual, as a long step gained."""

    def __post_init__(self) -> None:
        shapes = [np.shape(values) for values in (self.start, self.lower, self.upper)]
        if shapes != [(len(self.start),)] * 3:
            raise ValueError(f"start, lower and upper must be vectors of one length, not {shapes}")

    @property
    def size(self) -> int:
        """Number of coordinates, k."""
        return len(self.start)

    @property
    def ranged(self) -> Array:
        """Which coordinates have a declared range, i.e. two finite bounds, ``(k,)`` bool."""
        return np.isfinite(self.lower) & np.isfinite(self.upper)

    def clip(self, z: Floats) -> Floats:
        """``z (k,)`` or ``(M, k)`` moved inside the bounds; a new array."""
        return np.clip(z, self.lower, self.upper)

    def settle(self, z: Floats) -> Floats:
        """``z (k,)`` or ``(M, k)`` on the grid and inside the bounds: what an estimator gives out."""
        return self.clip(on_grid(z))


def on_grid(z: Floats) -> Floats:
    """The nearest whole multiples of ``1 / GRID_STEPS``.

    >>> on_grid(np.array([0.1 + 0.2, 0.3])).tolist()
    [0.300048828125, 0.300048828125]
    """
    return np.asarray(np.rint(GRID_STEPS * z) / GRID_STEPS, np.float64)
