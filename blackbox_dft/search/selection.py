"""Which z is kept, by held-back images; and what each part of a space does."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from blackbox_dft._utils.types import Floats, Ints
from blackbox_dft.objectives.losses import decide
from blackbox_dft.search.loop import Task, Trajectory
from blackbox_dft.spaces.composed import Composed

IDENTITY, LATE = "identity", "mean of the last quarter"

LIKELY = 1.0
"""Standard errors that the gains of loss and of accuracy on the validation images, added up, must exceed."""

PROVEN = 3.0
"""The same where the model under z tells the labels apart no better than chance."""

CHANCE = 2.0
"""Standard errors above chance from which on it tells them apart."""

UNLIKELY = 1.0
"""Standard errors by which one of the two may fall all the same."""


@dataclass(frozen=True, eq=False)
class Choice:
    """The z that is kept, and why."""

    name: str
    z: Floats
    losses: dict[str, float]
    """Mean validation loss of every candidate."""
    accuracies: dict[str, float]


def select(task: Task, trajectory: Trajectory, val: Ints, identity: Floats) -> Choice:
    """Keeps the mean of the course's last quarter, or the identity, by the paired differences on the ``val`` images.

    The mean is kept where loss and accuracy together speak for it: their gains, each in its own standard errors, add
    up to more than ``LIKELY``, and neither is a loss of more than ``UNLIKELY``. They are not alike, as loss sees how
    sure the model is, and tell more together than either. That is lenient: whether the gain is real is for the test
    images to say, and a few dozen validation images that are asked to prove it throw away half of what is worth
    keeping. Where the answers under z have nothing to do with the labels, the gain is most likely noise, and has to be
    ``PROVEN``.
    """
    candidates = {
        IDENTITY: identity,
        LATE: trajectory.average(1 / 4),
    }
    labels = task.labels[val]
    answers = {name: task.probabilities("select", val, z) for name, z in candidates.items()}
    each = {name: task.objective(answers[name], labels) + task.penalty(z[None]) for name, z in candidates.items()}
    right = {name: (decide(found) == labels).astype(np.float64) for name, found in answers.items()}
    losses = {name: float(found.mean()) for name, found in each.items()}
    accuracies = {name: float(found.mean()) for name, found in right.items()}
    gains = _error(each[IDENTITY] - each[LATE]), _error(right[LATE] - right[IDENTITY])
    needed = LIKELY if _tells(answers[LATE], labels) else PROVEN
    kept = sum(gains) > needed and min(gains) >= -UNLIKELY
    best = LATE if kept else IDENTITY
    return Choice(best, candidates[best], losses, accuracies)


@dataclass(frozen=True, eq=False)
class PartGain:
    """What one part of a composed space does: how much better it is with it than without."""

    name: str
    accuracy: Floats
    """Right with it less right without it ``(N,)``, on validation images."""


def part_by_part(task: Task, space: Composed, z: Floats, val: Ints) -> list[PartGain]:
    """Puts one part of ``z`` after the other to rest, on the ``val`` images."""
    labels = task.labels[val]

    def right(candidate: Floats) -> Floats:
        return np.asarray(decide(task.probabilities("select", val, candidate)) == labels, np.float64)

    whole, numbers = right(z), range(len(space.parts))
    return [
        PartGain(part.spec, whole - right(space.rest(z, [n for n in numbers if n != out])))
        for out, part in enumerate(space.parts)
    ]


def _tells(probabilities: Floats, labels: Ints) -> bool:
    """Whether ``probabilities (N, L)`` tell the labels apart better than by chance.

    The mean probabilities of each label on its own images add up to 1 where they have nothing to do with labels (Youden
    1950, of probabilities instead of decisions), whatever the model prefers and however many images a label has.
    """
    groups = [probabilities[labels == label, label] for label in np.unique(labels)]
    above = sum(float(group.mean()) for group in groups) - 1
    return above > CHANCE * math.sqrt(sum(float(group.var()) / len(group) for group in groups))


def _error(gains: Floats) -> float:
    """The mean of paired ``gains (N,)`` in its standard errors; 0 where nothing changed."""
    mean, spread = float(gains.mean()), float(gains.std())
    # All alike: certain, unless nothing changed at all.
    return mean / max(spread, 1e-12) * math.sqrt(len(gains))
