"""Random search keeps the best candidate of each proposal."""

import numpy as np

from tests.helpers.quadratic import make


def test_the_best_mean_loss_becomes_the_estimate_and_is_scored_again() -> None:
    search = make("random:images=2,population=3", 2)
    first = search.ask()
    np.testing.assert_array_equal(first.candidates[0], [0, 0])
    # Mean losses .5, .4, .2 and .3.
    search.tell(first, np.array([0.5, 0.5, 0.3, 0.5, 0.4, 0.0, 0.3, 0.3]))
    np.testing.assert_array_equal(search.best, first.candidates[2])
    np.testing.assert_array_equal(search.ask().candidates[0], first.candidates[2])
