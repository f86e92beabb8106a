"""Antithetic pairs: two candidates on either side of a centre, shown one image; their losses give a slope."""

from __future__ import annotations

import numpy as np

from blackbox_dft._utils.types import Floats
from blackbox_dft.estimators.base import Proposal


def around(centre: Floats, offsets: Floats, lower: Floats, upper: Floats, *, crossed: bool = False) -> Proposal:
    """Candidates ``centre + offsets (P, k)``, then ``centre - offsets``, clipped to their bounds.

    Pair p meets image p, both halves the same one; ``crossed`` asks for one pair only, on P images at once.
    """
    count = len(offsets)
    used = offsets[:1] if crossed else offsets
    candidates = np.clip(np.concatenate([centre + used, centre - used]), lower, upper)
    if crossed:
        return Proposal.crossed(candidates, count)
    return Proposal.paired(candidates, np.tile(np.arange(count), 2))


def slopes(proposal: Proposal, losses: Floats) -> tuple[Floats, Floats]:
    """Loss differences ``(P,)`` and the candidate differences ``(P, k)`` that caused them; one of each if crossed."""
    half = len(proposal.candidates) // 2
    spans = proposal.candidates[:half] - proposal.candidates[half:]
    differences = losses[: len(losses) // 2] - losses[len(losses) // 2 :]
    if half == 1 and len(differences) > 1:
        differences = differences.mean(keepdims=True)
    return np.asarray(differences, np.float64), spans
