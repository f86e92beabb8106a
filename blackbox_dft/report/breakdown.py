"""The result in parts: per class, per group, which confusions, which scores; all from answers already paid for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from blackbox_dft._utils.types import Floats, Ints
from blackbox_dft.evaluation.paired import bootstrap
from blackbox_dft.objectives.losses import decide
from blackbox_dft.run.predictions import Predictions

FEWEST = 10
"""Images below which no interval is given."""
MOST_VALUES = 12
"""A trait with more values than this is broken down by only where it is asked for."""
BINS = 20


@dataclass(frozen=True)
class Part:
    """Some of the test images: accuracy before and after, and the interval of the difference."""

    name: str
    n: int
    before: float
    after: float
    ci95: tuple[float, float] | None
    """None for too few images."""

    @property
    def change(self) -> float:
        """After - before."""
        return self.after - self.before

    @property
    def word(self) -> str:
        """What the interval says, empty where it says nothing."""
        if self.ci95 is None:
            return "few images"
        if self.ci95[0] > 0:
            return "better"
        return "worse" if self.ci95[1] < 0 else ""


def per_class(answers: Predictions) -> list[Part]:
    """A part a class, in their order."""
    return [_part(answers, name, answers.labels == number) for number, name in enumerate(answers.classes)]


def per_trait(answers: Predictions, name: str) -> list[Part]:
    """A part a value of the trait ``name``; images without one are called by a dash."""
    values = np.array(answers.traits[name], object)
    return [_part(answers, str(value) or "–", values == value) for value in sorted(set(values))]


def usual_traits(answers: Predictions) -> list[str]:
    """Traits that are worth a table without being asked for: of a few values each."""
    return [name for name, values in answers.traits.items() if 2 <= len(set(values)) <= MOST_VALUES]


def _part(answers: Predictions, name: str, chosen: Sequence[bool] | Ints) -> Part:
    where = np.flatnonzero(chosen)
    labels = answers.labels[where]
    before, after = (decide(p[where]) == labels for p in (answers.before, answers.after))
    interval = None
    if len(where) >= FEWEST:
        groups = None if answers.groups is None else answers.groups[where]
        interval = bootstrap(after.astype(float) - before, groups)
    return Part(name, len(where), float(np.mean(before)), float(np.mean(after)), interval)


def confusion(probabilities: Floats, labels: Ints) -> Ints:
    """How many images of each label (row) are taken for each (column), ``(L, L)``."""
    count = probabilities.shape[1]
    return np.bincount(labels * count + decide(probabilities), minlength=count**2).reshape(count, count)


def histogram(answers: Predictions, label: int) -> tuple[Floats, Floats]:
    """Shares ``(BINS,)`` of the images of ``label`` by the probability of that label, before and after."""
    own = answers.labels == label
    shares = [
        np.histogram(p[own, label], bins=BINS, range=(0, 1))[0] / max(1, own.sum())
        for p in (answers.before, answers.after)
    ]
    return shares[0], shares[1]


def chosen_images(answers: Predictions, most: int, typical: int) -> dict[str, Ints]:
    """Which test images to show: the most mended and most broken ones, and typical ones.

    Mended and broken ones come by how far the probability of the truth moved; typical are those it moved as far for as
    it did on the average.
    """
    rows = np.arange(len(answers.labels))
    moved = answers.after[rows, answers.labels] - answers.before[rows, answers.labels]
    right = [decide(p) == answers.labels for p in (answers.before, answers.after)]
    mended, broken = np.flatnonzero(~right[0] & right[1]), np.flatnonzero(right[0] & ~right[1])
    same = np.flatnonzero(right[0] == right[1])
    return {
        "mended": mended[np.argsort(-moved[mended], kind="stable")][:most],
        "broken": broken[np.argsort(moved[broken], kind="stable")][:most],
        "typical": same[np.argsort(np.abs(moved[same] - moved.mean()), kind="stable")][:typical],
    }
