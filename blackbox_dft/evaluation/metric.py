"""Metrics: what a run chooses by, proves and reports; accuracy, balanced accuracy, F1, area under the curve, mean cost.

A metric gives every image a *contribution*. Their mean is the metric, and their spread is its error:

- accuracy: 1 if the decision is right. An image without a decision is wrong.
- balanced accuracy, the mean over L labels of the share of right decisions ``R``: ``B + N / (L n_c) (right - R_c)``.
- mean cost: minus the cost of the decision; without a decision, the greatest one of its true label.
- F1 = 2 TP / (2 TP + FP + FN), and the area under the ROC curve A (the probability that an image of the label has a
  greater probability of it than another image; Mann and Whitney 1947) are no means over images. Their contributions are
  the first term of their expansion (the influence function; Hampel 1974; for A: DeLong et al. 1988), which has the same
  mean, and the same spread up to terms that vanish with the number of images.

Contributions are the greater the better: those of costs are negative.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Protocol, runtime_checkable

import numpy as np

from blackbox_dft._utils.types import Bools, Floats, Ints
from blackbox_dft.errors import InputError
from blackbox_dft.evaluation import metric_names
from blackbox_dft.evaluation.costs import costs_text, read_costs
from blackbox_dft.evaluation.metric_names import split_metric
from blackbox_dft.objectives.losses import decide, lacks_score

MAX_NAMED = 3
"""Labels that an error names."""


class Metric(Protocol):
    """What a run is judged by."""

    @property
    def name(self) -> str:
        """As the option gives it, without costs: ``f1:smile``."""
        ...

    @property
    def title(self) -> str:
        """In words: ``F1 of smile``."""
        ...

    @property
    def less_is_better(self) -> bool:
        """Whether it is a cost: its gain is a fall."""
        ...

    @property
    def required(self) -> tuple[int, ...]:
        """Labels without which it has no value."""
        ...

    def contributions(self, probabilities: Floats, labels: Ints) -> Floats:
        """``(N,)`` for probabilities ``(N, L)`` and true labels: their mean is the metric; a cost is negative."""
        ...

    def image_weights(self, labels: Ints) -> Floats | None:
        """What an error on each image counts ``(N,)``, 1 on the average; None if all count the same."""
        ...


@runtime_checkable
class ProvableMetric(Metric, Protocol):
    """A metric that is a mean over images, or of such means for each label: a sequential proof can hold for it."""

    @property
    def bound(self) -> float:
        """Greatest difference that one image can make."""
        ...

    @property
    def equal_labels(self) -> bool:
        """Whether a proof draws as many images of each label."""
        ...

    def of_images(self, probabilities: Floats, labels: Ints) -> Floats:
        """``(N,)``, greater is better: what is averaged."""
        ...


@dataclass(frozen=True)
class Accuracy:
    """Share of right decisions.

    >>> Accuracy().contributions(np.array([[0.9, 0.1], [0.4, 0.6], [0.5, 0.5]]), np.array([0, 0, 0]))
    array([1., 0., 0.])
    """

    name: ClassVar[str] = metric_names.ACCURACY
    title: ClassVar[str] = "accuracy"
    less_is_better: ClassVar[bool] = False
    required: ClassVar[tuple[int, ...]] = ()
    bound: ClassVar[float] = 1.0
    equal_labels: ClassVar[bool] = False

    def contributions(self, probabilities: Floats, labels: Ints) -> Floats:
        """1 if right, else 0."""
        return self.of_images(probabilities, labels)

    def image_weights(self, labels: Ints) -> Floats | None:
        """All count the same."""
        return None

    def of_images(self, probabilities: Floats, labels: Ints) -> Floats:
        """1 if right, else 0."""
        return np.asarray(decide(probabilities) == labels, np.float64)


ACCURACY = Accuracy()


@dataclass(frozen=True)
class AccuracyOfShares(Accuracy):
    """Accuracy on images of which each label has another share than in this sample: recalls weighted by ``shares``."""

    shares: tuple[float, ...]
    """``(L,)``, their sum is 1; of labels without an image here, the others take the place."""

    def contributions(self, probabilities: Floats, labels: Ints) -> Floats:
        """Weighted, as in the module's docstring."""
        return _weighted(self.of_images(probabilities, labels), labels, np.array(self.shares))


@dataclass(frozen=True)
class BalancedAccuracy(Accuracy):
    """Mean over the labels of the share of right decisions; labels without an image are left out.

    >>> labels = np.array([0, 0, 0, 1])
    >>> decisions = np.eye(2)[[0, 0, 1, 1]]
    >>> round(float(BalancedAccuracy().contributions(decisions, labels).mean()), 4)  # (2/3 + 1) / 2
    0.8333
    """

    name: ClassVar[str] = metric_names.BALANCED_ACCURACY
    title: ClassVar[str] = "balanced accuracy"
    equal_labels: ClassVar[bool] = True

    def contributions(self, probabilities: Floats, labels: Ints) -> Floats:
        """Weighted, as in the module's docstring."""
        return _weighted(self.of_images(probabilities, labels), labels, np.ones(probabilities.shape[1]))

    def image_weights(self, labels: Ints) -> Floats | None:
        """The same sum for each label."""
        return _normalised(1 / np.maximum(np.bincount(labels), 1), labels)


