"""The linear response surface, against hand-computed values."""

import numpy as np
import pytest

from blackbox_dft.estimators.linear_model import CURVATURE, LinearModel


def test_two_pairs_by_hand() -> None:
    model = LinearModel(np.zeros(2))
    plus = np.array([[1.0, 0.0], [1.0, 0.0]])
    model.tell(plus, -plus, np.array([0.3, 0.4]), np.array([0.1, 0.0]), np.ones(2))
    # Spans (2, 0), differences .2 and .4: mass = 2 + 2, slopes = (.4 + .8) / 4 = .3,
    # noise = .4^2 + .8^2 = .8, so that chance = .8 / 16 = .05 and signal = 1 - .05 / .09 = 4/9.
    # Curvature = .4 sqrt((.2^2 + .4^2) / (4 * 2)), centre 0.
    assert CURVATURE == 0.4
    curvature = 0.4 * np.sqrt(0.2 / 8)
    np.testing.assert_allclose(model.minimum, [-(4 / 9) * 0.3 / curvature, 0], rtol=1e-12)


def test_pure_noise_does_not_move_it() -> None:
    model = LinearModel(np.zeros(2))
    plus = np.array([[1.0, 0.0], [1.0, 0.0]])
    model.tell(plus, -plus, np.array([0.1, 0.0]), np.array([0.0, 0.1]), np.ones(2))
    np.testing.assert_array_equal(model.minimum, [0, 0])


def test_weights_count_as_repetitions() -> None:
    plus, losses = np.array([[1.0, 0.0], [0.0, 2.0]]), np.array([0.3, 0.2])
    weighted, repeated = LinearModel(np.zeros(2)), LinearModel(np.zeros(2))
    weighted.tell(plus, -plus, losses, -losses, np.array([2.0, 2.0]))
    repeated.tell(plus, -plus, losses, -losses, np.ones(2))
    # Both pairs weighted alike: the same mean slope.
    assert weighted.minimum == pytest.approx(repeated.minimum)
