"""How the scores of repeated queries are merged."""

import numpy as np

from blackbox_dft.objectives.repeats import merge_repeats


def test_repeats_are_merged() -> None:
    scores = np.float32([[[0.2, 0.8], [1, 0]], [[0.4, 0.6], [0, 1]]])
    np.testing.assert_allclose(merge_repeats(scores), [[0.3, 0.7], [0.5, 0.5]], rtol=1e-6)
    # Class indices have no mean: the most frequent wins, of equally frequent ones the earliest.
    votes = np.float32([[[0], [2], [5]], [[3], [2], [1]], [[3], [7], [0]]])
    assert merge_repeats(votes).tolist() == [[3], [2], [5]]
    np.testing.assert_allclose(merge_repeats(np.float32([[[0.0]], [[0.5]]])), [[0.25]])


def test_repeats_without_a_score_are_left_out_of_the_mean_and_the_vote() -> None:
    nan = np.nan
    found = merge_repeats(np.float32([[[0.2, 0.8], [nan, nan]], [[0, 0], [nan, 0.5]], [[0.4, 0.6], [nan, nan]]]))
    np.testing.assert_allclose(found, [[0.3, 0.7], [nan, nan]], rtol=1e-6)
    votes = np.float32([[[nan], [nan]], [[5], [nan]], [[3], [nan]], [[3], [nan]]])
    np.testing.assert_array_equal(merge_repeats(votes), [[3], [nan]])
