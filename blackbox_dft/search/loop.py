"""The loop: the estimator asks, images are drawn and scored, losses are told; then z is chosen on held-back images."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from itertools import count, islice

import numpy as np

from blackbox_dft._utils.hashing import digest
from blackbox_dft._utils.types import Floats, Ints
from blackbox_dft.estimators.base import Estimator, Proposal
from blackbox_dft.objectives.losses import Objective, decide
from blackbox_dft.objectives.outputs import OutputDecoder
from blackbox_dft.scoring.scorer import Scorer, Submission
from blackbox_dft.search.early_stopping import FIRST, EarlyStopping
from blackbox_dft.search.minibatches import ImportanceSampler, StratifiedSampler
from blackbox_dft.search.progress import Point

SEGMENTS = 64
"""The course is remembered as the mean iterate of each of these equal parts of it."""

MOST_TIMES = 16
"""So many times as many where it may end before its limit."""


@dataclass(frozen=True, eq=False)
class Task:
    """What is asked of images and what counts as a good answer."""

    scorer: Scorer
    reading: OutputDecoder
    objective: Objective
    labels: Ints
    """``(N,)``, of all images of the pool."""
    penalty: Callable[[Floats], Floats] = lambda candidates: np.zeros(len(candidates))
    """What each of ``(M, k)`` candidates adds to the loss of every image, ``(M,)``."""

    def probabilities(self, phase: str, indices: Ints, candidates: Floats, rows: Ints | None = None) -> Floats:
        """Probabilities of the labels ``(Q, L)``; arguments as for ``Scorer.score``."""
        return self.reading(self.scorer.score(phase, indices, candidates, rows))


@dataclass(eq=False)
class Trajectory:
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
    early_stopping: EarlyStopping | None = None,
    told: Callable[[Point], None] = lambda point: None,
    watch: Callable[[int], None] = lambda spent: None,
) -> Trajectory:
    """Lets the estimator search on the ``train`` images until its next proposal would pass ``limit`` queries.

    ``in_flight`` proposals of a ``SupportsDelayedTell`` estimator are scored at once: the next one is made before the
    estimator has been told the ``in_flight - 1`` before it. Losses are told in order, whenever scores arrive, so that
    the trajectory is the same each time. ``early_stopping`` ends the search. ``told`` is called after every step,
    ``watch`` after that with the queries spent; it may stop the search by raising.
    """
    # A course that may end early is remembered in finer parts.
    trajectory = Trajectory(
        estimator.best, SEGMENTS * min(MOST_TIMES, 1 + limit // FIRST) if early_stopping else SEGMENTS
    )
    importance = ImportanceSampler(train, task.labels, seed)
    coming = _proposals(task, estimator, StratifiedSampler(train, task.labels, seed), importance, limit)
    flying: deque[tuple[Proposal, Ints, Submission]] = deque()
    spent = 0
    while True:
        for proposal, images in islice(coming, 0 if trajectory.stopped else in_flight - len(flying)):
            asked = task.scorer.submit("tune", images, proposal.candidates, proposal.rows)
            flying.append((proposal, images, asked))
        if not flying:
            return trajectory
        proposal, images, asked = flying.popleft()
        answers = task.reading(task.scorer.result(asked))
        losses = task.objective(answers, task.labels[images]) + task.penalty(proposal.candidates)[proposal.rows]
        if proposal.uneven:
            importance.told(images, answers[np.arange(len(images)), task.labels[images]])
        estimator.tell(proposal, losses)
        if early_stopping:
            early_stopping.tell(proposal, losses, estimator.best)
            trajectory.stopped = early_stopping.enough
        spent += proposal.queries * task.scorer.repeats
        trajectory.visit(estimator.best, spent / limit)
        right = decide(answers) == task.labels[images]
        stand = np.ones(len(images)) if proposal.weights is None else proposal.weights[proposal.slots]
        loss, accuracy = (float(np.average(values, weights=stand)) for values in (losses, right))
        trajectory.points.append(Point(spent, loss, accuracy))
        told(trajectory.points[-1])
        watch(spent)


def _proposals(
    task: Task, estimator: Estimator, draw: StratifiedSampler, importance: ImportanceSampler, limit: int
) -> Iterator[tuple[Proposal, Ints]]:
    """What the estimator asks, and the images of its queries ``(Q,)``, until the next would pass the limit."""
    asked = 0
    for number in count():
        proposal = estimator.ask()
        asked += proposal.queries * task.scorer.repeats
        if asked > limit:
            return
        task.scorer.ledger.check_replay(number, _digest(proposal))
        if proposal.uneven:
            drawn, weights = importance(proposal.images)
            proposal = replace(proposal, weights=weights)
        else:
            drawn = draw(proposal.images)
        yield proposal, drawn[proposal.slots]


def _digest(proposal: Proposal) -> bytes:
    return digest(proposal.candidates.tobytes(), proposal.rows.tobytes(), proposal.slots.tobytes())
