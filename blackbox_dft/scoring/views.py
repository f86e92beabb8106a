"""Scores of images under several views."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from blackbox_dft._utils.types import Floats, Ints, Scores
from blackbox_dft.scoring.scorer import Scorer


def score_views(scorer: Scorer, phase: str, indices: Ints, views: Sequence[Floats]) -> Scores:
    """Raw scores ``(N, V * K)`` of images ``indices (N,)`` under V views; the columns of a view lie side by side.

    Args:
        scorer: of the run.
        phase: of the queries, N a view.
        indices: into the pool.
        views: each a z ``(k,)`` of the run's space or, of an image mirrored or moved first, a ``(5 + k,)`` of
            ``Viewed``.
    """
    # One after the other: see ``ViewBackend``.
    return np.hstack([scorer.score(phase, indices, view) for view in views])
