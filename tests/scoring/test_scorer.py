"""Scorer: how the scores of repeated queries are merged."""

import numpy as np

from blackbox_dft.scoring.scorer import merge_repeats


def test_repeats_are_merged() -> None:
    scores = np.float32([[[0.2, 0.8], [1, 0]], [[0.4, 0.6], [0, 1]]])
    np.testing.assert_allclose(merge_repeats(scores), [[0.3, 0.7], [0.5, 0.5]], rtol=1e-6)
    # Class indices have no mean: the most frequent wins, of equally frequent ones the earliest.
    votes = np.float32([[[0], [2], [5]], [[3], [2], [1]], [[3], [7], [0]]])
    assert merge_repeats(votes).tolist() == [[3], [2], [5]]
    np.testing.assert_allclose(merge_repeats(np.float32([[[0.0]], [[0.5]]])), [[0.25]])
