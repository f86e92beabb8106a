"""Quadratic features of pairs about an origin near the estimate, from which those about the estimate follow."""

from __future__ import annotations

import numpy as np

from blackbox_dft._utils.types import Bools, Floats

MAX_OFFSET = 1.0
"""How far the estimate may be from the origin in a coordinate, in units of z: near it, no digits are lost."""
FIRST_CAPACITY = 64
"""Pairs that there is room for at first; twice as many each time that is full."""
BLOCK = 512
"""Pairs whose features are worked on at once: what they need in between stays in the processor's cache."""


class QuadraticFeatures:
    """Features ``1, u, u_i u_j`` (half of it if i = j) of both sides of all pairs told so far, i <= j.

    For a fit about another estimate than the last, all weights change and so do all sums, but not the features:
    ``f(u - s) = T f(u)`` with a matrix T that depends on the shift s alone. So they are computed once, about an origin,
    and again only if the estimate has moved away from it.

    Sums over pairs may be made in parts, whenever there is time, as long as the centre stays.

    >>> features = QuadraticFeatures(np.zeros(1))
    >>> features.add(np.array([[2.0]]), np.array([[-1.0]]))
    >>> features.move(np.array([1.0]))  # u is 1 and -2 about there
    >>> features.squared_distances(slice(0, 1)).tolist()  # (1 + 4) / 2
    [2.5]
    >>> features.add_to_sums(slice(0, 1), np.array([1.0]), np.array([[1.0], [0.5]]))
    >>> gram, moment = features.sums(1.0, 0.0)  # of differences alone
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
        self._room = np.empty(width * BLOCK)
        # About the origin; of the differences, and of the means.
        self._gram, self._moment = np.zeros((2, width, width)), np.zeros((2, width))

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
        """What is asked from now on is about ``centre (k,)``, and the sums are empty."""
        self._centre = centre
        self._gram[:], self._moment[:] = 0.0, 0.0
        if np.abs(centre - self._origin).max() > MAX_OFFSET:
            self._origin = centre
            self._compute(0)

    def squared_distances(self, pairs: slice) -> Floats:
        """Mean squared distance of both sides of each pair from the centre, summed over the coordinates, ``(P,)``."""
        # |u|^2 is twice the sum of the features u_i u_i / 2.
        shift, products = self._centre - self._origin, np.where(self.diagonal, 2.0, 0.0)
        return np.asarray(
            np.concatenate([[shift @ shift], -2 * shift, products]) @ self._features[1, :, pairs], np.float64
        )

    def add_to_sums(self, pairs: slice, weights: Floats, observed: Floats) -> None:
        """Adds pairs of ``weights (P,)`` to the sums; ``observed (2, P)`` are their differences and their means."""
        roots = np.sqrt(weights)
        for begin in range(0, len(weights), BLOCK):
            within = slice(begin, begin + BLOCK)
            features, root = self._features[:, :, pairs][:, :, within], roots[within]
            weighted = self._room[: features[0].size].reshape(features[0].shape)
            for number, values in enumerate(observed[:, within]):
                np.multiply(features[number], root, out=weighted)
                # A product with its own transpose takes half of the time of another one.
                self._gram[number] += weighted @ weighted.T
                self._moment[number] += weighted @ (root * values)

    def sums(self, differences: float, means: float) -> tuple[Floats, Floats]:
        """The sums over the pairs added since ``move``, those of differences and of means by so much each.

        Returns:
            Of the features' outer products ``(F, F)``, and of features times what was observed ``(F,)``.
        """
        gram = differences * self._gram[0] + means * self._gram[1]
        shifted = self._shifted()
        return shifted @ gram @ shifted.T, shifted @ (differences * self._moment[0] + means * self._moment[1])

    def _compute(self, begin: int) -> None:
        """Features of the pairs from number ``begin`` on."""
        self._features[0, 0, begin : self.count], self._features[1, 0, begin : self.count] = 0.0, 1.0
        for first in range(begin, self.count, BLOCK):
            at = slice(first, min(first + BLOCK, self.count))
            sides = self._sides[:, :, at] - self._origin[:, None]
            values = np.empty((2, len(self._features[0]) - 1, sides.shape[2]))
            values[:, : self.size], products = sides, values[:, self.size :]
            np.multiply(sides.take(self.upper[0], axis=1), sides.take(self.upper[1], axis=1), out=products)
            products *= self._scales[:, None]
            np.subtract(values[0], values[1], out=self._features[0, 1:, at])
            means = self._features[1, 1:, at]
            np.add(values[0], values[1], out=means)
            means *= 0.5

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
