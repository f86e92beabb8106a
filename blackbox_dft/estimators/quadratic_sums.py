"""Sums of quadratic features over all pairs told so far, about an estimate that moves."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from blackbox_dft._utils.types import Array, Floats, Ints

FIRST_CAPACITY = 64
"""Rows that there is room for at first; twice as many each time that is full."""
BLOCK = 512
"""Pairs without company whose features are worked on at once: they stay in the processor's cache."""


class Sums(NamedTuple):
    """Over pairs, each counted by its importance weight and by how near it is to the estimate.

    The features of a candidate are ``1, u, u_i u_j`` (half of it if i = j), i <= j, F of them. A pair gives two rows of
    them, the difference of its sides and their mean.
    """

    gram: tuple[Floats, Floats]
    """Of differences and of means: sums of the features' outer products ``(F, F)``."""
    moment: tuple[Floats, Floats]
    """Of differences and of means: sums of features times what was observed ``(F,)``."""
    mass: float
    """Sum of what the pairs count."""
    level: float
    """Sum of that times the mean losses."""


class QuadraticSums:
    """Keeps what the sums about any estimate follow from, without going through all pairs again.

    How much a pair counts falls with the mean squared distance D of its sides from the estimate, ``exp(-decay D)``, so
    all weights change when the estimate moves. But a pair ``a + d, a - d`` has ``D = |a - estimate|^2 + |d|^2``: all
    pairs about the same centre ``a`` change by one factor. So their moments in ``d`` are summed once, and the features'
    sums about an estimate are those moments times products of ``a - estimate``. The few pairs whose centre is their
    own, as a bound has moved one side, are worked on one by one.

    >>> sums = QuadraticSums(size=1, decay=0.0, least=0.0)
    >>> sums.add(np.array([[3.0]]), np.array([[0.0]]), np.array([1.0]), np.array([0.5]), np.ones(1))
    >>> about = sums.about(np.array([1.0]))  # u is 2 and -1 there
    >>> about.moment[0]  # f(2) - f(-1) = (1, 2, 2) - (1, -1, 1/2)
    array([0. , 3. , 1.5])

    Args:
        size: coordinates, k.
        decay: see above.
        least: pairs whose ``exp(-decay D)`` is less are left out.
    """

    def __init__(self, size: int, decay: float, least: float) -> None:
        self._decay, self._least = decay, least
        self._at = _places(size)
        # Pairs: middle and half of the span; difference, mean loss, weight; number of the group.
        self._middles, self._halves = GrowingRows(size), GrowingRows(size)
        self._observed, self._groups_of = GrowingRows(3), np.empty(0, np.int64)
        self._groups: dict[bytes, int] = {}
        self._centres, self._reach = GrowingRows(size), GrowingRows(2)
        products = len(self._at.lower)
        # Of a group: sums of the weights, of d d', of differences times d, of mean losses; those of fourth order in d,
        # and of mean losses times d d'.
        self._few = GrowingRows(1 + products + size + 1)
        self._many = GrowingRows(len(self._at.distinct) + products)
        self._alone: list[int] = []
        """Pairs that belong to no group."""

    def add(self, plus: Floats, minus: Floats, differences: Floats, means: Floats, weights: Floats) -> None:
        """Adds pairs of candidates ``(P, k)``; their loss differences, mean losses and importance weights ``(P,)``."""
        middles, halves = (plus + minus) / 2, (plus - minus) / 2
        first = self._middles.count
        self._middles.add(middles)
        self._halves.add(halves)
        self._observed.add(np.column_stack([differences, means, weights]))
        squares = np.einsum("pk,pk->p", halves, halves)
        counts = weights * np.exp(-self._decay * squares)
        groups = np.full(len(plus), -1)
        for centre, pairs in _about_the_same(middles):
            group = self._groups.get(centre)
            if group is None:
                if len(pairs) == 1:
                    self._alone.extend((first + pairs).tolist())
                    continue
                group = self._groups[centre] = self._centres.count
                self._centres.add(middles[pairs[:1]])
                self._reach.add(np.array([[np.inf, 0.0]]))
                self._few.add(np.zeros((1, self._few.width)))
                self._many.add(np.zeros((1, self._many.width)))
            groups[pairs] = group
            reach, far = self._reach.rows[group], squares[pairs]
            reach[:] = min(reach[0], far.min()), max(reach[1], far.max())
            self._sum(group, halves[pairs], counts[pairs], differences[pairs], means[pairs])
        self._groups_of = np.concatenate([self._groups_of, groups])

    def about(self, centre: Floats) -> Sums:
        """The sums over all pairs about ``centre (k,)``."""
        at, size = self._at, len(centre)
        offsets = self._centres.rows - centre
        nearness = np.exp(-self._decay * np.einsum("gk,gk->g", offsets, offsets))
        nearest, farthest = np.exp(-self._decay * self._reach.rows.T)
        counted = nearness * farthest >= self._least
        factors = np.where(counted, nearness, 0.0)
        # Products of (1, a - centre), of every group.
        x = _products(_with_one(offsets), at)
        count, products, slopes, levels = np.split(self._few.rows, at.few, axis=1)
        y = np.hstack([count * x, products, slopes, levels]) * factors[:, None]
        found = x.T @ y
        own, mixed, slopes, levels = np.split(found, at.found, axis=1)
        high = factors @ self._many.rows
        # The gram of differences: 2 (a_i d_j + a_j d_i) times the same of other coordinates.
        differences = np.append(mixed, 0.0).take(at.differences).sum(axis=0)
        differences *= at.both
        # Of means: a_i a_j + d_i d_j.
        first = 1 + size
        own[:, first:] += mixed
        own[first:] += mixed.T
        own[first:, first:] += high[: len(at.distinct)].take(at.fourth)
        own *= at.scales[:, None] * at.scales
        pull = np.zeros((first, first))
        pull[:, 1:] = slopes[:first]
        moment = 2 * at.scales * (pull + pull.T)[at.upper]
        level = levels[:, 0].copy()
        level[first:] += high[len(at.distinct) :]
        level *= at.scales
        sums = Sums((differences, own), (moment, level), float(factors @ count[:, 0]), float(levels[0, 0]))
        # Groups of which some pairs are too far.
        partly = np.flatnonzero(~counted & (nearness * nearest >= self._least))
        if self._alone or len(partly):
            sums = self._with_single(sums, centre, partly)
        return sums

    def _with_single(self, sums: Sums, centre: Floats, groups: Ints) -> Sums:
        """``sums`` and those of the pairs that belong to no group, or to one of ``groups``."""
        at, pairs = self._at, np.array(self._alone, np.int64)
        if len(groups):
            pairs = np.concatenate([pairs, np.flatnonzero(np.isin(self._groups_of, groups))])
        mass, level = sums.mass, sums.level
        for begin in range(0, len(pairs), BLOCK):
            block = pairs[begin : begin + BLOCK]
            a, d = self._middles.rows[block] - centre, self._halves.rows[block]
            observed, mean_losses, weights = self._observed.rows[block].T
            nearness = np.exp(-self._decay * ((a**2).sum(axis=1) + (d**2).sum(axis=1)))
            counts = np.where(nearness >= self._least, nearness * weights, 0.0)
            roots = np.sqrt(counts)
            plus, minus = (_products(_with_one(side), at) for side in (a + d, a - d))
            scales = roots[:, None] * at.scales
            for number, (features, values) in enumerate([(plus - minus, observed), ((plus + minus) / 2, mean_losses)]):
                features *= scales
                # A product with its own transpose takes half of the time of another one.
                np.add(sums.gram[number], features.T @ features, out=sums.gram[number])
                np.add(sums.moment[number], (roots * values) @ features, out=sums.moment[number])
            mass, level = mass + float(counts.sum()), level + float(counts @ mean_losses)
        return sums._replace(mass=mass, level=level)

    def _sum(self, group: int, halves: Floats, counts: Floats, differences: Floats, means: Floats) -> None:
        at, few, many = self._at, self._few.rows[group], self._many.rows[group]
        products = halves.take(at.lower, axis=1) * halves.take(at.higher, axis=1)
        by_mean = counts * means
        count, second, slopes, levels = np.split(few, at.few)
        count += counts.sum()
        second += counts @ products
        slopes += (counts * differences) @ halves
        levels += by_mean.sum()
        many[: len(at.distinct)] += ((products.T * counts) @ products).take(at.distinct)
        many[len(at.distinct) :] += by_mean @ products


