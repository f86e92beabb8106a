"""SPSA: the spread of its pairs, and BlackVIP's correction."""

import numpy as np

from tests.helpers.quadratic import make


def test_the_spread_falls_with_the_step_and_all_coordinates_move() -> None:
    spsa = make("spsa:spread=0.5,gamma=0.5,pairs=4", 3)
    first = spsa.ask()
    np.testing.assert_array_equal(np.abs(first.candidates), 0.5)
    spsa.tell(first, np.zeros(8))
    # c / (t + 1)^gamma = .5 / sqrt(2).
    np.testing.assert_allclose(np.abs(spsa.ask().candidates), 0.5 / np.sqrt(2), atol=1 / 4096)


def test_the_first_step_goes_against_the_slope() -> None:
    spsa = make("spsa:pairs=1,step=0.5", 1)
    proposal = spsa.ask()
    spsa.tell(proposal, 3 * proposal.candidates[:, 0])
    np.testing.assert_allclose(spsa.best, [-0.5])


def test_with_the_correction_pairs_lie_around_where_the_momentum_leads() -> None:
    spsa = make("spsa:pairs=1,step=0.5,momentum=0.5,correction=true,decay=0", 1)
    proposal = spsa.ask()
    spsa.tell(proposal, 3 * proposal.candidates[:, 0])
    # m = (1 - .5) * -.5 = -.25, z = m; the next pair is around z + .5 m.
    np.testing.assert_allclose(spsa.best, [-0.25])
    np.testing.assert_allclose(spsa.ask().candidates.mean(axis=0), [-0.375])
