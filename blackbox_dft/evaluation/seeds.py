"""Paired tests over seeds and images at once (Hillis 2008), and Holm's correction for many of them.

The design is that of diagnostic studies with several readers and cases: every seed is evaluated on every test image,
and both are random samples. Equations: Hillis, Berbaum and Metz, *Recent developments in the
Dorfman-Berbaum-Metz procedure*, Academic Radiology 15 (2008); Holm, *A simple sequentially rejective multiple test
procedure*, Scandinavian Journal of Statistics 6 (1979).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf, sqrt

import numpy as np
from scipy.special import stdtr, stdtrit

from blackbox_dft._utils.types import Array, Floats, Ints


@dataclass(frozen=True)
class Difference:
    """The mean of paired differences, its 95 % interval, and the two-sided p-value of "the mean is 0"."""

    mean: float
    ci95: tuple[float, float]
    p: float


def crossed(differences: Array, groups: Ints | None = None) -> Difference:
    """Tests the mean of ``differences (S, N)`` of S seeds on the same N images, both taken as random.

    If several images show one person, ``groups (N,)`` says which: whole groups then count as images do otherwise. If
    there is one seed only, the test is over images alone and says nothing about other seeds.

    >>> result = crossed(np.array([[4, 2], [1, 1]]))
    >>> result.mean, round(result.p, 3), [round(end, 1) for end in result.ci95]
    (2.0, 0.295, [-10.7, 14.7])

    Raises:
        ValueError: not a table of at least one seed and two images or groups.
    """
    table = _by_group(np.atleast_2d(np.asarray(differences, np.float64)), groups)
    seeds, images = table.shape
    if seeds < 1 or images < 2:
        raise ValueError(f"differences must be of one seed and two images at least, not {seeds} x {images}.")
    mean = float(table.mean())
    of_seeds, of_images = table.mean(axis=1), table.mean(axis=0)
    ms_images = seeds * float(of_images.var(ddof=1))
    if seeds == 1:
        return _t_test(mean, ms_images / images, images - 1)
    ms_seeds = images * float(of_seeds.var(ddof=1))
    rest = table - of_seeds[:, None] - of_images + mean
    ms_rest = float((rest**2).sum()) / ((seeds - 1) * (images - 1))
    freedom = float(seeds - 1)
    if ms_seeds <= ms_rest:
        # Seeds differ by no more than noise does: both estimate the same variance, and ms_rest with more freedom.
        ms_seeds, freedom = ms_rest, float((seeds - 1) * images)
    # Hillis et al. (2008), eqs. 4 and 7: the variance, and the degrees of freedom of its estimate.
    variance = ms_seeds + max(ms_images - ms_rest, 0.0)
    degrees = variance**2 / (ms_seeds**2 / freedom) if ms_seeds > 0 else float(images - 1)
    return _t_test(mean, variance / (seeds * images), degrees)


def holm(p: Sequence[float]) -> list[float]:
    """Adjusts the p-values of one family: rejecting those below 0.05 keeps the family's error rate at 5 % (Holm 1979).

    >>> [round(p, 2) for p in holm([0.01, 0.04, 0.03])]
    [0.03, 0.06, 0.06]
    """
    order = np.argsort(np.asarray(p, np.float64), kind="stable")
    adjusted = [0.0] * len(p)
    highest = 0.0
    for rank, position in enumerate(order.tolist()):
        highest = max(highest, min(1.0, (len(p) - rank) * p[position]))
        adjusted[position] = highest
    return adjusted


def _by_group(table: Floats, groups: Ints | None) -> Floats:
    if groups is None:
        return table
    _, member = np.unique(groups, return_inverse=True)
    count = int(member.max()) + 1
    sums = np.stack([np.bincount(member, row, minlength=count) for row in table])
    # Scaled so that the mean over groups is the mean over images.
    return np.asarray(sums * (count / table.shape[1]), np.float64)


def _t_test(mean: float, variance: float, degrees: float) -> Difference:
    error = sqrt(variance)
    if error == 0:
        return Difference(mean, (mean, mean), 1.0 if mean == 0 else 0.0)
    degrees = min(degrees, 1e9) if degrees < inf else 1e9
    half_width = float(stdtrit(degrees, 0.975)) * error
    return Difference(mean, (mean - half_width, mean + half_width), float(2 * stdtr(degrees, -abs(mean) / error)))
