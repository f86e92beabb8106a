"""The search loop: the estimator asks, images are drawn and scored, the estimator is told the losses."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby
from typing import NamedTuple

import numpy as np

from blackbox_dft._utils.hashing import digest
from blackbox_dft._utils.types import Bools, Floats, Ints, Scores
from blackbox_dft.estimators.base import Estimator, Proposal, ask_together
from blackbox_dft.objectives.losses import Objective, decide, lacks_score, losses
from blackbox_dft.objectives.outputs import OutputDecoder
from blackbox_dft.scoring.scorer import Scorer, Submission
from blackbox_dft.search.early_stopping import EarlyStopping
from blackbox_dft.search.estimate_accuracy import Measured, TriedCandidates
from blackbox_dft.search.in_flight import FixedInFlight, InFlight
from blackbox_dft.search.minibatches import ImportanceSampler, StratifiedSampler
from blackbox_dft.search.progress import Point

SEGMENTS = 64
"""A trajectory keeps the mean iterate of each of this many equal parts of the search."""
SEGMENT_QUERIES, MAX_SEGMENTS = 32, 1024
"""If the search may stop early, its parts are of this many queries each, whatever its limit, so that a larger budget
changes nothing of a search that stopped; two and two become one when there are more than so many."""


@dataclass(frozen=True, eq=False)
class Task:
    """How a z is judged: scorer, output decoder, objective and labels."""

    scorer: Scorer
    decoder: OutputDecoder
    objective: Objective
    labels: Ints
    """``(N,)``, of all images of the pool."""
    penalty: Callable[[Floats], Floats] = lambda candidates: np.zeros(len(candidates))
    """What each of ``(M, k)`` candidates adds to the loss of every image, ``(M,)``."""

    def probabilities(self, phase: str, indices: Ints, candidates: Floats, rows: Ints | None = None) -> Floats:
        """Probabilities of the labels ``(Q, L)``, NaN for images without a score; arguments as for ``Scorer.score``."""
        return self.decoder(self.scorer.score(phase, indices, candidates, rows))


@dataclass(frozen=True, eq=False)
class ScoredProposal:
    """The scores of one proposal."""

    images: Ints
    """``(Q,)``, as indices into the pool."""
    scores: Scores
    """Raw, ``(Q, K)``."""
    segment: int
    """Part of the search that it belongs to."""
    spread: float
    """Mean squared distance of its candidates from the estimate."""


@dataclass(eq=False)
class Trajectory:
    """Iterates of a search, averaged by segment so that memory stays bounded.

    >>> trajectory = Trajectory(last=np.zeros(1), segments=4)
    >>> for step in range(8):
    ...     trajectory.visit(np.array([float(step)]), segment=step // 2)
    >>> trajectory.average(1 / 4)
    array([6.5])
    """

    last: Floats
    """Last iterate ``(k,)``."""
    segments: int = SEGMENTS
    """Number of equal parts that the whole search is cut into."""
    points: list[Point] = field(default_factory=list)
    """One for each step."""
    stopped: bool = False
    """Whether early stopping ended the search before its limit."""
    scored: list[ScoredProposal] = field(default_factory=list)
    """All scores of the search, for an output map."""
    tried: TriedCandidates | None = None
    """What it tried, for the accuracy of its estimates."""
    _sums: dict[int, tuple[Floats, int]] = field(default_factory=dict)

    def visit(self, z: Floats, segment: int) -> None:
        """Adds the iterate ``z (k,)`` reached in this part of the search."""
        if segment in self._sums:
            total, count = self._sums[segment]
            self._sums[segment] = (total + z, count + 1)
        else:
            self._sums[segment] = (z + 0.0, 1)
        self.last = z

    def join_pairs(self) -> None:
        """Makes each part of two, so that there are half as many.

        >>> trajectory = Trajectory(last=np.zeros(1))
        >>> for segment in range(4):
        ...     trajectory.visit(np.array([float(segment)]), segment)
        >>> trajectory.join_pairs()
        >>> trajectory.stopped = True
        >>> trajectory.average(1 / 2)
        array([2.5])
        """
        joined: dict[int, tuple[Floats, int]] = {}
        for segment, (total, visited) in self._sums.items():
            before, visits = joined.get(segment // 2, (np.zeros_like(total), 0))
            joined[segment // 2] = (before + total, visits + visited)
        self._sums = joined
        self.scored = [replace(one, segment=one.segment // 2) for one in self.scored]

    def squared_distances(self, z: Floats) -> Floats:
        """Mean squared distance of the candidates of each of ``scored`` from ``z (k,)``, ``(P,)``."""
        centres = {segment: float(((total / count - z) ** 2).sum()) for segment, (total, count) in self._sums.items()}
        spreads = [scored.spread for scored in self.scored]
        return np.asarray(np.array([centres[scored.segment] for scored in self.scored]) + np.array(spreads), np.float64)

    def average(self, share: float) -> Floats:
        """Mean iterate ``(k,)`` of the last ``share`` of the search (Polyak and Juditsky 1992)."""
        reached = 1 + max(self._sums, default=0) if self.stopped else self.segments
        kept = [value for segment, value in self._sums.items() if segment >= reached * (1 - share)]
        if not kept:
            return self.last
        return np.asarray(sum(total for total, _ in kept) / sum(count for _, count in kept), np.float64)

    def accuracy_curve(self, measured: Sequence[Measured] = ()) -> Floats:
        """``(P, 4)``: queries, accuracy of the estimate, and both ends of its interval; empty if it is not known."""
        return np.empty((0, 4)) if self.tried is None else self.tried.curve(self.average(1 / 4), measured)


def tune(
    task: Task,
    estimator: Estimator,
    train: Ints,
    *,
    limit: int,
    seed: int,
    in_flight: InFlight | None = None,
    early_stopping: EarlyStopping | None = None,
    tried: TriedCandidates | None = None,
    on_step: Callable[[Point], None] = lambda point: None,
    check_drift: Callable[[int], None] = lambda spent: None,
    check_scores: Callable[[int, Sequence[bytes]], None] = lambda spent, keys: None,
) -> Trajectory:
    """Lets the estimator search on the ``train`` images until its next proposal would exceed ``limit`` queries.

    Losses are told in the order of the proposals, whenever scores arrive, so that the trajectory does not depend on
    time.

    Args:
        task: how candidates are judged.
        estimator: asked and told in turns, in this thread.
        train: images to draw minibatches from ``(N,)``, as indices into the pool.
        limit: tuning queries, repeats included.
        seed: of the draws.
        in_flight: how many proposals are scored at once, one by default; more only for a ``SupportsDelayedTell``
            estimator: it makes the next ones before it is told the losses of those in flight.
        early_stopping: ends the search before the limit.
        tried: is told all candidates, for the accuracy of the estimates.
        on_step: called after every step.
        check_drift: called after that with the queries spent; may end the search by raising.
        check_scores: called with the queries spent and the step's keys before a step is told of which no image has a
            score; may end the search by raising.

    Raises:
        BudgetError: the ledger's budget does not cover it.
        TargetError: the target failed; the scores it gave before are recorded.
        ReplayError: the estimator's proposals are not those of the recorded search.
    """
    in_flight = in_flight or FixedInFlight()
    width = SEGMENT_QUERIES
    trajectory = Trajectory(estimator.best, -(-limit // width) if early_stopping else SEGMENTS, tried=tried)
    proposals = _Proposals(task, estimator, train, seed, limit)
    pending: deque[_Step] = deque()
    spent, ledger = 0, task.scorer.ledger
    sent = ledger.total
    while True:
        while not trajectory.stopped and (room := in_flight.room(len(pending))):
            if not (steps := proposals.next(room)):
                break
            pending.extend(_submit(task, steps))
        if not pending:
            return trajectory
        step = pending.popleft()
        proposal, images, scored = step.proposal, step.images, step.scored(task)
        if step.group.any_missing and scored.missing.all():
            check_scores(spent, step.keys)
        if proposal.uneven:
            proposals.importance.update(images, scored.of_label)
        centre, loss = estimator.best, scored.losses
        estimator.tell(proposal, loss)
        if early_stopping:
            early_stopping.tell(proposal, loss)
            trajectory.stopped = early_stopping.should_stop
        queries = proposal.queries * task.scorer.repeats
        in_flight.step(queries, ledger.total - sent)
        spent, sent = spent + queries, ledger.total
        while early_stopping and spent > width * MAX_SEGMENTS:
            trajectory.join_pairs()
            width *= 2
            trajectory.segments = -(-limit // width)
        segment = (spent - 1) // width if early_stopping else min(SEGMENTS - 1, int(spent / limit * SEGMENTS))
        best = estimator.best
        trajectory.visit(best, segment)
        away = (proposal.candidates - centre).ravel()
        spread = float(away @ away) / len(proposal.candidates)
        trajectory.scored.append(ScoredProposal(images, scored.raw, segment, spread))
        if tried:
            tried.add(spent, proposal, images, scored.right, centre, best)
        mean_loss, accuracy = _means(proposal, loss, scored.right)
        trajectory.points.append(Point(spent, mean_loss, accuracy))
        on_step(trajectory.points[-1])
        check_drift(spent)


class _Scored(NamedTuple):
    """What the losses of queries follow from, and the losses; the first axis is that of the queries."""

    raw: Scores
    missing: Bools
    """Whether there is no score."""
    losses: Floats
    of_label: Floats
    """Probability of the true label; 0 without a score, which counts as surely wrong, as in the loss."""
    right: Bools


@dataclass(eq=False)
class _Group:
    """Queries of steps that were submitted as one."""

    images: Ints
    candidates: Floats
    rows: Ints
    submission: Submission
    scored: _Scored | None = None
    """Once the first step is told."""
    any_missing: bool = False
    """Whether any of them has no score."""

    def score(self, task: Task) -> _Scored:
        """Waits for the scores, the first time."""
        if self.scored is None:
            raw = task.scorer.result(self.submission)
            probabilities, labels = task.decoder(raw), task.labels[self.images]
            loss = losses(task.objective, probabilities, labels) + task.penalty(self.candidates)[self.rows]
            of_label, missing = probabilities[np.arange(len(labels)), labels], lacks_score(probabilities)
            if missing.any():
                self.any_missing, of_label = True, np.nan_to_num(of_label, nan=0.0)
            self.scored = _Scored(raw, missing, loss, of_label, decide(probabilities) == labels)
        return self.scored


@dataclass(frozen=True, eq=False)
class _Step:
    """A proposal in flight."""

    proposal: Proposal
    images: Ints
    """Of its queries ``(Q,)``."""
    group: _Group
    place: slice
    """Of its queries in the group."""

    def scored(self, task: Task) -> _Scored:
        """Waits for the scores of its group."""
        raw, missing, loss, of_label, right = self.group.score(task)
        at = self.place
        return _Scored(raw[at], missing[at], loss[at], of_label[at], right[at])

    @property
    def keys(self) -> list[bytes]:
        """In the ledger, of its queries and their repeats."""
        keys, count = self.group.submission.keys, len(self.group.images)
        return [key for first in range(0, len(keys), count) for key in keys[first : first + count][self.place]]


def _submit(task: Task, steps: Sequence[tuple[Proposal, Ints]]) -> list[_Step]:
    """Submits the queries of several steps as one, so that they are cut into as few requests as they fill."""
    if len(steps) == 1:
        ((proposal, images),) = steps
        submission = task.scorer.submit("tune", images, proposal.candidates, proposal.rows)
        group = _Group(images, proposal.candidates, proposal.rows, submission)
        return [_Step(proposal, images, group, slice(0, proposal.queries))]
    proposals = [proposal for proposal, _ in steps]
    firsts = np.cumsum([0, *(len(proposal.candidates) for proposal in proposals[:-1])])
    images = np.concatenate([images for _, images in steps])
    candidates = np.concatenate([proposal.candidates for proposal in proposals])
    rows = np.concatenate([proposal.rows + first for proposal, first in zip(proposals, firsts, strict=True)])
    group = _Group(images, candidates, rows, task.scorer.submit("tune", images, candidates, rows))
    ends = np.cumsum([proposal.queries for proposal in proposals]).tolist()
    return [
        _Step(proposal, own, group, slice(end - proposal.queries, end))
        for (proposal, own), end in zip(steps, ends, strict=True)
    ]


def _means(proposal: Proposal, loss: Floats, right: Bools) -> tuple[float, float]:
    """Mean loss and accuracy of a proposal's queries, by the weights of its images."""
    if proposal.weights is None:
        return float(loss.mean()), float(right.mean())
    weights = proposal.weights[proposal.slots]
    total = float(weights.sum())
    return float(loss @ weights) / total, float(right @ weights) / total


class _Proposals:
    """Proposals, and the images of their queries, until the next would exceed the limit."""

    def __init__(self, task: Task, estimator: Estimator, train: Ints, seed: int, limit: int) -> None:
        self.importance = ImportanceSampler(train, task.labels, seed)
        self._stratified = StratifiedSampler(train, task.labels, seed)
        self._task, self._estimator = task, estimator
        self._left, self._number = limit, 0

    def next(self, count: int) -> list[tuple[Proposal, Ints]]:
        """The next ``count``, or as many as the limit leaves; images are those of the queries ``(Q,)``."""
        if self._left < 0:
            return []
        proposals = []
        for proposal in ask_together(self._estimator, count):
            self._left -= proposal.queries * self._task.scorer.repeats
            if self._left < 0:
                break
            proposals.append(proposal)
            self._task.scorer.ledger.check_replay(self._number, _digest(proposal))
            self._number += 1
        found: list[tuple[Proposal, Ints]] = []
        for (uneven, images), alike in groupby(proposals, lambda proposal: (proposal.uneven, proposal.images)):
            found += self._drawn(list(alike), images, uneven)
        return found

    def _drawn(self, proposals: Sequence[Proposal], count: int, uneven: bool) -> list[tuple[Proposal, Ints]]:
        """Images for proposals that need ``count`` each."""
        if not uneven:
            return [(proposal, self._stratified(count)[proposal.slots]) for proposal in proposals]
        images, weights = self.importance.draw(count, len(proposals))
        return [
            (proposal.weighted(weights[number]), images[number][proposal.slots])
            for number, proposal in enumerate(proposals)
        ]


def _digest(proposal: Proposal) -> bytes:
    return digest(proposal.candidates.tobytes(), proposal.rows.tobytes(), proposal.slots.tobytes())
