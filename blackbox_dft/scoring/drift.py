"""Drift check on 4 fixed images: scores them again during the search, to notice that the model behind a URL changed."""

from __future__ import annotations

import numpy as np

from blackbox_dft._utils.types import Floats, Ints
from blackbox_dft.errors import DriftError
from blackbox_dft.scoring.scorer import Scorer

IMAGES = 4
CHECKS = 10
"""Times the images are scored again: before the search, for the noise of the scores, then at its 2nd to last tenth."""
TOLERATED_SHARE = 0.02
"""Of the range of the scores: what may move without a change (rounding, another batch, other hardware)."""
TOLERATED_NOISE = 5.0
"""And this many times what the first repetition moved."""


class DriftCheck:
    """Scores ``IMAGES`` unchanged images again after each tenth of a search from the second on, in phase ``watch``.

    Args:
        scorer: of the run.
        images: indices into the pool ``(N,)``; the first ``IMAGES`` are used.
        identity: the z ``(k,)`` that changes nothing.
        limit: tuning queries of the search.
        accept: go on although the scores have moved.
    """

    def __init__(self, scorer: Scorer, images: Ints, identity: Floats, limit: int, *, accept: bool) -> None:
        self.scorer, self.images, self.identity = scorer, images[:IMAGES], identity
        self.every = max(1, limit // CHECKS)
        self.accept = accept
        self.moved = 0.0
        """The most that a score has moved."""
        self._repetition = 1
        self._first = scorer.score("watch", self.images, identity)
        noise = float(np.abs(self._score_again() - self._first).max())
        spread = float(np.ptp(self._first)) or 1.0
        self.tolerance = max(TOLERATED_SHARE * spread, TOLERATED_NOISE * noise)
        """The most that a score may move."""

    def __call__(self, spent: int) -> None:
        """Checks the scores if the search, which has ``spent`` queries, has passed another tenth.

        Raises:
            DriftError: the scores have moved by more than ``tolerance``, unless that is accepted.
        """
        if spent < self.every * self._repetition or self._repetition > CHECKS:
            return
        self.moved = max(self.moved, float(np.abs(self._score_again() - self._first).max()))
        if self.moved > self.tolerance and not self.accept:
            raise DriftError(
                f"the model behind {self.scorer.target.name} has changed: after {spent:,} queries the scores of "
                f"{len(self.images)} fixed images moved by up to {self.moved:.3g} (more than {self.tolerance:.3g}); "
                "start a new run, or accept it with --accept-drift"
            )

    def _score_again(self) -> Floats:
        scores = self.scorer.score("watch", self.images, self.identity, again=self._repetition)
        self._repetition += 1
        return np.asarray(scores, np.float64)


def queries() -> int:
    """Queries that a plan sets aside for a drift check, no less than it needs, repeats not counted.

    >>> queries()
    44
    """
    return IMAGES * (CHECKS + 1)
