"""The factor of an assumed curvature, against hand-computed values."""

import math

import numpy as np
import pytest

from blackbox_dft.estimators.curvature import CurvatureFactor

DISPLACEMENT = np.array([1.0, 0.0])


def test_the_factor_follows_the_slope_along_the_displacement() -> None:
    curvature = CurvatureFactor(rate=0.5)
    assert curvature.factor == 1
    # t = w (s v) d = 1 * 2 * .15 = .3 and .5 * 4 * .2 = .4; sum .7, root of the sum of squares .5.
    spans = np.array([[2.0, 9.0], [4.0, -9.0]])
    curvature.tell(DISPLACEMENT, spans, np.array([0.15, 0.2]), np.array([1.0, 0.5]))
    assert curvature.factor == pytest.approx(math.exp(0.5 * 0.7 / 0.5))
    # Losses that fall along the displacement lower it again.
    curvature.tell(DISPLACEMENT, spans, np.array([-0.15, -0.2]), np.array([1.0, 0.5]))
    assert curvature.factor == pytest.approx(1)


def test_proposals_told_together_change_it_as_one_after_the_other() -> None:
    rng = np.random.default_rng(0)
    spans, differences, weights = rng.normal(size=(7, 2)), rng.normal(size=7), rng.exponential(size=7)
    apart, together = CurvatureFactor(rate=0.5), CurvatureFactor(rate=0.5)
    for part in (slice(0, 2), slice(2, 3), slice(3, 7)):
        apart.tell(DISPLACEMENT, spans[part], differences[part], weights[part])
    together.tell(DISPLACEMENT, spans, differences, weights, sizes=[2, 1, 4])
    assert together.factor == pytest.approx(apart.factor)
    assert together.factor != 1


def test_the_factor_stays_within_its_bounds() -> None:
    for sign in (1, -1):
        curvature = CurvatureFactor(rate=0.5)
        for _ in range(5):
            curvature.tell(DISPLACEMENT, np.array([[1.0, 0.0]]), np.array([sign * 0.1]), np.ones(1))
        assert curvature.factor == pytest.approx(math.exp(sign * 2))


def test_nothing_is_learned_before_the_estimate_has_moved() -> None:
    curvature = CurvatureFactor(rate=0.5)
    curvature.tell(np.zeros(2), np.ones((3, 2)), np.ones(3), np.ones(3))
    assert curvature.factor == 1
