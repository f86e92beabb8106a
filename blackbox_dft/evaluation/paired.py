"""Paired statistics of two decisions on the same images: bootstrap interval and McNemar's test."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import bdtr

from blackbox_dft._utils.types import Floats, Ints
from blackbox_dft.evaluation.metric import ACCURACY, Metric
from blackbox_dft.objectives.losses import decide

RESAMPLES = 10_000
MAX_KINDS, MAX_DRAWN = 100, 1_000_000
"""Different values from which on images are drawn one by one, and how many at once."""


@dataclass(frozen=True)
class PairedResult:
    """A metric before and after on the same images, the interval of its difference, and McNemar's test of accuracy."""

    before: float
    after: float
    n: int
    """Images."""
    ci95: tuple[float, float]
    """95 % interval of after - before."""
    mcnemar_p: float
    """Two-sided p-value of "as many decisions became right as became wrong"."""


def compare(
    before: Floats,
    after: Floats,
    labels: Ints,
    groups: Ints | None = None,
    metric: Metric = ACCURACY,
    *,
    widened: bool = True,
) -> PairedResult:
    """Compares the metric of probabilities ``after (N, L)`` with that of ``before (N, L)`` on the same images.

    The interval is the percentile bootstrap over images (Efron 1979), or over whole ``groups (N,)`` if several images
    show one person, since their errors are correlated; for metrics that are no means over images, of their linear part
    (``evaluation.metric``). That of accuracy is wider where few images change (``accuracy_interval``), unless it is not
    to be ``widened``. A cost is counted negative, so that more is better. McNemar's test is exact: binomial on the
    images whose decision changed.

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
    each = [metric.contributions(probabilities, labels) for probabilities in (before, after)]
    if widened and metric is ACCURACY:
        interval = accuracy_interval(before, after, labels, groups)
    else:
        interval = bootstrap(each[1] - each[0], groups)
    return PairedResult(float(each[0].mean()), float(each[1].mean()), len(labels), interval, p)


def accuracy_interval(before: Floats, after: Floats, labels: Ints, groups: Ints | None = None) -> tuple[float, float]:
    """95 % interval of the gain of accuracy from probabilities ``before (N, L)`` to ``after (N, L)``.

    That of the bootstrap, widened to the exact one of the share of gains among the images that changed (Clopper and
    Pearson 1934): resamples of a few changed images are too sure of themselves. So it excludes no change only if
    McNemar's test does at 5 %. If the decisions of all images or groups gain or lose alike, or stay, it is that of the
    share of images that are otherwise and were not seen, each of them a loss at the worst, a gain at the best. Equal
    probabilities are no change at all.

    >>> labels = np.zeros(20, int)
    >>> right, wrong = np.eye(2)[[0] * 20], np.eye(2)[[1] * 5 + [0] * 15]
    >>> [round(end, 2) for end in accuracy_interval(wrong, right, labels)]  # five gained, of 20
    [-0.01, 0.45]
    >>> [round(end, 2) for end in accuracy_interval(wrong[:5], right[:5], labels[:5])]
    [-0.04, 1.0]
    >>> accuracy_interval(wrong, wrong, labels)
    (0.0, 0.0)
    """
    from scipy.special import betaincinv

    differences = (decide(after) == labels).astype(np.float64) - (decide(before) == labels)
    low, high = bootstrap(differences, groups)
    if np.array_equal(before, after, equal_nan=True):
        return low, high
    if low == high:
        units = len(differences) if groups is None else len(np.unique(groups))
        unseen = 1 - 0.025 ** (1 / units)
        return low - unseen * (1 + low), high + unseen * (1 - high)
    gained, lost = (int((side * differences > 0).sum()) for side in (1, -1))
    least = float(betaincinv(gained, lost + 1, 0.025)) if gained else 0.0
    most = float(betaincinv(gained + 1, lost, 0.975)) if lost else 1.0
    changed = (gained + lost) / len(differences)
    return min(low, changed * (2 * least - 1)), max(high, changed * (2 * most - 1))


def bootstrap(differences: Floats, groups: Ints | None = None, seed: int = 0) -> tuple[float, float]:
    """95 % percentile interval of the mean of ``differences (N,)``, from resampling images or whole groups.

    >>> low, high = bootstrap(np.array([1.0] * 50 + [0.0] * 150))
    >>> round(low, 2), round(high, 2)
    (0.19, 0.31)
    """
    _, member = np.unique(np.arange(len(differences)) if groups is None else groups, return_inverse=True)
    sums = np.asarray(np.bincount(member, differences), np.float64)
    counts = np.asarray(np.bincount(member), np.float64)
    rng = np.random.default_rng(seed)
    means = _means_by_image(sums, counts, rng) if _differ(differences) else _means_by_kind(sums, counts, rng)
    low, high = np.quantile(means, [0.025, 0.975])
    return float(low), float(high)


def _differ(differences: Floats) -> bool:
    """Whether nearly each image has a value of its own, as for the area under a curve."""
    return len(np.unique(differences)) > MAX_KINDS


def _means_by_kind(sums: Floats, counts: Floats, rng: np.random.Generator) -> Floats:
    """Means of the resamples ``(RESAMPLES,)``, from how often each kind of image or group is drawn.

    Groups of equal sum and size are interchangeable: drawing how often each kind occurs is the same and far cheaper.
    """
    kinds, occurrences = np.unique(np.stack([sums, counts], 1), axis=0, return_counts=True)
    drawn = rng.multinomial(len(sums), occurrences / len(sums), size=RESAMPLES)
    return np.asarray((drawn @ kinds[:, 0]) / (drawn @ kinds[:, 1]), np.float64)


def _means_by_image(sums: Floats, counts: Floats, rng: np.random.Generator) -> Floats:
    """The same, image by image, some resamples at a time."""
    at_once, means = max(1, MAX_DRAWN // len(sums)), np.empty(RESAMPLES)
    for start in range(0, RESAMPLES, at_once):
        part = means[start : start + at_once]
        drawn = rng.integers(0, len(sums), (len(part), len(sums)))
        part[:] = sums[drawn].sum(axis=1) / counts[drawn].sum(axis=1)
    return means
