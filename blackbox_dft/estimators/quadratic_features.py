"""Quadratic features of pairs about an origin near the estimate, from which those about the estimate follow."""

from __future__ import annotations

import numpy as np

from blackbox_dft._utils.types import Bools, Floats

MAX_OFFSET = 0.25
"""How far the estimate may be from the origin in a coordinate, in units of z: near it, no digits are lost."""
FIRST_CAPACITY = 64
"""Pairs that there is room for at first; twice as many each time that is full."""


class QuadraticFeatures:
    """Features ``1, u, u_i u_j`` (half of it if i = j) of both sides of all pairs told so far, i <= j.

    For a fit about another estimate than the last, all weights change and so do all sums, but not the features:
    ``f(u - s) = T f(u)`` with a matrix T that depends on the shift s alone. So they are computed once, about an origin,
    and again only if the estimate has moved away from it.

    >>> features = QuadraticFeatures(np.zeros(1))
    >>> features.add(np.array([[2.0]]), np.array([[-1.0]]))
    >>> features.move(np.array([1.0]))  # u is 1 and -2 about there
    >>> features.squared_distances.tolist()  # (1 + 4) / 2
    [2.5]
    >>> observed = np.array([[1.0], [0.0]])  # a difference of 1, and a mean that does not count
    >>> gram, moment = features.weighted_sums(np.array([[1.0], [0.0]]), observed)
    >>> moment  # f(1) - f(-2) = (1, 1, 1/2) - (1, -2, 2)
    array([ 0. ,  3. , -1.5])

    Args:
        origin: first one ``(k,)``.
    """

    def __init__(self, origin: Floats) -> None:
        self.size = len(origin)
        self.upper = np.triu_indices(self.size)
        self.diagonal: Bools = self.upper[0] == self.upper[1]
        self.count = 0
        """Pairs, P."""
        self._scales = np.where(self.diagonal, 0.5, 1.0)
        self._origin = self._centre = np.array(origin, np.float64)
        self._sides = np.empty((2, self.size, FIRST_CAPACITY))
        width = 1 + self.size + len(self._scales)
        # Differences within pairs, and their means; pairs along the rows of memory.
        self._features = np.empty((2, width, FIRST_CAPACITY))

    def add(self, plus: Floats, minus: Floats) -> None:
        """Adds pairs of candidates ``(P, k)``."""
        end = self.count + len(plus)
        while end > self._sides.shape[2]:
            self._sides = np.concatenate([self._sides, np.empty_like(self._sides)], axis=2)
            self._features = np.concatenate([self._features, np.empty_like(self._features)], axis=2)
        self._sides[0, :, self.count : end] = plus.T
        self._sides[1, :, self.count : end] = minus.T
        begin, self.count = self.count, end
        self._compute(begin)

    def move(self, centre: Floats) -> None:
        """What is asked from now on is about ``centre (k,)``."""
        self._centre = centre
        if np.abs(centre - self._origin).max() > MAX_OFFSET:
            self._origin = centre
            self._compute(0)

    @property
    def squared_distances(self) -> Floats:
        """Mean squared distance of both sides of each pair from the centre, summed over the coordinates, ``(P,)``."""
        shift, means = self._centre - self._origin, self._features[1, :, : self.count]
        linear, squares = means[1 : 1 + self.size], means[1 + self.size :][self.diagonal]
        return np.asarray(2 * squares.sum(axis=0) - 2 * (shift @ linear) + shift @ shift, np.float64)

    def weighted_sums(self, weights: Floats, observed: Floats) -> tuple[Floats, Floats]:
        """Weighted sums over the differences and the means of all pairs, ``weights`` and ``observed (2, P)``.

        Returns:
            Of the features' outer products ``(F, F)``, and of features times what was observed ``(F,)``.
        """
        gram, moment = 0.0, 0.0
        for features, weight, value in zip(self._features[:, :, : self.count], np.sqrt(weights), observed, strict=True):
            weighted = features * weight
            # A product with its own transpose takes half of the time of another one.
            gram = gram + weighted @ weighted.T
            moment = moment + weighted @ (weight * value)
        shifted = self._shifted()
        return shifted @ gram @ shifted.T, shifted @ moment

    def _compute(self, begin: int) -> None:
        """Features of the pairs from number ``begin`` on."""
        sides = self._sides[:, :, begin : self.count] - self._origin[:, None]
        squares = sides[:, self.upper[0]] * sides[:, self.upper[1]] * self._scales[:, None]
        linear, at = 1 + self.size, slice(begin, self.count)
        for row, value in enumerate((0.0, 1.0)):
            self._features[row, 0, at] = value
        for rows, (plus, minus) in ((slice(1, linear), sides), (slice(linear, None), squares)):
            self._features[0, rows, at] = plus - minus
            self._features[1, rows, at] = (plus + minus) / 2

    def _shifted(self) -> Floats:
        """T ``(F, F)``: from features about the origin to those about the centre."""
        shift, linear = self._centre - self._origin, 1 + self.size
        first, second = self.upper
        matrix = np.eye(linear + len(self._scales))
        matrix[1:linear, 0] = -shift
        products = np.arange(linear, len(matrix))
        matrix[products, 0] = self._scales * shift[first] * shift[second]
        matrix[products, 1 + second] -= self._scales * shift[first]
        matrix[products, 1 + first] -= self._scales * shift[second]
        return matrix
