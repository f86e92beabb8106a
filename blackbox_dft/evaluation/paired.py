"""Paired statistics of two decisions on the same images: bootstrap interval and McNemar's test."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import bdtr

from blackbox_dft._utils.types import Floats, Ints
from blackbox_dft.objectives.losses import decide

RESAMPLES = 10_000


@dataclass(frozen=True)
class PairedResult:
    """Accuracies before and after on the same images, the interval of their difference, and McNemar's test."""

    before: float
    after: float
    n: int
    """Images."""
    ci95: tuple[float, float]
    """95 % interval of after - before."""
    mcnemar_p: float
    """Two-sided p-value of "as many decisions became right as became wrong"."""


def compare(before: Floats, after: Floats, labels: Ints, groups: Ints | None = None) -> PairedResult:
    """Compares the accuracy of probabilities ``after (N, L)`` with that of ``before (N, L)`` on the same images.

    The interval is the percentile bootstrap over images (Efron 1979), or over whole ``groups (N,)`` if several images
    show one person, since their errors are correlated. McNemar's test is exact: binomial on the images whose decision
    changed.

    >>> labels = np.zeros(10, int)
    >>> before, after = np.eye(2)[[1, 1, 1, 1, 0, 0, 0, 0, 0, 0]], np.eye(2)[[0, 0, 0, 0, 0, 0, 0, 0, 0, 1]]
    >>> result = compare(before, after, labels)
    >>> result.before, result.after, result.mcnemar_p
    (0.6, 0.9, 0.375)
    """
    right_before, right_after = decide(before) == labels, decide(after) == labels
    gained, lost = int((right_after & ~right_before).sum()), int((right_before & ~right_after).sum())
    # Both tails of a fair coin are equally likely; they overlap if gained and lost are equal.
    p = min(1.0, 2 * float(bdtr(min(gained, lost), gained + lost, 0.5)))
    low, high = bootstrap(right_after.astype(float) - right_before, groups)
    return PairedResult(float(right_before.mean()), float(right_after.mean()), len(labels), (low, high), p)


def bootstrap(differences: Floats, groups: Ints | None = None, seed: int = 0) -> tuple[float, float]:
    """95 % percentile interval of the mean of ``differences (N,)``, from resampling images or whole groups.

    >>> low, high = bootstrap(np.array([1.0] * 50 + [0.0] * 150))
    >>> round(low, 2), round(high, 2)
    (0.19, 0.31)
    """
    _, member = np.unique(np.arange(len(differences)) if groups is None else groups, return_inverse=True)
    sums, counts = np.bincount(member, differences), np.bincount(member).astype(float)
    # Groups of equal sum and size are interchangeable: drawing how often each kind occurs is the same and far cheaper.
    kinds, occurrences = np.unique(np.stack([sums, counts], 1), axis=0, return_counts=True)
    rng = np.random.default_rng(seed)
    drawn = rng.multinomial(len(sums), occurrences / len(sums), size=RESAMPLES)
    means = (drawn @ kinds[:, 0]) / (drawn @ kinds[:, 1])
    low, high = np.quantile(means, [0.025, 0.975])
    return float(low), float(high)
