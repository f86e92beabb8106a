"""The loop: the estimator asks, images are drawn and scored, losses are told; then z is chosen on held-back images."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from itertools import count, islice

import numpy as np

from blackbox_dft.arrays import Floats, Ints
from blackbox_dft.estimators.base import Estimator, Proposal
from blackbox_dft.ledger import digest
from blackbox_dft.objectives import Objective, decide
from blackbox_dft.progress import Point
from blackbox_dft.reading import Reading
from blackbox_dft.sampling import Draw, Telling
from blackbox_dft.scoring import Asked, Scorer
from blackbox_dft.spaces.compose import Composed
from blackbox_dft.stopping import FIRST, Stillness

IDENTITY, LATE = "identity", "mean of the last quarter"
LIKELY = 1.0
"""Standard errors that the gains of loss and of accuracy on the validation images, added up, must exceed."""
PROVEN = 3.0
"""The same where the model under z tells the labels apart no better than chance."""
CHANCE = 2.0
"""Standard errors above chance from which on it tells them apart."""
UNLIKELY = 1.0
"""Standard errors by which one of the two may fall all the same."""
SEGMENTS = 64
"""The course is remembered as the mean iterate of each of these equal parts of it."""
MOST_TIMES = 16
"""So many times as many where it may end before its limit."""


@dataclass(frozen=True, eq=False)
class Task:
    """What is asked of images and what counts as a good answer."""

    scorer: Scorer
    reading: Reading
    objective: Objective
    labels: Ints
    """``(N,)``, of all images of the pool."""
    penalty: Callable[[Floats], Floats] = lambda candidates: np.zeros(len(candidates))
    """What each of ``(M, k)`` candidates adds to the loss of every image, ``(M,)``."""

    def probabilities(self, phase: str, indices: Ints, candidates: Floats, rows: Ints | None = None) -> Floats:
        """Probabilities of the labels ``(Q, L)``; arguments as for ``Scorer.score``."""
        return self.reading(self.scorer.score(phase, indices, candidates, rows))


@dataclass(eq=False)
class Course:
    """Where the search went."""

    last: Floats
    segments: int = SEGMENTS
    """Equal parts that the whole course has."""
    points: list[Point] = field(default_factory=list)
    stopped: bool = False
    """Whether it ended before its limit, as going on promised too little."""
    _sums: dict[int, tuple[Floats, int]] = field(default_factory=dict)

    def visit(self, z: Floats, done: float) -> None:
        """Notes the iterate ``z`` at the share ``done`` of the course."""
        segment = min(self.segments - 1, int(done * self.segments))
        total, count = self._sums.get(segment, (np.zeros_like(z), 0))
        self._sums[segment] = (total + z, count + 1)
        self.last = z

    def average(self, share: float) -> Floats:
        """Mean iterate ``(k,)`` of the last ``share`` of the course (Polyak and Juditsky 1992)."""
        reached = 1 + max(self._sums, default=0) if self.stopped else self.segments
        kept = [value for segment, value in self._sums.items() if segment >= reached * (1 - share)]
        if not kept:
            return self.last
        return np.asarray(sum(total for total, _ in kept) / sum(count for _, count in kept), np.float64)


def tune(
    task: Task,
    estimator: Estimator,
    train: Ints,
    *,
    limit: int,
    seed: int,
    in_flight: int = 1,
    stillness: Stillness | None = None,
    told: Callable[[Point], None] = lambda point: None,
    watch: Callable[[int], None] = lambda spent: None,
) -> Course:
    """Lets the estimator search on the ``train`` images until its next proposal would pass ``limit`` queries.

    ``in_flight`` proposals of a ``Patient`` estimator are asked at once: the next one is made before the estimator has
    been told of the ``in_flight - 1`` before it. They are told in order, whenever they are answered, so that the course
    is the same each time. ``stillness`` ends the search when it has had enough. ``told`` hears of every step, ``watch``
    is called with the queries spent after it and may stop the search.
    """
    # A course that may end early is remembered in finer parts.
    course = Course(estimator.best, SEGMENTS * min(MOST_TIMES, 1 + limit // FIRST) if stillness else SEGMENTS)
    telling = Telling(train, task.labels, seed)
    coming = _proposals(task, estimator, Draw(train, task.labels, seed), telling, limit)
    flying: deque[tuple[Proposal, Ints, Asked]] = deque()
    spent = 0
    while True:
        for proposal, images in islice(coming, 0 if course.stopped else in_flight - len(flying)):
            asked = task.scorer.begin("tune", images, proposal.candidates, proposal.rows)
            flying.append((proposal, images, asked))
        if not flying:
            return course
        proposal, images, asked = flying.popleft()
        answers = task.reading(task.scorer.answers(asked))
        losses = task.objective(answers, task.labels[images]) + task.penalty(proposal.candidates)[proposal.rows]
        if proposal.uneven:
            telling.told(images, answers[np.arange(len(images)), task.labels[images]])
        estimator.tell(proposal, losses)
        if stillness:
            stillness.tell(proposal, losses, estimator.best)
            course.stopped = stillness.enough
        spent += proposal.queries * task.scorer.repeats
        course.visit(estimator.best, spent / limit)
        right = decide(answers) == task.labels[images]
        stand = np.ones(len(images)) if proposal.weights is None else proposal.weights[proposal.slots]
        loss, accuracy = (float(np.average(values, weights=stand)) for values in (losses, right))
        course.points.append(Point(spent, loss, accuracy))
        told(course.points[-1])
        watch(spent)


def _proposals(
    task: Task, estimator: Estimator, draw: Draw, telling: Telling, limit: int
) -> Iterator[tuple[Proposal, Ints]]:
    """What the estimator asks, and the images of its queries ``(Q,)``, until the next would pass the limit."""
    asked = 0
    for number in count():
        proposal = estimator.ask()
        asked += proposal.queries * task.scorer.repeats
        if asked > limit:
            return
        task.scorer.ledger.check(number, _digest(proposal))
        if proposal.uneven:
            drawn, weights = telling(proposal.images)
            proposal = replace(proposal, weights=weights)
        else:
            drawn = draw(proposal.images)
        yield proposal, drawn[proposal.slots]


def _digest(proposal: Proposal) -> bytes:
    return digest(proposal.candidates.tobytes(), proposal.rows.tobytes(), proposal.slots.tobytes())


@dataclass(frozen=True, eq=False)
class Choice:
    """The z that is kept, and why."""

    name: str
    z: Floats
    losses: dict[str, float]
    """Mean validation loss of every candidate."""
    accuracies: dict[str, float]


def select(task: Task, course: Course, val: Ints, identity: Floats) -> Choice:
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
        LATE: course.average(1 / 4),
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
class Part:
    """What one part of a composed space does: how much better it is with it than without."""

    name: str
    accuracy: Floats
    """Right with it less right without it ``(N,)``, on validation images."""


def part_by_part(task: Task, space: Composed, z: Floats, val: Ints) -> list[Part]:
    """Puts one part of ``z`` after the other to rest, on the ``val`` images."""
    labels = task.labels[val]

    def right(candidate: Floats) -> Floats:
        return np.asarray(decide(task.probabilities("select", val, candidate)) == labels, np.float64)

    whole, numbers = right(z), range(len(space.parts))
    return [
        Part(part.spec, whole - right(space.rest(z, [n for n in numbers if n != out])))
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
