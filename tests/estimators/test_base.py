"""Paired and crossed proposals."""

import numpy as np

from blackbox_dft.estimators.base import Estimator, Proposal, SupportsDelayedTell
from tests.helpers.quadratic import make


def test_paired_and_crossed_proposals_use_images_as_they_say() -> None:
    proposal = make("nes:pairs=5", 3).ask()
    assert (proposal.queries, proposal.images, len(proposal.candidates)) == (10, 5, 10)
    np.testing.assert_array_equal(proposal.slots[:5], proposal.slots[5:])
    np.testing.assert_allclose(proposal.candidates[:5] + proposal.candidates[5:], 0, atol=1e-12)
    crossed = make("cma-es:images=7,population=6", 3).ask()
    assert (crossed.queries, crossed.images, len(crossed.candidates)) == (42, 7, 6)
    published = make("spsa:crossed=true,pairs=9", 3).ask()
    assert (published.queries, published.images, len(published.candidates)) == (18, 9, 2)


def test_crossed_losses_reshape_to_a_row_for_each_candidate() -> None:
    proposal = Proposal.crossed(np.zeros((2, 1)), 3)
    np.testing.assert_array_equal(proposal.rows.reshape(2, 3), [[0, 0, 0], [1, 1, 1]])
    np.testing.assert_array_equal(proposal.slots.reshape(2, 3), [[0, 1, 2], [0, 1, 2]])


def test_only_estimators_of_pairs_support_delayed_tell() -> None:
    def supports(name: str) -> bool:
        estimator: Estimator = make(name, 3)
        return isinstance(estimator, SupportsDelayedTell)

    assert all(map(supports, ("surface", "nes", "spsa", "finite-difference")))
    assert not any(map(supports, ("cma-es", "random")))
