"""Natural evolution strategy: its directions and its step."""

import numpy as np
import pytest

from blackbox_dft.estimators.nes import gaussian_directions
from tests.helpers.quadratic import make


@pytest.mark.parametrize(("count", "size"), [(3, 8), (16, 8), (5, 1)])
def test_orthogonal_directions_keep_the_lengths_of_the_draws(count: int, size: int) -> None:
    drawn, made = (gaussian_directions(np.random.default_rng(0), count, size, flag) for flag in (False, True))
    np.testing.assert_allclose(np.linalg.norm(made, axis=1), np.linalg.norm(drawn, axis=1))
    if size > 1:
        block = made[:size] @ made[:size].T
        np.testing.assert_allclose(block - np.diag(np.diag(block)), 0, atol=1e-9)


def test_the_first_step_goes_against_the_slope() -> None:
    estimator = make("nes:pairs=1,step=0.5", 1)
    proposal = estimator.ask()
    estimator.tell(proposal, 3 * proposal.candidates[:, 0])
    np.testing.assert_allclose(estimator.best, [-0.5])
