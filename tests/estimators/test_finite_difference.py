"""Central differences along coordinates and along random directions."""

import numpy as np

from tests.helpers.quadratic import make


def test_every_coordinate_comes_once_in_a_round() -> None:
    proposal = make("finite-difference:pairs=6,width=2", 6).ask()
    offsets = proposal.candidates[:6]
    np.testing.assert_array_equal(offsets.sum(axis=0), np.full(6, 2.0))
    np.testing.assert_array_equal(np.count_nonzero(offsets, axis=1), np.ones(6))


def test_random_directions_have_the_length_of_half_the_widths() -> None:
    proposal = make("finite-difference:directions=random,pairs=5,width=2", 16).ask()
    # width * sqrt(k) / 2 = 2 * 4 / 2.
    np.testing.assert_allclose(np.linalg.norm(proposal.candidates, axis=1), 4, atol=1e-3)


def test_the_first_step_goes_against_the_slope() -> None:
    estimator = make("finite-difference:pairs=2,step=0.5", 2)
    proposal = estimator.ask()
    estimator.tell(proposal, proposal.candidates @ np.array([1.0, -1.0]))
    # The gradient is (1, -1), of root mean square 1.
    np.testing.assert_allclose(estimator.best, [-0.5, 0.5])