class GrowingRows:
    """A matrix that rows are added to.

    >>> rows = GrowingRows(2)
    >>> rows.add(np.ones((3, 2)))
    >>> rows.rows.shape
    (3, 2)

    Args:
        width: of a row.
    """

    def __init__(self, width: int) -> None:
        self.width, self.count = width, 0
        self._room = np.empty((FIRST_CAPACITY, width))

    @property
    def rows(self) -> Floats:
        """``(count, width)``; changes to it are kept until rows are added."""
        return self._room[: self.count]

    def add(self, rows: Floats) -> None:
        """Adds ``rows (N, width)``."""
        end = self.count + len(rows)
        while end > len(self._room):
            self._room = np.concatenate([self._room, np.empty_like(self._room)])
        self._room[self.count : end] = rows
        self.count = end


@dataclass(frozen=True, eq=False)
class _Places:
    """Where products of coordinates are among others; they are in the order of ``np.triu_indices``."""

    upper: tuple[Ints, Ints]
    """Coordinates of each feature, the constant 1 being the first of them, ``(F,)``."""
    scales: Floats
    """Of the features ``(F,)``: 1/2 for squares."""
    lower: Ints
    higher: Ints
    """Coordinates of each product d_i d_j."""
    distinct: Ints
    """Those of the products of two d_i d_j that differ: one place for each."""
    fourth: Ints
    """Which of them each is ``(D, D)``."""
    differences: Ints
    """The four places, in the sums of ``a_i a_j`` times ``d_k d_l``, of each product of differences ``(4, F, F)``."""
    both: Floats
    """What the sum of the four is multiplied by ``(F, F)``."""
    few: list[int]
    """Where the parts of a group's sums begin, but the first."""
    found: list[int]
    """Where the parts of their sums over all groups do."""


