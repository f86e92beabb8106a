"""What a tuning is worth: paired statistics on held-out answers, the free threshold, and how far images moved.

Everything here is a function of answers already paid for; nothing asks the target.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import bdtr

from blackbox_dft._utils.types import Floats, Ints
from blackbox_dft.objectives.losses import decide

RESAMPLES = 10_000


@dataclass(frozen=True)
class PairedResult:
    """Two decisions on the same images: accuracies, the interval of their difference, and the sign test."""

    before: float
    after: float
    n: int
    ci95: tuple[float, float]
    mcnemar_p: float


def compare(before: Floats, after: Floats, labels: Ints, groups: Ints | None = None) -> PairedResult:
    """Accuracy of probabilities ``after (N, L)`` against ``before (N, L)`` on the same images.

    The interval is the percentile bootstrap over images (Efron 1979), over whole groups where several images show one
    person, since their answers hang together. McNemar's test is exact (binomial on the images whose decision changed).
    """
    right_before, right_after = decide(before) == labels, decide(after) == labels
    gained, lost = int((right_after & ~right_before).sum()), int((right_before & ~right_after).sum())
    # Of a fair coin both tails weigh the same, and they share the middle.
    p = min(1.0, 2 * float(bdtr(min(gained, lost), gained + lost, 0.5)))
    low, high = bootstrap(right_after.astype(float) - right_before, groups)
    return PairedResult(float(right_before.mean()), float(right_after.mean()), len(labels), (low, high), p)


def bootstrap(differences: Floats, groups: Ints | None = None, seed: int = 0) -> tuple[float, float]:
    """95 % percentile interval of the mean of ``differences (N,)``, resampling whole groups."""
    _, member = np.unique(np.arange(len(differences)) if groups is None else groups, return_inverse=True)
    sums, counts = np.bincount(member, differences), np.bincount(member).astype(float)
    # Groups alike in sum and size are interchangeable: drawing how often each kind occurs is the same and far cheaper.
    kinds, how_many = np.unique(np.stack([sums, counts], 1), axis=0, return_counts=True)
    rng = np.random.default_rng(seed)
    drawn = rng.multinomial(len(sums), how_many / len(sums), size=RESAMPLES)
    means = (drawn @ kinds[:, 0]) / (drawn @ kinds[:, 1])
    low, high = np.quantile(means, [0.025, 0.975])
    return float(low), float(high)
