"""Sums kept by groups of pairs: about any estimate they are those of features computed there."""

import numpy as np
import pytest

from blackbox_dft._utils.types import Floats
from blackbox_dft.estimators.quadratic_sums import BLOCK, FIRST_CAPACITY, QuadraticSums
from blackbox_dft.estimators.search_space import on_grid

SIZE, DECAY, LEAST = 3, 0.1, 0.4


def features_of(u: Floats) -> Floats:
    """``1, u, u_i u_j`` for i <= j, half of it if i = j, as they are defined."""
    products = [u[:, i] * u[:, j] * (0.5 if i == j else 1) for i in range(SIZE) for j in range(i, SIZE)]
    return np.column_stack([np.ones(len(u)), u, *products])


def pairs_about(centres: Floats, upper: float) -> Floats:
    """Eight pairs about each of some centres, no coordinate above ``upper``, ``(2, P, k)``."""
    rng = np.random.default_rng(0)
    offsets = on_grid(rng.normal(0, 1.4, (len(centres), 8, SIZE)))
    sides = np.stack([centres[:, None] + offsets, centres[:, None] - offsets])
    return np.minimum(sides, upper).reshape(2, -1, SIZE)


@pytest.mark.parametrize("estimate", [np.zeros(SIZE), np.array([0.2, -0.1, 0.0]), np.array([0.2, 1.5, -1.0])])
@pytest.mark.parametrize(
    ("upper", "alone"), [(np.inf, 0), (2.0, 1), (0.2, BLOCK)], ids=["free", "some at a bound", "most at a bound"]
)
def test_sums_about_an_estimate_are_those_of_features_computed_there(
    estimate: Floats, upper: float, alone: int
) -> None:
    # As many groups as grow the room for them, and each comes twice.
    moves = np.random.default_rng(1).normal(0, 0.05, (FIRST_CAPACITY + 9, SIZE))
    centres = on_grid(np.tile(np.cumsum(moves, axis=0), (2, 1)))
    plus, minus = pairs_about(centres, upper)
    rng, count = np.random.default_rng(2), len(plus)
    assert (np.maximum(plus, minus) == upper).any(axis=1).sum() >= alone
    weights, observed = rng.exponential(size=count), rng.normal(size=(2, count))
    sums = QuadraticSums(SIZE, DECAY, LEAST)
    for start in range(0, count, 40):
        part = slice(start, start + 40)
        sums.add(plus[part], minus[part], observed[0, part], observed[1, part], weights[part])
    found = sums.about(estimate)

    distances = (((plus - estimate) ** 2 + (minus - estimate) ** 2) / 2).sum(axis=1)
    nearness = np.exp(-DECAY * distances)
    assert 0.1 < (nearness >= LEAST).mean() < 0.97
    counts = np.where(nearness >= LEAST, nearness * weights, 0)
    one, other = features_of(plus - estimate), features_of(minus - estimate)
    for number, features in enumerate([one - other, (one + other) / 2]):
        np.testing.assert_allclose(found.gram[number], (features.T * counts) @ features, atol=1e-10)
        np.testing.assert_allclose(found.moment[number], features.T @ (counts * observed[number]), atol=1e-10)
    np.testing.assert_allclose([found.mass, found.level], [counts.sum(), counts @ observed[1]], atol=1e-10)