@dataclass(frozen=True, eq=False)
class MeanCost:
    """Mean cost of the decisions: less is better.

    >>> cost = MeanCost(np.array([[0.0, 5.0], [1.0, 0.0]]))
    >>> cost.contributions(np.eye(2)[[0, 1, 0]], np.array([0, 0, 1]))
    array([ 0., -5., -1.])
    """

    costs: Floats
    """``(L, L)``: true label, decided label."""
    name: ClassVar[str] = metric_names.COST
    title: ClassVar[str] = "mean cost"
    less_is_better: ClassVar[bool] = True
    required: ClassVar[tuple[int, ...]] = ()
    equal_labels: ClassVar[bool] = False

    @property
    def bound(self) -> float:
        """Greatest difference of two decisions for one image."""
        return float((self.costs.max(axis=1) - self.costs.min(axis=1)).max())

    def contributions(self, probabilities: Floats, labels: Ints) -> Floats:
        """Minus the cost of the decision."""
        return self.of_images(probabilities, labels)

    def image_weights(self, labels: Ints) -> Floats | None:
        """What wrong decisions for each label cost on the average, above the right one (Elkan 2001)."""
        count = len(self.costs)
        wrong = (self.costs.sum(axis=1) - np.diag(self.costs)) / (count - 1)
        return _normalised(np.maximum(wrong - np.diag(self.costs), 0), labels)

    def of_images(self, probabilities: Floats, labels: Ints) -> Floats:
        """Minus the cost of the decision; none is as dear as the dearest."""
        decided = decide(probabilities)
        paid = np.where(decided < 0, self.costs.max(axis=1)[labels], self.costs[labels, decided])
        return np.asarray(0.0 - paid, np.float64)


@dataclass(frozen=True)
class _OneAgainstRest:
    """A metric of one label against all others, or the mean of those of several."""

    positive: tuple[int, ...]
    """The labels."""
    of: str = ""
    """Name of the label, if it is one of several."""
    given: bool = False
    """Whether the user named it."""
    kind: ClassVar[str]
    word: ClassVar[str]
    less_is_better: ClassVar[bool] = False

    @property
    def name(self) -> str:
        """As the option gives it."""
        return f"{self.kind}:{self.of}" if self.given else self.kind

    @property
    def title(self) -> str:
        """In words."""
        return f"{self.word} of {self.of}" if self.of else f"macro {self.word}"

    @property
    def required(self) -> tuple[int, ...]:
        """Each label needs an image."""
        return self.positive

    def contributions(self, probabilities: Floats, labels: Ints) -> Floats:
        """The mean of those of each label."""
        each = [self._of_label(probabilities, labels == label, label) for label in self.positive]
        return np.asarray(np.mean(each, axis=0), np.float64)

    def image_weights(self, labels: Ints) -> Floats | None:
        """All count the same."""
        return None

    def _of_label(self, probabilities: Floats, positive: Bools, label: int) -> Floats:
        raise NotImplementedError


@dataclass(frozen=True)
class F1(_OneAgainstRest):
    """Harmonic mean of precision and recall of a label; 0 if it is neither true nor decided for any image.

    >>> decisions = np.eye(2)[[1, 1, 0, 0]]
    >>> float(F1((1,)).contributions(decisions, np.array([1, 0, 1, 0])).mean())
    0.5
    """

    kind: ClassVar[str] = metric_names.F1
    word: ClassVar[str] = "F1"

    def _of_label(self, probabilities: Floats, positive: Bools, label: int) -> Floats:
        decided = decide(probabilities) == label
        above, below = 2.0 * (decided & positive), 1.0 * decided + positive
        if not below.any():
            return np.zeros(len(positive))
        value = above.sum() / below.sum()
        return np.asarray(value + (above - value * below) / below.mean(), np.float64)


