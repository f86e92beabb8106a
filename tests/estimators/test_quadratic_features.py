"""Features kept between fits: sums about any centre are those of features computed there."""

import numpy as np
import pytest

from blackbox_dft._utils.types import Floats
from blackbox_dft.estimators.quadratic_features import BLOCK, QuadraticFeatures

SIZE, PAIRS = 3, BLOCK + 69


def features_of(u: Floats) -> Floats:
    """``1, u, u_i u_j`` for i <= j, half of it if i = j, as they are defined."""
    products = [u[:, i] * u[:, j] * (0.5 if i == j else 1) for i in range(SIZE) for j in range(i, SIZE)]
    return np.column_stack([np.ones(len(u)), u, *products])


@pytest.mark.parametrize("centre", [np.zeros(SIZE), np.array([0.2, -0.1, 0.0]), np.array([0.2, 3.0, -1.0])])
def test_sums_about_a_centre_near_or_far_are_those_of_features_computed_there(centre: Floats) -> None:
    rng = np.random.default_rng(0)
    plus, minus = rng.normal(size=(2, PAIRS, SIZE))
    nearness, observed, shares = rng.random(PAIRS), rng.normal(size=(2, PAIRS)), (3.0, 0.5)
    kept = QuadraticFeatures(np.zeros(SIZE))
    for start in range(0, PAIRS, 8):
        kept.add(plus[start : start + 8], minus[start : start + 8])
        # The estimate moves while pairs are told.
        kept.move(centre * start / PAIRS)
    kept.move(centre)
    # In two parts, as there is time.
    for part in (slice(0, 7), slice(7, PAIRS)):
        kept.add_to_sums(part, nearness[part], observed[:, part])
    gram, moment = kept.sums(*shares)
    weights = [share * nearness for share in shares]
    one, other = features_of(plus - centre), features_of(minus - centre)
    design = [one - other, (one + other) / 2]
    np.testing.assert_allclose(gram, sum((f.T * w) @ f for f, w in zip(design, weights, strict=True)), atol=1e-10)
    expected = sum(f.T @ (w * o) for f, w, o in zip(design, weights, observed, strict=True))
    np.testing.assert_allclose(moment, expected, atol=1e-10)
    distances = (((plus - centre) ** 2 + (minus - centre) ** 2) / 2).sum(axis=1)
    np.testing.assert_allclose(kept.squared_distances(slice(0, PAIRS)), distances, atol=1e-10)
