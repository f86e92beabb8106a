"""How far the scores of fixed images have moved since they were recorded, and whether that is more than noise."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from blackbox_dft._utils.types import Floats, Ints, Scores
from blackbox_dft.objectives.outputs import rows_with_scores
from blackbox_dft.scoring.drift import TOLERATED_NOISE, TOLERATED_SHARE

TOLERATED_MEAN_SHARE = TOLERATED_SHARE / 2
"""Of the range of the scores: what all images may move in the mean."""
MEAN_NOISE_DOUBT = 12.0
"""The mean may be ``1 + this / sqrt(N)`` times its noise: a mean of N images is known the better, the more they are."""
ODD_LABELS = 1.5
"""Images whose labels may differ: 1."""
CONFIRMED = 10
"""Images that are scored again if something seems to have moved, those that moved most."""
CONFIRMATIONS = 2
"""Times that they are scored again."""


def movement(then: Scores, now: Scores, *, views: int = 1, labels_only: bool = False) -> Floats:
    """The most that a score of each image moved, ``(N,)``, between raw outputs ``(N, V * K)`` of two times.

    Infinite if the image lost a score, got one, or has another number of scores now. Of a target that returns labels
    only, 1 for another label.

    >>> movement(np.array([[0.1, 0.9], [0.5, 0.5]]), np.array([[0.1, 0.9], [0.75, 0.25]]))
    array([0.  , 0.25])
    """
    if then.shape != now.shape:
        return np.full(len(then), np.inf)
    found = np.zeros(len(then))
    for before, after in zip(np.split(then, views, axis=1), np.split(now, views, axis=1), strict=True):
        scored, still = rows_with_scores(before), rows_with_scores(after)
        both = (scored & still)[:, None]
        apart = np.abs(np.where(both, after, 0.0) - np.where(both, before, 0.0)).max(axis=1)
        apart = (apart > 0).astype(np.float64) if labels_only else apart
        found = np.maximum(found, np.where(scored == still, apart, np.inf))
    return found


@dataclass(frozen=True)
class Moved:
    """Movement of all images, in numbers."""

    largest: float = 0.0
    """Of images that have scores at both times."""
    mean: float = 0.0
    missing: int = 0
    """Images that lost their scores, or got some."""

    @classmethod
    def of(cls, each: Floats) -> Moved:
        """The numbers of movements ``(N,)``."""
        finite = each[np.isfinite(each)]
        mean = float(finite.mean()) if len(finite) else 0.0
        return cls(float(finite.max(initial=0.0)), mean, int(len(each) - len(finite)))

    @classmethod
    def from_json(cls, values: Mapping[str, float]) -> Moved:
        """Reads what ``dataclasses.asdict`` made."""
        return cls(float(values["largest"]), float(values["mean"]), int(values["missing"]))


@dataclass(frozen=True)
class Tolerance:
    """What N images may move if the model has not changed.

    >>> Tolerance.of(spread=1.0, noise=Moved(largest=0.01, mean=0.004), images=36)
    Tolerance(largest=0.05, mean=0.012, missing=0.0)
    """

    largest: float
    mean: float
    missing: float

    @classmethod
    def of(cls, spread: float, noise: Moved, images: int, *, labels_only: bool = False) -> Tolerance:
        """The tolerance for scores with a range of ``spread``, two of which at one time differ by ``noise``.

        If the target returns labels only, one image may have another one: the recorded label may be the odd one.
        """
        spread = spread or 1.0
        doubt = 1 + MEAN_NOISE_DOUBT / math.sqrt(images)
        if labels_only:
            return cls(1.0, max(ODD_LABELS / images, doubt * noise.mean), TOLERATED_NOISE * noise.missing)
        return cls(
            max(TOLERATED_SHARE * spread, TOLERATED_NOISE * noise.largest),
            max(TOLERATED_MEAN_SHARE * spread, doubt * noise.mean),
            TOLERATED_NOISE * noise.missing,
        )

    def exceeded(self, moved: Moved) -> Sequence[str]:
        """Sentences on what has moved further; none if the model is as it was."""
        found = []
        if moved.largest > self.largest:
            found.append(f"a score moved by {moved.largest:.3g}, more than {self.largest:.3g}")
        if moved.mean > self.mean:
            found.append(f"the images moved by {moved.mean:.3g} in the mean, more than {self.mean:.3g}")
        if moved.missing > self.missing:
            found.append(f"scores of {moved.missing} images went missing, came back, or are of another number")
        return found


def confirmed(each: Floats, tolerance: Tolerance, again: Callable[[int, Ints], Floats]) -> Floats:
    """Movements ``(N,)`` of which the greatest, if they are more than tolerated, are measured again and again.

    Each then counts by the least of its measurements: a single odd response is no drift.

    Args:
        each: as they were measured first.
        tolerance: what is tolerated.
        again: the number of a repetition and images ``(M,)`` to their movements ``(M,)`` now.
    """
    if not tolerance.exceeded(Moved.of(each)):
        return each
    found, top = each.copy(), np.argsort(-each, kind="stable")[:CONFIRMED]
    for number in range(CONFIRMATIONS):
        found[top] = np.minimum(found[top], again(number, top))
    return found
