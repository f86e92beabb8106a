"""Scores of the same query several times, as one."""

from __future__ import annotations

import numpy as np

from blackbox_dft._utils.types import Scores
from blackbox_dft.objectives.outputs import rows_with_scores


def merge_repeats(scores: Scores) -> Scores:
    """Scores ``(R, Q, K)`` of R repeats as one ``(Q, K)``: their mean.

    Class indices (one column of whole numbers) are put to the vote; of equally frequent ones the earliest wins. Repeats
    without a score are left out; a query has none if no repeat has one.
    """
    found = rows_with_scores(scores.reshape(-1, scores.shape[2])).reshape(scores.shape[:2])
    first = scores[..., 0]
    if scores.shape[2] == 1 and len(scores) and bool(((first == np.rint(first)) & (first >= 0) | ~found).all()):
        votes = (first[:, None] == first[None]).sum(axis=1)
        return np.take_along_axis(first, votes.argmax(axis=0)[None], axis=0).reshape(-1, 1)
    if found.all():
        return np.asarray(scores.mean(axis=0, dtype=np.float64), np.float32)
    count = found.sum(axis=0)[:, None]
    total = np.where(found[..., None], scores, 0).sum(axis=0, dtype=np.float64)
    return np.asarray(np.where(count, total / np.maximum(count, 1), scores[0]), np.float32)
