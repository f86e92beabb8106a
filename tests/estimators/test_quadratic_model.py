"""The quadratic response surface: its trust region and how much curvature it assumes."""

import numpy as np
import pytest

from blackbox_dft._utils.types import Floats
from blackbox_dft.estimators.curvature import CurvatureFactor
from blackbox_dft.estimators.quadratic_model import (
    CURVATURE,
    CURVATURE_RATE,
    DIAGONAL_SPREAD,
    LOSS_SCALE,
    MAX_MOVE,
    MIN_NEARNESS,
    MIXED_SPREAD,
    NEIGHBOURHOOD,
    SLOPE_SPREAD,
    QuadraticModel,
    curvature_share,
    trust_region_step,
)
from blackbox_dft.estimators.search_space import on_grid


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
    assert curvature_share(16, 16 * mean_loss) == pytest.approx(share)
    # Without pairs nearby all of it is assumed.
    assert curvature_share(0, 0) == 1


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


def plain_fit(estimate: Floats, sides: Floats, losses: Floats, weights: Floats, factor: float) -> tuple[Floats, Floats]:
    """Slope and curvature of two coordinates, all at once: the regression of 6 features on both rows of each pair."""

    def features(u: Floats) -> Floats:
        x, y = u.T
        return np.column_stack([np.ones(len(u)), x, y, x * x / 2, x * y, y * y / 2])

    (one, other), weights = (features(side - estimate) for side in sides), weights / weights.mean()
    differences, means = losses[0] - losses[1], losses.mean(axis=0)
    level = np.average(means, weights=weights)
    within, between = (weights * differences**2).mean(), (weights * (means - level) ** 2).mean()
    distances = ((sides - estimate) ** 2).mean(axis=(0, 2))
    nearness = np.exp(-distances / (2 * NEIGHBOURHOOD**2))
    counts = np.where(nearness >= MIN_NEARNESS, nearness * weights, 0)
    design, observed = np.concatenate([one - other, (one + other) / 2]), np.concatenate([differences, means])
    precision = np.concatenate([counts / within, counts / between])
    scale = np.sqrt(within / 2) / LOSS_SCALE
    curvature = CURVATURE * factor * curvature_share(counts.sum(), counts @ means) * scale
    spreads = np.array([SLOPE_SPREAD, SLOPE_SPREAD, DIAGONAL_SPREAD, MIXED_SPREAD, DIAGONAL_SPREAD]) * scale
    prior, mean = np.diag([0.01 / between, *spreads**-2]), np.array([level, 0, 0, curvature, 0, curvature])
    gram = (design.T * precision) @ design
    found = np.linalg.solve(gram + prior, design.T @ (precision * observed) + prior @ mean)
    return found[1:3], np.array([[found[3], found[4]], [found[4], found[5]]])


def test_estimates_are_those_of_a_regression_on_all_pairs_at_once() -> None:
    # Pairs are summed by their centres, and not before a fit; it must not show that.
    model, factor, rng = QuadraticModel(np.zeros(2)), CurvatureFactor(CURVATURE_RATE), np.random.default_rng(0)
    sides, losses, weights = np.empty((2, 0, 2)), np.empty((2, 0)), np.empty(0)
    fits = waits = 0
    for _ in range(384):
        before = model.minimum
        # As an estimator's pairs: both sides on a grid, so that all have the same middle.
        new = on_grid(before) + np.array([1, -1])[:, None, None] * on_grid(rng.normal(0, 1.4, (8, 2)))
        noise, own = rng.normal(0, 0.1, 8), np.exp(rng.normal(size=8))
        told = 0.02 * ((new - [3, -1]) ** 2).sum(axis=2) + noise
        sides, losses = np.concatenate([sides, new], axis=1), np.concatenate([losses, told], axis=1)
        weights = np.concatenate([weights, own])
        model.tell(*new, *told, own)
        factor.tell(before, new[0] - new[1], told[0] - told[1], own)
        if np.array_equal(model.minimum, before):
            waits += 1
            continue
        fits += 1
        slope, curvature = plain_fit(before, sides, losses, weights, factor.factor)
        step = trust_region_step(slope, curvature, MAX_MOVE)
        np.testing.assert_allclose(model.minimum, before + step, rtol=1e-9, atol=1e-9)
    assert min(fits, waits) > 50


@pytest.mark.parametrize("lowest", [-1e6, -1.0, 1e-9, 0.3])
def test_a_step_to_the_edge_is_as_long_as_the_radius_and_no_other_there_is_lower(lowest: float) -> None:
    rng = np.random.default_rng(1)
    basis = np.linalg.qr(rng.normal(size=(5, 5)))[0]
    curvature = (basis * np.array([lowest, 0.5, 1, 2, 4])) @ basis.T
    slope = rng.normal(size=5)
    step = trust_region_step(slope, curvature, 0.5)
    assert np.linalg.norm(step) == pytest.approx(0.5, rel=1e-9)
    others = rng.normal(size=(1000, 5))
    others *= 0.5 / np.linalg.norm(others, axis=1, keepdims=True)
    values = others @ slope + ((others @ curvature) * others).sum(axis=1) / 2
    assert values.min() >= slope @ step + step @ curvature @ step / 2 - 1e-9 * abs(lowest)
