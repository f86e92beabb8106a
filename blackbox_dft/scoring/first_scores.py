"""First scores: stops a run if nearly none of its first images gets a score, before more of the budget is spent."""

from __future__ import annotations

from blackbox_dft._utils.types import Scores
from blackbox_dft.errors import InputError
from blackbox_dft.objectives.outputs import rows_with_scores

MIN_IMAGES = 8
"""Images that are judged by, at least; their labels alternate, so that a target that knows one label passes."""
MIN_SHARE = 0.05
"""Share of the images that must have a score."""


class NoScoreError(InputError):
    """(Nearly) no image got a score that can be used."""


class FirstScores:
    """Counts the images of the first responses, and those with a score.

    >>> import numpy as np
    >>> first = FirstScores()
    >>> first.add(np.zeros((7, 2), np.float32))
    >>> first.add(np.array([[0.1, 0.9]], np.float32))
    >>> first.images, first.scored, first.enough
    (8, 1, True)
    """

    def __init__(self) -> None:
        self.images = self.scored = 0

    @property
    def enough(self) -> bool:
        """Whether what has come so far says that the target returns scores."""
        return self.scored > 0 and self.scored >= MIN_SHARE * self.images

    def add(self, scores: Scores) -> None:
        """Counts the scores ``(N, K)`` of a response.

        Raises:
            NoScoreError: of at least ``MIN_IMAGES`` images, less than ``MIN_SHARE`` have a score.
        """
        self.images += len(scores)
        self.scored += int(rows_with_scores(scores).sum())
        if self.images >= MIN_IMAGES and not self.enough:
            raise NoScoreError(f"{self.images - self.scored} of the first {self.images} images got no score.")
