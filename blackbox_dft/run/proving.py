"""The sequential proof of a run: held-out images are scored before and after, a few at a time, until it is decided."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from blackbox_dft._utils.types import Floats, Ints, Scores
from blackbox_dft.evaluation.metric import ACCURACY, ProvableMetric
from blackbox_dft.evaluation.proof import Proof
from blackbox_dft.search.loop import Task

STEP = 16
"""Draws scored at once, at first: fewer would make a target that takes many images at once wait."""
STEP_SHARE = 0.0625
"""Later this share of the draws so far, so that at most as much is scored beyond the decision."""
FUTILE_POINTS = 1.0
"""Without ``--precision``: a proof also ends once a gain of more than so many points is not plausible."""


@dataclass(frozen=True, eq=False)
class Proven:
    """A proof and the images it took."""

    proof: Proof
    images: Ints
    """``(N,)``, as indices into the pool, in the order of their draws."""
    before: Scores
    """Raw scores ``(N, K)`` of the unchanged images."""
    after: Scores
    """The same of the changed images; of V views ``(N, V * K)``."""


def prove(
    before: Task,
    after: Task,
    identity: Floats,
    views: Sequence[Floats],
    draws: Sequence[Ints],
    *,
    precision: float | None = None,
    metric: ProvableMetric = ACCURACY,
    whole: int = 1,
    check: Callable[[Ints, Scores, Scores], None] = lambda images, before, after: None,
) -> Proven:
    """Scores ``draws`` under the identity and under all views until the gain is decided, or images or budget end.

    Args:
        before: how unchanged images are decided.
        after: how changed images are decided, with their output map.
        identity: the z ``(k,)`` that changes nothing.
        views: z ``(k,)`` alone, or several of ``score_views``, z the first.
        draws: images of each draw, as indices into the pool, in the order in which they are taken.
        precision: go on until the interval is as narrow as +- so many points, even if the gain is decided before; of a
            cost, hundredths of the greatest difference that an image can make.
        metric: whose gain is proven.
        whole: draws of a round, one of each label, after which the proof may be looked at.
        check: called with all images and their raw scores before and after, after each step; may raise.

    Raises:
        TargetError: the target failed; the scores it gave before are recorded.
    """
    scorer, labels, proof = before.scorer, before.labels, Proof(bound=metric.bound, round=whole)
    images = np.empty(0, np.int64)
    raw: tuple[list[Scores], list[Scores]] = ([], [])
    taken = 0
    while taken < len(draws) and not _ended(proof, precision):
        count = max(STEP, int(STEP_SHARE * taken))
        step = draws[taken : taken + whole * -(-count // whole)]
        while step and scorer.unrecorded(np.concatenate(step), [identity, *views]) > scorer.ledger.remaining:
            step = step[:-whole]
        if not step:
            break
        new = np.concatenate(step)
        submitted = [scorer.submit("evaluate", new, each) for each in (identity, views[0])]
        unchanged, first = (scorer.result(submission) for submission in submitted)
        scores = [unchanged, np.hstack([first, *(scorer.score("evaluate", new, view) for view in views[1:])])]
        for found, more in zip(raw, scores, strict=True):
            found.append(more)
        images, taken = np.concatenate([images, new]), taken + len(step)
        check(images, np.concatenate(raw[0]), np.concatenate(raw[1]))
        measured = [
            metric.of_images(task.decoder(found), labels[new])
            for task, found in zip((before, after), scores, strict=True)
        ]
        ends = np.cumsum([len(draw) for draw in step])[:-1]
        proof.add(float(part.mean()) for part in np.split(measured[1] - measured[0], ends))
    return Proven(proof, images, np.concatenate(raw[0]), np.concatenate(raw[1]))


def _ended(proof: Proof, precision: float | None) -> bool:
    if precision is not None:
        return 100 * proof.half_width <= precision * proof.bound
    return proof.decided_at is not None or not proof.plausible(FUTILE_POINTS / 100 * proof.bound)
