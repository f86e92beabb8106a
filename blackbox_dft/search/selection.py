"""Selection on validation images: keeps the tuned z or the identity; and the gain of each part of a composed space."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from blackbox_dft._utils.types import Floats, Ints
from blackbox_dft.evaluation.metric import ACCURACY, Metric
from blackbox_dft.objectives.losses import losses
from blackbox_dft.objectives.output_map import OutputMap
from blackbox_dft.search.loop import Task, Trajectory
from blackbox_dft.spaces.composed import Composed

IDENTITY, LAST_QUARTER = "identity", "mean of the last quarter"

MIN_GAIN = 1.0
"""Standard errors that the gains of loss and of metric on the validation images, added up, must exceed."""
MIN_GAIN_AT_CHANCE = 3.0
"""The same if the model under z tells the labels apart no better than chance."""
MAX_FALL = 1.0
"""Standard errors by which one of the two, loss or metric, may get worse."""
FEW_IMAGES = 4
"""A label with fewer images says too little of how much its probabilities vary: that of all images is taken."""
MIN_ABOVE_CHANCE = 2.0
"""Standard errors above chance from which on the model tells the labels apart."""


@dataclass(frozen=True, eq=False)
class Selection:
    """The z that is kept, and why."""

    name: str
    """``identity`` or ``mean of the last quarter``."""
    z: Floats
    """``(k,)``."""
    losses: dict[str, float]
    """Mean validation loss of every candidate."""
    accuracies: dict[str, float]
    """The metric on the validation images of every candidate: accuracy, or another one; a cost is negative."""
    output_map: OutputMap | None = None
    """What is kept with z, if anything."""


def select(task: Task, trajectory: Trajectory, val: Ints, identity: Floats, metric: Metric = ACCURACY) -> Selection:
    """Keeps the mean iterate of the search's last quarter, or the identity, by paired differences on ``val`` images.

    The mean iterate is kept if loss and metric together are better under it: their gains, each in its own standard
    errors, add up to more than ``MIN_GAIN``, and neither falls by more than ``MAX_FALL``. Loss sees how sure the model
    is, so the two say more together than either alone. That is lenient: whether the gain is real is for the test images
    to decide, and to demand a proof on a few dozen validation images would throw away half of what is worth keeping. If
    the scores under z have nothing to do with the labels, the gain is most likely noise, and must exceed
    ``MIN_GAIN_AT_CHANCE``.

    Args:
        task: how candidates are judged.
        trajectory: of a finished search.
        val: validation images ``(N,)``, as indices into the pool; they cost ``2 N`` queries in the phase ``select``.
        identity: the z ``(k,)`` that changes nothing.
        metric: what candidates are chosen by, beside the loss, whose images are weighted as it weighs their errors.
    """
    candidates = {IDENTITY: identity, LAST_QUARTER: trajectory.average(1 / 4)}
    labels = task.labels[val]
    probabilities = {name: task.probabilities("select", val, z) for name, z in candidates.items()}
    weights = metric.image_weights(labels)
    loss = {
        name: weighed(losses(task.objective, probabilities[name], labels), weights) + task.penalty(z[None])
        for name, z in candidates.items()
    }
    measured = {name: metric.contributions(p, labels) for name, p in probabilities.items()}
    gains = (
        in_standard_errors(loss[IDENTITY] - loss[LAST_QUARTER]),
        in_standard_errors(measured[LAST_QUARTER] - measured[IDENTITY]),
    )
    needed = MIN_GAIN if better_than_chance(probabilities[LAST_QUARTER], labels) else MIN_GAIN_AT_CHANCE
    kept = sum(gains) > needed and min(gains) >= -MAX_FALL
    best = LAST_QUARTER if kept else IDENTITY
    return Selection(
        best,
        candidates[best],
        {name: float(values.mean()) for name, values in loss.items()},
        {name: float(values.mean()) for name, values in measured.items()},
    )


@dataclass(frozen=True, eq=False)
class PartGain:
    """What one part of a composed space contributes."""

    name: str
    gains: Floats
    """Of the metric, with the part over without it ``(N,)``: of accuracy each -1, 0 or 1, on validation images."""


def part_gains(task: Task, space: Composed, z: Floats, val: Ints, metric: Metric = ACCURACY) -> list[PartGain]:
    """Sets one part of ``z (k,)`` after the other to the identity, on the ``val (N,)`` images."""
    labels, numbers = task.labels[val], range(len(space.parts))
    without = [space.rest(z, [n for n in numbers if n != out]) for out in numbers]
    whole, *rest = (
        metric.contributions(task.decoder(raw), labels) for raw in task.scorer.score_under("select", val, [z, *without])
    )
    return [PartGain(part.spec, whole - left) for part, left in zip(space.parts, rest, strict=True)]


def better_than_chance(probabilities: Floats, labels: Ints) -> bool:
    """Whether ``probabilities (N, L)`` tell the labels apart better than chance, by ``MIN_ABOVE_CHANCE``.

    The mean probabilities of each label on its own images add up to 1 if they have nothing to do with the labels
    (Youden 1950, of probabilities instead of decisions), whatever the model prefers and however many images a label
    has. An image without a score (a row of NaN) has probability 0.

    >>> labels = np.array([0, 0, 1, 1])
    >>> better_than_chance(np.array([[0.9, 0.1], [0.8, 0.2], [0.4, 0.6], [0.3, 0.7]]), labels)
    True
    >>> better_than_chance(np.array([[0.9, 0.1], [0.8, 0.2], [0.8, 0.2], [0.9, 0.1]]), labels)
    False
    """
    groups = [np.nan_to_num(probabilities[labels == label, label], nan=0.0) for label in np.unique(labels)]
    above = sum(float(group.mean()) for group in groups) - 1
    every = float(np.concatenate(groups).var())
    variances = (float(group.var()) if len(group) >= FEW_IMAGES else every for group in groups)
    return above > MIN_ABOVE_CHANCE * math.sqrt(sum(v / len(g) for v, g in zip(variances, groups, strict=True)))


def weighed(values: Floats, weights: Floats | None) -> Floats:
    """``values (N,)``, each times its weight if there are any."""
    return values if weights is None else values * weights


def in_standard_errors(gains: Floats) -> float:
    """The mean of paired ``gains (N,)`` in its standard errors; 0 if nothing changed."""
    mean, spread = float(gains.mean()), float(gains.std())
    # If all gains are equal the spread is 0: certain, unless all are 0.
    return mean / max(spread, 1e-12) * math.sqrt(len(gains))
