"""The sequential proof of a gain: an interval that is valid whenever one looks, by betting on paired differences.

Of every test image, or of every person, one number is drawn in random order: right after minus right before, between -1
and 1. A gambler who bets against "the gain is m" at fair odds multiplies money at most 20-fold with a chance of 1 in 20
if m is true, however long the game and whenever it ends (Ville's inequality). So all m against which the gambler holds
less than 20 times the stake form a 95 % interval that may be looked at after every image.

Waudby-Smith and Ramdas, *Estimating means of bounded random variables by betting*, JRSS B 86 (2024), arXiv 2010.09686:
hedged capital processes, with fixed stakes mixed.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from blackbox_dft._utils.types import Floats, Ints

ALPHA = 0.05
"""Chance that the interval misses the gain, at any time."""
STAKES: Floats = np.linspace(0.02, 0.98, 25)
"""Shares of the money that are bet, mixed with equal weights: the best one depends on gain and noise, both unknown."""
MIN_DRAWS = 200
"""With fewer groups than this, several images of a group make one draw."""
TOLERANCE = 1e-5
"""Of the interval's ends."""

Verdict = Literal["improved", "worse", "no significant change"]


@dataclass(eq=False)
class Proof:
    """Interval and e-value of a mean gain, from paired differences added one after the other.

    >>> proof = Proof()
    >>> proof.add([1, 0, 1, 1, 0, 1, 1, 0, 1, 1, 1, 0, 1, 1])
    >>> proof.verdict, proof.decided_at, [round(end, 2) for end in proof.interval]
    ('improved', 11, [0.14, 0.96])

    Args:
        alpha: chance that the interval ever misses the mean gain.
        bound: greatest difference that a draw can make; the interval is in its unit.
        round: draws of a round, one of each label: what is proven is then the mean of the labels' mean gains, and the
            interval is looked at after whole rounds only. If each label c gains ``g_c``, the money of one stake
            becomes, in the mean, ``prod (1 + s (g_c - m))``-fold in a round, which is at most 1 if m is the mean of the
            g_c (the geometric mean is at most the arithmetic one): still a fair game against every m.
    """

    alpha: float = ALPHA
    bound: float = 1.0
    round: int = 1
    decided_at: int | None = None
    """Draws after which the interval first excluded 0."""
    interval: tuple[float, float] = field(init=False)
    """Of the mean gain, valid at any time: the intersection of the intervals so far."""
    path: list[tuple[int, float, float, float]] = field(default_factory=list)
    """Draws, mean and both ends of the interval each time some were added."""
    log_e: float = 0.0
    """Logarithm of the greatest e-value against "no gain" so far: the money, in units of the stake."""
    _values: list[float] = field(default_factory=list)
    """Over the bound."""
    _money: Floats = field(default_factory=lambda: np.zeros((2, len(STAKES))))

    def __post_init__(self) -> None:
        """Before the first difference, nothing is excluded."""
        self.interval = (-self.bound, self.bound)

    @property
    def draws(self) -> int:
        """Differences so far."""
        return len(self._values)

    @property
    def mean(self) -> float:
        """Of the differences so far; 0 before the first."""
        return float(np.mean(self._values)) * self.bound if self._values else 0.0

    @property
    def verdict(self) -> Verdict:
        """What the interval says."""
        if self.interval[0] > 0:
            return "improved"
        return "worse" if self.interval[1] < 0 else "no significant change"

    @property
    def half_width(self) -> float:
        """Half the width of the interval."""
        return (self.interval[1] - self.interval[0]) / 2

    def add(self, differences: Iterable[float]) -> None:
        """Adds differences ``(N,)`` in the order of their draws; the interval is then that after the last of them.

        The e-value is looked at after each of them, or each round, so adding them one by one decides at the same draw.

        Raises:
            ValueError: a difference is greater than the bound, or a round is not whole.
        """
        new = np.asarray(list(differences), np.float64) / self.bound
        if not len(new):
            return
        if len(new) % self.round:
            raise ValueError(f"draws must be added in whole rounds of {self.round}")
        if not (np.abs(new) <= 1).all():
            raise ValueError(f"a paired difference must be between {-self.bound:g} and {self.bound:g}")
        start = len(self._values)
        self._values += new.tolist()
        # On both sides of "the mean is 0", for each stake, after each of the new differences.
        paths = self._money[:, None] + np.cumsum(np.log1p([new[:, None] * STAKES, -new[:, None] * STAKES]), axis=1)
        self._money = paths[:, -1]
        money = _hedged(*_mixed(paths))[self.round - 1 :: self.round]
        self.log_e = max(self.log_e, float(money.max()))
        reached = np.flatnonzero(money >= -math.log(self.alpha))
        if self.decided_at is None and len(reached):
            self.decided_at = start + (int(reached[0]) + 1) * self.round
            # What was decided then stays decided, as the interval of that moment stays valid.
            self._narrow(self._values[: self.decided_at])
            low, high = self.interval
            if low <= 0 <= high:
                # The money excludes 0, whose distance from the end is less than the bisection's tolerance.
                gained = sum(self._values[: self.decided_at]) > 0
                self.interval = (sys.float_info.min, high) if gained else (low, -sys.float_info.min)
        self._narrow(self._values)
        self.path.append((self.draws, self.mean, *self.interval))

    def _narrow(self, values: list[float]) -> None:
        low, high = _interval(*np.unique(values, return_counts=True), self.alpha)
        low, high = max(low * self.bound, self.interval[0]), min(high * self.bound, self.interval[1])
        if low <= high:
            self.interval = (low, high)

    def plausible(self, gain: float) -> bool:
        """Whether a gain of more than this is inside the interval."""
        return self.interval[1] > gain