@dataclass(frozen=True)
class AUC(_OneAgainstRest):
    """Area under the ROC curve of a label's probability; .5 if all images, or none, are of that label.

    An image without a score ranks last if it is of the label, and first if it is not.

    >>> second = np.array([0.1, 0.4, 0.35, 0.8])
    >>> probabilities = np.stack([1 - second, second], axis=1)
    >>> float(AUC((1,)).contributions(probabilities, np.array([0, 0, 1, 1])).mean())
    0.75
    """

    kind: ClassVar[str] = metric_names.AUC
    word: ClassVar[str] = "AUC"

    def _of_label(self, probabilities: Floats, positive: Bools, label: int) -> Floats:
        if positive.all() or not positive.any():
            return np.full(len(positive), 0.5)
        worst = np.where(positive, -np.inf, np.inf)
        scores = np.where(lacks_score(probabilities), worst, probabilities[:, label])
        found = np.empty(len(scores))
        above = _share_below(scores[positive], scores[~positive])
        found[positive], found[~positive] = above, 1 - _share_below(scores[~positive], scores[positive])
        value = float(above.mean())
        share = np.where(positive, positive.mean(), 1 - positive.mean())
        # Two samples, both with the mean ``value``: an image of the smaller one weighs more.
        return np.asarray(value + (found - value) / share, np.float64)


def _share_below(scores: Floats, others: Floats) -> Floats:
    """The share of ``others (M,)`` below each of ``scores (N,)``; half of those that are equal."""
    ordered = np.sort(others)
    sides = [np.searchsorted(ordered, scores, side) for side in ("left", "right")]
    return np.asarray((sides[0] + sides[1]) / (2 * len(others)), np.float64)


def _weighted(right: Floats, labels: Ints, shares: Floats) -> Floats:
    """Contributions to the mean of each label's own mean, weighted by the ``shares (L,)`` of those that occur."""
    counts = np.bincount(labels, minlength=len(shares))
    used = np.where(counts > 0, shares, 0.0)
    used = used / used.sum()
    means = np.bincount(labels, right, minlength=len(shares)) / np.maximum(counts, 1)
    each = used * len(labels) / np.maximum(counts, 1)
    return np.asarray(used @ means + each[labels] * (right - means[labels]), np.float64)


def _normalised(each: Floats, labels: Ints) -> Floats | None:
    """The weight of each image's label, 1 on the average; None if they say nothing."""
    weights = np.asarray(each[labels], np.float64)
    return weights * (len(labels) / weights.sum()) if weights.any() else None


def make_metric(text: str, labels: Sequence[str]) -> Metric:
    """The metric that a value of ``--metric`` names, for images with these labels.

    >>> make_metric("f1", ["other", "smile"]).title, make_metric("auc", ["a", "b", "c"]).title
    ('F1 of smile', 'macro AUC')

    Raises:
        InputError: no label has that name, or the costs cannot be used.
    """
    kind, rest = split_metric(text)
    if kind == metric_names.COST:
        return MeanCost(read_costs(rest, labels))
    if kind in (metric_names.F1, metric_names.AUC):
        made = F1 if kind == metric_names.F1 else AUC
        if rest and rest not in labels:
            listed = ", ".join(labels[:8]) + (" ..." if len(labels) > 8 else "")
            raise InputError(f"--metric {text}: {rest!r} is no label of the data: it has {listed}.")
        if rest or len(labels) == 2:
            name = rest or labels[-1]
            return made((list(labels).index(name),), name, bool(rest))
        return made(tuple(range(len(labels))))
    return BalancedAccuracy() if kind == metric_names.BALANCED_ACCURACY else ACCURACY


def resolved_metric(text: str, labels: Sequence[str]) -> str:
    """A value of ``--metric`` with costs in the place of their file, so that a run needs it no more.

    Raises:
        InputError: as for ``make_metric``.
    """
    kind, rest = split_metric(text)
    return f"{kind}:{costs_text(read_costs(rest, labels), labels)}" if kind == metric_names.COST else text


def require_images(metric: Metric, labels: Ints, names: Sequence[str], where: str) -> None:
    """Checks that the images with true ``labels (N,)`` give the metric a value.

    Args:
        metric: what is to be measured.
        labels: of the images.
        names: of all labels.
        where: the images in words, for the error.

    Raises:
        InputError: a label that it needs has no image, or all have it.
    """
    counts = np.bincount(labels, minlength=len(names))
    if missing := [names[label] for label in metric.required if not counts[label]]:
        shown = ", ".join(missing[:MAX_NAMED]) + (" ..." if len(missing) > MAX_NAMED else "")
        raise InputError(
            f"--metric {metric.name} needs images of every label it is the {metric.title} of, and {where} have none of "
            f"{shown}: add some, or take --metric accuracy."
        )
    if isinstance(metric, AUC) and any(counts[label] == len(labels) for label in metric.required):
        raise InputError(
            f"--metric {metric.name} compares images of a label with others, and {where} have no others: add some, or "
            "take --metric accuracy."
        )


def require_probabilities(metric: Metric, labels_only: bool) -> None:
    """Checks that a target whose answers are ``labels_only`` gives the metric what it needs.

    Raises:
        InputError: the metric orders images by their probabilities.
    """
    if labels_only and isinstance(metric, AUC):
        raise InputError(
            f"--metric {metric.name} needs probabilities, and the target returns labels without scores: "
            "take --metric f1, balanced-accuracy or accuracy."
        )
