"""Breakdown of a result: accuracy per class and per group, confusions, score histograms; costs no query."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from blackbox_dft._utils.types import Floats, Ints
from blackbox_dft.evaluation.paired import bootstrap
from blackbox_dft.objectives.losses import decide
from blackbox_dft.run.predictions import Predictions

MIN_INTERVAL_IMAGES = 10
"""With fewer images no interval is given."""
MAX_TRAIT_VALUES = 12
"""Traits with more values are broken down only on request."""
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


def per_class(answers: Predictions) -> list[Subset]:
    """One subset for each class, in their order."""
    return [_subset(answers, name, answers.labels == number) for number, name in enumerate(answers.classes)]


def per_trait(answers: Predictions, name: str) -> list[Subset]:
    """One subset for each value of the trait ``name``; a dash names the images without a value."""
    values = np.array(answers.traits[name], object)
    return [_subset(answers, str(value) or "–", values == value) for value in sorted(set(values))]


def usual_traits(answers: Predictions) -> list[str]:
    """Traits that are shown by default: of 2 to ``MAX_TRAIT_VALUES`` values."""
    return [name for name, values in answers.traits.items() if 2 <= len(set(values)) <= MAX_TRAIT_VALUES]


def _subset(answers: Predictions, name: str, chosen: Sequence[bool] | Ints) -> Subset:
    where = np.flatnonzero(chosen)
    labels = answers.labels[where]
    before, after = (decide(p[where]) == labels for p in (answers.before, answers.after))
    interval = None
    if len(where) >= MIN_INTERVAL_IMAGES:
        groups = None if answers.groups is None else answers.groups[where]
        interval = bootstrap(after.astype(float) - before, groups)
    return Subset(name, len(where), float(np.mean(before)), float(np.mean(after)), interval)


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


def histogram(answers: Predictions, label: int) -> tuple[Floats, Floats]:
    """Shares ``(HISTOGRAM_BINS,)`` of the images of ``label`` by the probability of that label, before and after.

    Images without a score are in no bin.
    """
    own = answers.labels == label
    shares = [
        np.histogram(p[own, label], bins=HISTOGRAM_BINS, range=(0, 1))[0] / max(1, own.sum())
        for p in (answers.before, answers.after)
    ]
    return shares[0], shares[1]


def chosen_images(answers: Predictions, limit: int, typical: int) -> dict[str, Ints]:
    """Indices of test images to show: up to ``limit`` mended, ``limit`` broken and ``typical`` typical ones.

    Mended and broken images are sorted by how far the probability of their true class moved; typical are decided as
    before, and their probability moved about as far as on average.
    """
    rows = np.arange(len(answers.labels))
    moved = answers.after[rows, answers.labels] - answers.before[rows, answers.labels]
    right = [decide(p) == answers.labels for p in (answers.before, answers.after)]
    mended, broken = np.flatnonzero(~right[0] & right[1]), np.flatnonzero(right[0] & ~right[1])
    same = np.flatnonzero(right[0] == right[1])
    return {
        "mended": mended[np.argsort(-moved[mended], kind="stable")][:limit],
        "broken": broken[np.argsort(moved[broken], kind="stable")][:limit],
        "typical": same[np.argsort(np.abs(moved[same] - moved.mean()), kind="stable")][:typical],
    }