@lru_cache(maxsize=8)
def _places(size: int) -> _Places:
    first, second = upper = np.triu_indices(size + 1)
    scales = np.where((first == second) & (first > 0), 0.5, 1.0)
    features, lower, higher = len(first), *np.triu_indices(size)
    products = len(lower)
    place = np.zeros((size + 1, size + 1), np.int64)
    place[first, second] = place[second, first] = np.arange(features)
    # Of d_i d_j; there is none of the constant.
    spanned = np.full((size + 1, size + 1), -1)
    spanned[1:, 1:] = place[1:, 1:] - (1 + size)

    def four(one: Ints, other: Ints, left: Ints, right: Ints) -> Ints:
        of_spans = spanned[left, right]
        return np.where(of_spans < 0, features * products, place[one, other] * products + of_spans)

    i, j, k, l = np.broadcast_arrays(first[:, None], second[:, None], first, second)  # noqa: E741
    differences = np.stack([four(i, k, j, l), four(i, l, j, k), four(j, k, i, l), four(j, l, i, k)])
    coordinates = np.stack(np.broadcast_arrays(lower[:, None], higher[:, None], lower, higher), axis=-1)
    codes = np.sort(coordinates, axis=-1) @ size ** np.arange(4)
    _, distinct, fourth = np.unique(codes, return_index=True, return_inverse=True)
    few = np.cumsum([1, products, size])
    return _Places(
        upper,
        scales,
        lower,
        higher,
        distinct,
        fourth.reshape(products, products),
        differences,
        4 * scales[:, None] * scales,
        few.tolist(),
        (few + features - 1).tolist(),
    )


def _with_one(offsets: Floats) -> Floats:
    return np.column_stack([np.ones(len(offsets)), offsets])


def _products(rows: Floats, at: _Places) -> Floats:
    """All products of two coordinates of ``rows (N, 1 + k)``, ``(N, F)``."""
    return np.asarray(rows.take(at.upper[0], axis=1) * rows.take(at.upper[1], axis=1), np.float64)


def _about_the_same(middles: Floats) -> Iterator[tuple[bytes, Array]]:
    """The rows that are equal, as bytes of one and the numbers of all."""
    starts = np.flatnonzero(np.append(True, (middles[1:] != middles[:-1]).any(axis=1))).tolist()
    found: dict[bytes, list[int]] = {}
    for start, end in zip(starts, [*starts[1:], len(middles)], strict=True):
        # Without the sign of zero.
        found.setdefault((middles[start] + 0.0).tobytes(), []).extend(range(start, end))
    for centre, rows in found.items():
        yield centre, np.array(rows)
