"""The quadratic response surface: its trust region and how much curvature it assumes."""

import numpy as np
import pytest

from blackbox_dft.estimators.quadratic_model import MAX_MOVE, QuadraticModel, curvature_share, trust_region_step


def test_trust_region_by_hand() -> None:
    curvature = np.diag([2.0, 4.0])
    np.testing.assert_allclose(trust_region_step(np.array([-2.0, 4.0]), curvature, 9.0), [1, -1])
    # With the multiplier 1: (-2 / 3, 4 / 5), so that a radius of its length gives it.
    inside = np.array([2 / 3, -4 / 5])
    step = trust_region_step(np.array([-2.0, 4.0]), curvature, float(np.linalg.norm(inside)))
    np.testing.assert_allclose(step, inside, atol=1e-9)
    # Along a direction that curves downwards it goes to the edge.
    np.testing.assert_allclose(trust_region_step(np.array([-0.1, 0.0]), np.diag([-1.0, 1.0]), 2.0), [2, 0], atol=1e-6)


@pytest.mark.parametrize(
    ("mean_loss", "share"),
    # With as many pairs nearby as the prior's 16, the level is half way from .3 to the mean loss.
    [(0.1, 1.0), (0.3, 1.0), (0.5, 0.5), (0.58, 0.3), (0.9, 0.25)],
)
def test_less_curvature_is_assumed_if_losses_nearby_are_high(mean_loss: float, share: float) -> None:
    assert curvature_share(np.ones(16), np.full(16, mean_loss)) == pytest.approx(share)
    # Without pairs nearby all of it is assumed.
    assert curvature_share(np.zeros(16), np.full(16, mean_loss)) == 1


def test_the_minimum_of_noiseless_pairs_is_found_in_bounded_moves() -> None:
    model, rng = QuadraticModel(np.zeros(2)), np.random.default_rng(0)
    goal = np.array([1.0, -0.5])
    for _ in range(60):
        before = model.minimum
        offsets = rng.normal(size=(8, 2))
        plus, minus = before + offsets, before - offsets
        losses = [0.02 * ((side - goal) ** 2).sum(axis=1) for side in (plus, minus)]
        model.tell(plus, minus, *losses, np.ones(8))
        assert np.linalg.norm(model.minimum - before) <= MAX_MOVE + 1e-9
    np.testing.assert_allclose(model.minimum, goal, atol=0.05)
