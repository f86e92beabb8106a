"""Breakdown of a result: accuracy per class and per group, confusions, score histograms; costs no query."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from blackbox_dft._utils.types import Floats, Ints
from blackbox_dft.evaluation.paired import accuracy_interval
from blackbox_dft.objectives.losses import decide
from blackbox_dft.run.predictions import Predictions

MIN_INTERVAL_IMAGES = 10
"""With fewer images no interval is given."""
MAX_TRAIT_VALUES = 12
"""Traits with more values are broken down only on request."""
MAX_LISTED = 24
"""Subsets that a table lists; of more, those of which most images are decided otherwise."""
HISTOGRAM_BINS = 20


@dataclass(frozen=True)
class Subset:
    """Accuracy on some of the test images, before and after, and the interval of the difference.

    >>> men = Subset("men", n=90, before=0.8, after=0.9, ci95=(0.03, 0.17))
    >>> round(men.change, 3), men.word
    (0.1, 'better')
    """

    name: str
    n: int
    before: float
    after: float
    ci95: tuple[float, float] | None
    """Of after - before; None for too few images."""

    @property
    def change(self) -> float:
        """After - before."""
        return self.after - self.before

    @property
    def word(self) -> str:
        """``better``, ``worse``, ``few images``, or empty if the interval includes 0."""
        if self.ci95 is None:
            return "few images"
        if self.ci95[0] > 0:
            return "better"
        return "worse" if self.ci95[1] < 0 else ""


def per_class(predictions: Predictions) -> list[Subset]:
    """One subset for each class, in their order."""
    present = np.unique(predictions.labels)
    return [_subset(predictions, predictions.classes[number], predictions.labels == number) for number in present]


def per_trait(predictions: Predictions, name: str) -> list[Subset]:
    """One subset for each value of the trait ``name``; a dash names the images without a value."""
    values = np.array(predictions.traits[name], object)
    return [_subset(predictions, str(value) or "–", values == value) for value in sorted(set(values))]


def listed(subsets: Sequence[Subset]) -> list[Subset]:
    """Up to ``MAX_LISTED`` of the subsets, in their order: those whose number of right decisions changed most.

    >>> many = [Subset(str(name), 10, 0.5, 0.5 + 0.1 * (name == 77), None) for name in range(100)]
    >>> len(listed(many)), "77" in [one.name for one in listed(many)]
    (24, True)
    """
    order = sorted(
        range(len(subsets)), key=lambda at: (-round(abs(subsets[at].change) * subsets[at].n), -subsets[at].n)
    )
    return [subsets[at] for at in sorted(order[:MAX_LISTED])]


def usual_traits(predictions: Predictions) -> list[str]:
    """Traits that are shown by default: of 2 to ``MAX_TRAIT_VALUES`` values."""
    return [name for name, values in predictions.traits.items() if 2 <= len(set(values)) <= MAX_TRAIT_VALUES]


def _subset(predictions: Predictions, name: str, chosen: Sequence[bool] | Ints) -> Subset:
    rows = np.flatnonzero(chosen)
    labels = predictions.labels[rows]
    before, after = (decide(p[rows]) == labels for p in (predictions.before, predictions.after))
    interval = None
    if len(rows) >= MIN_INTERVAL_IMAGES:
        groups = None if predictions.groups is None else predictions.groups[rows]
        interval = accuracy_interval(predictions.before[rows], predictions.after[rows], labels, groups)
    return Subset(name, len(rows), float(np.mean(before)), float(np.mean(after)), interval)


NO_DECISION = "no decision"
"""Stands for a label where an image has no score, or the same score for all labels."""


def decided_names(classes: Sequence[str], probabilities: Floats) -> list[str]:
    """The label decided for each row of ``probabilities (N, L)``, or ``NO_DECISION``."""
    return [NO_DECISION if label < 0 else classes[label] for label in decide(probabilities).tolist()]


def confusion(probabilities: Floats, labels: Ints) -> Ints:
    """Confusion matrix ``(L, L + 1)``: counts of images by true label (row) and decided label (column).

    The last column counts images without a decision.

    Args:
        probabilities: ``(N, L)``.
        labels: ``(N,)``, the true ones.

    >>> confusion(np.array([[0.9, 0.1], [0.2, 0.8], [0.6, 0.4]]), np.array([0, 1, 1])).tolist()
    [[1, 0, 0], [1, 1, 0]]
    """
    count = probabilities.shape[1]
    columns = decide(probabilities) % (count + 1)  # -1 becomes the last
    return np.bincount(labels * (count + 1) + columns, minlength=count * (count + 1)).reshape(count, count + 1)


def histogram(predictions: Predictions, label: int) -> tuple[Floats, Floats]:
    """Shares ``(HISTOGRAM_BINS,)`` of the images of ``label`` by the probability of that label, before and after.

    Images without a score are in no bin.
    """
    own = predictions.labels == label
    shares = [
        np.histogram(p[own, label], bins=HISTOGRAM_BINS, range=(0, 1))[0] / max(1, own.sum())
        for p in (predictions.before, predictions.after)
    ]
    return shares[0], shares[1]


def chosen_images(predictions: Predictions, limit: int, typical: int) -> dict[str, Ints]:
    """Indices of test images to show: up to ``limit`` mended, ``limit`` broken and ``typical`` typical ones.

    Mended and broken images are sorted by how far the probability of their true class moved; typical are decided as
    before, and their probability moved about as far as on average.
    """
    rows = np.arange(len(predictions.labels))
    moved = predictions.after[rows, predictions.labels] - predictions.before[rows, predictions.labels]
    right = [decide(p) == predictions.labels for p in (predictions.before, predictions.after)]
    mended, broken = np.flatnonzero(~right[0] & right[1]), np.flatnonzero(right[0] & ~right[1])
    same = np.flatnonzero(right[0] == right[1])
    return {
        "mended": mended[np.argsort(-moved[mended], kind="stable")][:limit],
        "broken": broken[np.argsort(moved[broken], kind="stable")][:limit],
        "typical": same[np.argsort(np.abs(moved[same] - moved.mean()), kind="stable")][:typical],
    }
