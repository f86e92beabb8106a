"""Start and bounds of a search."""

import numpy as np
import pytest

from blackbox_dft.estimators import SearchSpace


def test_ranged_needs_both_bounds_and_clip_moves_inside() -> None:
    space = SearchSpace(np.zeros(4), np.array([-1, -np.inf, -1, -np.inf]), np.array([2, 2, np.inf, np.inf]))
    np.testing.assert_array_equal(space.ranged, [True, False, False, False])
    np.testing.assert_array_equal(space.clip(np.full(4, -5.0)), [-1, -5, -1, -5])
    np.testing.assert_array_equal(space.clip(np.full((2, 4), 5.0)), [[2, 2, 5, 5]] * 2)
    assert space.size == 4


def test_vectors_of_different_lengths_are_refused() -> None:
    with pytest.raises(ValueError, match="vectors of one length"):
        SearchSpace(np.zeros(2), np.zeros(2), np.zeros(3))
