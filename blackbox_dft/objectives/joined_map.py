"""Joined map: the outputs for several views of an image -> probabilities of the user's labels."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from blackbox_dft._utils.types import Floats, Ints
from blackbox_dft.objectives.output_map import Family, OutputMap, fit_output_map

SHRINKAGE = 20.0
"""Of the joint map's scale and bias: the map of every view has them already, fitted on many more scores."""


@dataclass(frozen=True, eq=False)
class JoinedMap:
    """Maps probabilities of the model's K classes for V views to those of L labels, ``(N, V * K)`` to ``(N, L)``.

    In two steps, as a search pays for many scores of the first view and few of the others: every view is mapped to the
    labels by the map of the first, then ``joint`` maps the V L probabilities, each divided by V, to the labels. Its own
    decision is the mean of the views, to which its fit is shrunk. For labels without scores, the mean is a vote.

    >>> each, joint = OutputMap(np.eye(2)), OutputMap(np.tile(np.eye(2), (2, 1)))
    >>> JoinedMap(each, joint)(np.array([[0.9, 0.1, 0.5, 0.5]])).round(3)
    array([[0.7, 0.3]])
    """

    each: OutputMap
    """Of every view by itself."""
    joint: OutputMap
    """``label_matrix`` is ``(V L, L)``."""

    @property
    def views(self) -> int:
        """Scores that an image needs."""
        return int(len(self.joint.label_matrix) // self.each.label_matrix.shape[1])

    @property
    def of_one(self) -> OutputMap:
        """The map of one view by itself, to the same labels."""
        labels = self.each.label_matrix.shape[1]
        return self.each.for_labels(self.joint.label_matrix[:labels].argmax(axis=0).tolist())

    @property
    def label_matrix(self) -> Floats:
        """Of one view, ``(K, L)``: 1 if a class of the model counts for a label."""
        return self.of_one.label_matrix

    def __call__(self, probabilities: Floats) -> Floats:
        """Probabilities of the labels ``(N, L)``; a view without a score, NaN, is left out of the mean."""
        return self.joint(stacked(self.each, probabilities, self.views))

    def for_labels(self, columns: Sequence[int]) -> JoinedMap:
        """The map to the labels ``columns``, some or all of L, in this order."""
        return replace(self, joint=self.joint.for_labels(columns))


def stacked(each: OutputMap, probabilities: Floats, views: int) -> Floats:
    """What ``joint`` takes, ``(N, V * L)``: all views mapped to the labels and divided by their number V."""
    classes, labels = each.label_matrix.shape
    mapped = each(probabilities.reshape(-1, classes)).reshape(-1, views, labels)
    if np.isnan(mapped).any():
        with warnings.catch_warnings():
            # An image without any score stays NaN.
            warnings.simplefilter("ignore", RuntimeWarning)
            mapped = np.where(np.isnan(mapped), np.nanmean(mapped, axis=1, keepdims=True), mapped)
    return np.asarray(mapped.reshape(-1, views * labels) / views, np.float64)


def fit_joined_map(
    each: OutputMap,
    probabilities: Floats,
    labels: Ints,
    views: int,
    *,
    families: tuple[Family, ...],
    seed: int = 0,
    weights: Floats | None = None,
) -> JoinedMap:
    """The joined map of least cross-validated log loss; ``each`` is fitted already.

    Args:
        each: of every view by itself.
        probabilities: of the model's classes for all views, ``(N, V * K)``, without NaN.
        labels: true labels ``(N,)``.
        views: V.
        families: candidates for the joint map; the mean of the views always is one.
        seed: of the folds.
        weights: what each image counts ``(N,)``; 1 by default.

    >>> rng = np.random.default_rng(0)
    >>> labels = rng.integers(0, 2, 400)
    >>> margins = (2 * labels - 1)[:, None] + rng.normal(size=(400, 2))  # two views, each with errors of its own
    >>> answers = 1 / (1 + np.exp(2 * np.stack([margins, -margins], axis=2))).reshape(400, 4)
    >>> joined = fit_joined_map(OutputMap(np.eye(2)), answers, labels, 2, families=("scale", "linear"))
    >>> right = [(p.argmax(axis=1) == labels).mean() for p in (answers[:, :2], joined(answers))]
    >>> bool(right[1] > right[0] + 0.05)
    True
    """
    count = each.label_matrix.shape[1]
    matrix = np.tile(np.eye(count), (views, 1))
    means = stacked(each, probabilities, views)
    joint = fit_output_map(means, labels, matrix, weights=weights, families=families, shrinkage=SHRINKAGE, seed=seed)
    return JoinedMap(each, joint)
