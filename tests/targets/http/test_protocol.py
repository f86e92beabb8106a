"""Scores of a response: what is accepted, and what counts as lost."""

import numpy as np
import pytest

from blackbox_dft.errors import LostAnswer
from blackbox_dft.targets.http.protocol import check_scores


def test_scores_that_are_accepted() -> None:
    scores = check_scores([[0, 1], [0.5, 2]], 2)
    assert scores.dtype == np.float32
    np.testing.assert_array_equal(scores, [[0, 1], [0.5, 2]])
    assert check_scores([1, 2, 3], 3).shape == (3, 1)
    assert check_scores(np.zeros((2, 3, 1, 1)), 2).shape == (2, 3)


@pytest.mark.parametrize(
    ("scores", "count"),
    [
        ([[1, 2]], 2),
        ([[1], [2, 3]], 2),
        (1.0, 1),
        ([], 0),
        ([[]], 1),
        ([["high"]], 1),
        ([[float("nan")]], 1),
        ([[float("inf")]], 1),
        (None, 1),
    ],
)
def test_scores_that_are_lost(scores: object, count: int) -> None:
    with pytest.raises(LostAnswer, match="the server"):
        check_scores(scores, count)
