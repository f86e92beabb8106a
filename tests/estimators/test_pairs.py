"""Antithetic pairs and the differences of their losses."""

import numpy as np

from blackbox_dft.estimators.pairs import antithetic_pairs, pair_differences
from tests.helpers.quadratic import box

OFFSETS = np.array([[1.0, 0.0], [0.0, 3.0]])


def test_pairs_share_an_image_and_spans_are_clipped_by_the_bounds() -> None:
    proposal = antithetic_pairs(np.array([0.5, 0.0]), OFFSETS, box(2, bound=1.0))
    np.testing.assert_array_equal(proposal.candidates, [[1, 0], [0.5, 1], [-0.5, 0], [0.5, -1]])
    np.testing.assert_array_equal(proposal.slots, [0, 1, 0, 1])
    differences, spans = pair_differences(proposal, np.array([0.5, 0.75, 0.25, 1.0]))
    np.testing.assert_array_equal(differences, [0.25, -0.25])
    np.testing.assert_array_equal(spans, [[1.5, 0], [0, 2]])


def test_a_crossed_pair_has_one_difference_the_mean_over_its_images() -> None:
    proposal = antithetic_pairs(np.zeros(2), OFFSETS, box(2), crossed=True)
    assert (len(proposal.candidates), proposal.images) == (2, 2)
    differences, spans = pair_differences(proposal, np.array([0.5, 1.0, 0.25, 0.25]))
    np.testing.assert_array_equal(differences, [0.5])
    np.testing.assert_array_equal(spans, [[2, 0]])
