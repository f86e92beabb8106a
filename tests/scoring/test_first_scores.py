"""First scores: from how many images without a score on a run is stopped."""

import numpy as np
import pytest

from blackbox_dft._utils.types import Scores
from blackbox_dft.scoring.first_scores import MIN_IMAGES, MIN_SHARE, FirstScores, NoScoreError

WITH, WITHOUT = np.array([[0.1, 0.9]], np.float32), np.zeros((1, 2), np.float32)


def add(first: FirstScores, scores: Scores, times: int) -> None:
    for _ in range(times):
        first.add(scores)


def test_eight_images_without_a_score_end_a_run() -> None:
    assert (MIN_IMAGES, MIN_SHARE) == (8, 0.05)
    first = FirstScores()
    add(first, WITHOUT, 7)
    assert not first.enough
    with pytest.raises(NoScoreError, match="8 of the first 8 images"):
        first.add(WITHOUT)


def test_one_score_in_twenty_is_enough() -> None:
    first = FirstScores()
    first.add(WITH)
    assert first.enough
    add(first, WITHOUT, 19)
    with pytest.raises(NoScoreError, match="20 of the first 21 images"):
        first.add(WITHOUT)


@pytest.mark.parametrize("value", [np.nan, np.inf, 0.0])
def test_a_batch_is_judged_at_once(value: float) -> None:
    with pytest.raises(NoScoreError):
        FirstScores().add(np.full((64, 3), value, np.float32))


def test_a_single_output_of_zero_is_a_score() -> None:
    first = FirstScores()
    first.add(np.zeros((64, 1), np.float32))
    assert first.enough