def draw_order(groups: Ints | None, count: int, seed: int) -> list[Ints]:
    """Which images make each draw, in random order.

    Without groups, each of ``count`` images is a draw. With ``groups (N,)`` (people), whose images are not independent,
    a draw is one random image of one group, or more of them if there are fewer than ``MIN_DRAWS`` groups.

    >>> [draw.tolist() for draw in draw_order(None, 3, seed=0)]
    [[2], [0], [1]]
    >>> sorted(len(draw) for draw in draw_order(np.array([0, 0, 0, 1, 1, 2]), 6, seed=0))
    [1, 2, 3]
    """
    rng = np.random.default_rng(seed)
    if groups is None:
        return [np.array([image]) for image in rng.permutation(count)]
    # Random order within the groups, and of the groups.
    order = rng.permutation(count)
    found: dict[int, list[int]] = {}
    for image in order.tolist():
        found.setdefault(int(groups[image]), []).append(image)
    names = rng.permutation(np.array(sorted(found)))
    most = math.ceil(MIN_DRAWS / len(names))
    return [np.array(found[name][:most]) for name in names.tolist()]


def equal_draws(draws: Sequence[Ints], labels: Ints) -> list[Ints]:
    """The draws in rounds of one of each label that they have; they end with the label of fewest.

    A draw of several images keeps those of its first one's label.

    Args:
        draws: as ``draw_order`` makes them.
        labels: of all images ``(N,)``.

    >>> order = equal_draws([np.array([image]) for image in range(5)], np.array([1, 1, 1, 0, 0]))
    >>> [draw.tolist() for draw in order]
    [[3], [0], [4], [1]]
    """
    of_label: dict[int, list[Ints]] = {}
    for draw in draws:
        own = int(labels[draw[0]])
        of_label.setdefault(own, []).append(draw[labels[draw] == own])
    return [draw for round_ in zip(*(of_label[label] for label in sorted(of_label)), strict=False) for draw in round_]


def _mixed(money: Floats) -> Floats:
    """Logarithm of the mean over stakes, the last axis."""
    most = money.max(axis=-1, keepdims=True)
    return np.asarray(np.log(np.exp(money - most).mean(axis=-1)) + most[..., 0], np.float64)


def _hedged(more: Any, less: Any) -> Any:
    """Logarithm of the money if half is bet on either side."""
    return np.logaddexp(more, less) - math.log(2)


def _interval(kinds: Floats, counts: Ints, alpha: float) -> tuple[float, float]:
    """All means that the money bet against them does not exclude, after ``counts (V,)`` of the values ``kinds``."""
    limit, mean = -math.log(alpha), float(kinds @ counts) / int(counts.sum())

    def excluded(at: float) -> bool:
        return bool(_hedged(_money(kinds, counts, at), _money(-kinds, counts, -at)) >= limit)

    def end(outside: float) -> float:
        """Where exclusion begins between the mean of the values and ``outside``, by bisection."""
        if not excluded(outside):
            return outside
        inside = mean
        while abs(outside - inside) > TOLERANCE:
            middle = (outside + inside) / 2
            outside, inside = (middle, inside) if excluded(middle) else (outside, middle)
        return outside

    return end(-1.0), end(1.0)


def _money(kinds: Floats, counts: Ints, mean: float) -> float:
    """Logarithm of the money bet on "more than ``mean``".

    A stake of c of what can be lost at most, 1 + mean: the factor of a value x is 1 + c (x - mean) / (1 + mean).
    """
    if mean <= -1:
        return math.inf if (kinds > -1).any() else 0.0
    factors = np.log1p(STAKES * ((kinds - mean) / (1 + mean))[:, None])
    return float(_mixed(np.asarray(counts @ factors, np.float64)))
