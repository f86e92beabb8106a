"""Canaries: a few unchanged images asked again now and then, to notice that the model behind a URL has changed."""

from __future__ import annotations

import numpy as np

from blackbox_dft._utils.types import Floats, Ints
from blackbox_dft.errors import TargetError
from blackbox_dft.scoring.scorer import Scorer

IMAGES = 4
CHECKS = 10
"""How often they are asked again during the search; once more before it, to see how far scores move by themselves."""
SHARE = 0.02
"""Of the scores' spread: what may move without anything having changed (rounding, another batch, other hardware)."""
NOISE = 5.0
"""And so many times what the first repetition moved."""


class DriftCheck:
    """Asks ``IMAGES`` images again at every tenth of the search.

    Args:
        images: indices into the pool.
        limit: tuning queries of the search.
        accept: go on although the scores have moved.
    """

    def __init__(self, scorer: Scorer, images: Ints, identity: Floats, limit: int, *, accept: bool) -> None:
        self.scorer, self.images, self.identity = scorer, images[:IMAGES], identity
        self.every = max(1, limit // CHECKS)
        self.accept = accept
        self.moved = 0.0
        """Most that a score has moved."""
        self._asked = 1
        self._first = scorer.score("watch", self.images, identity)
        noise = float(np.abs(self._again() - self._first).max())
        spread = float(np.ptp(self._first)) or 1.0
        self.tolerance = max(SHARE * spread, NOISE * noise)

    def __call__(self, spent: int) -> None:
        """Looks, if another tenth has passed.

        Raises:
            TargetError: the scores have moved.
        """
        if spent < self.every * self._asked or self._asked > CHECKS:
            return
        self.moved = max(self.moved, float(np.abs(self._again() - self._first).max()))
        if self.moved > self.tolerance and not self.accept:
            raise TargetError(
                f"the model behind {self.scorer.target.name} has changed: after {spent:,} queries the scores of "
                f"{len(self.images)} fixed images moved by up to {self.moved:.3g} (more than {self.tolerance:.3g}); "
                "start a new run, or accept it with --accept-drift"
            )

    def _again(self) -> Floats:
        answers = self.scorer.score("watch", self.images, self.identity, again=self._asked)
        self._asked += 1
        return np.asarray(answers, np.float64)


def queries() -> int:
    """What they cost at most; the first look is the unchanged validation images'."""
    return IMAGES * (CHECKS + 1)
