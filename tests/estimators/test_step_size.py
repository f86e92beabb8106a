"""The normalised step, against hand-computed values."""

import numpy as np
import pytest

from blackbox_dft.estimators.step_size import NormalisedStep


def test_two_steps_by_hand() -> None:
    step = NormalisedStep(1, 1, step=0.5, momentum=0.5, memory=0.5, decay=1.0)
    # m = 2, v = 4 once corrected for their start: -.5 * 2 / 2.
    np.testing.assert_allclose(step(np.array([2.0])), [-0.5])
    # m = (.5 * 1 + .5 * 0) / .75 = 2/3, v = (.5 * 2) / .75 = 4/3, length .5 / sqrt(2).
    np.testing.assert_allclose(step(np.array([0.0])), [-(0.5 / np.sqrt(2)) * (2 / 3) / np.sqrt(4 / 3)])


@pytest.mark.parametrize(("size", "slopes", "length"), [(4, 8, 1.0), (32, 4, 0.5), (64, 2, 0.25)])
def test_steps_of_few_slopes_are_shorter(size: int, slopes: int, length: float) -> None:
    step = NormalisedStep(size, slopes, step=1.0, momentum=0.9, memory=0.99, decay=0)
    np.testing.assert_allclose(step(np.ones(size)), -length * np.ones(size))


def test_a_zero_gradient_moves_nothing() -> None:
    step = NormalisedStep(2, 1, step=1.0, momentum=0.9, memory=0.99, decay=0)
    np.testing.assert_array_equal(step(np.zeros(2)), [0, 0])
