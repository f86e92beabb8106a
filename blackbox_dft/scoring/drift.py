"""Drift check on 4 fixed images: scores them again during the search, to notice that the model behind a URL changed."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from blackbox_dft._utils.types import Floats, Ints
from blackbox_dft.errors import DriftError, TargetError
from blackbox_dft.objectives.outputs import rows_with_scores
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
        images: indices into the pool ``(N,)``, of images that have a score; the first ``IMAGES`` are used.
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
        self._doubted = -1
        """Tenth of the search in which a step without a score was last followed up."""
        self._first = scorer.score("watch", self.images, identity)
        again = self._score_again()
        both = rows_with_scores(self._first) & rows_with_scores(again)
        noise = float(np.abs(again - self._first)[both].max(initial=0.0))
        spread = float(np.ptp(self._first[both])) if both.any() else 0.0
        spread = spread or 1.0
        self.tolerance = max(TOLERATED_SHARE * spread, TOLERATED_NOISE * noise)
        """The most that a score may move."""

    def __call__(self, spent: int) -> None:
        """Checks the scores if the search, which has ``spent`` queries, has passed another tenth.

        Raises:
            DriftError: the scores have moved by more than ``tolerance``, unless that is accepted.
        """
        if spent < self.every * self._repetition or self._repetition > CHECKS:
            return
        self.moved = max(self.moved, self._movement(self._scores_now(spent)))
        if self.moved > self.tolerance and not self.accept:
            how = f"moved by up to {self.moved:.3g} (more than {self.tolerance:.3g})"
            raise DriftError(
                f"the model behind {self.scorer.target.name} has changed: after {spent:,} queries the scores of "
                f"{len(self.images)} fixed images {how if math.isfinite(self.moved) else 'went missing or came back'}; "
                "start a new run, or accept it with --accept-drift"
            )

    def check_scores(self, spent: int, doubted: Sequence[bytes]) -> None:
        """Checks whether the target still returns scores, after a step of the search in which no image got one.

        Args:
            spent: queries of the search.
            doubted: keys of the step, whose scores are taken back in the ledger if the fixed images have none either.

        Raises:
            TargetError: none of the fixed images, which had scores, has one now.
        """
        tenth = spent // self.every
        # Once in a tenth, as an image may lose its score under z again and again.
        if self._repetition <= CHECKS and tenth > self._doubted:
            self._doubted = tenth
            self._scores_now(spent, doubted)

    def _scores_now(self, spent: int, doubted: Sequence[bytes] = ()) -> Floats:
        scores = self._score_again()
        if rows_with_scores(self._first).any() and not rows_with_scores(scores).any():
            # A resumed run scores them again.
            keys = self.scorer.keys(self.images, self.identity, again=self._repetition - 1)
            self.scorer.ledger.forget_scoreless([*doubted, *keys])
            raise TargetError(
                f"{self.scorer.target.name} no longer returns scores: after {spent:,} queries none of "
                f"{len(self.images)} unchanged images has one, and all had; see what it returns with 'bbdft inspect'"
            )
        return scores

    def _movement(self, again: Floats) -> float:
        """The most that a score has moved; infinite if an image lost its score, or got one."""
        before, now = rows_with_scores(self._first), rows_with_scores(again)
        if (before != now).any():
            return math.inf
        return float(np.abs(again - self._first)[before].max(initial=0.0))

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
