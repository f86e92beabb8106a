"""The registry of objectives."""

import numpy as np
import pytest

from blackbox_dft.errors import InputError
from blackbox_dft.objectives import DEFAULT, OBJECTIVES, make_objective


@pytest.mark.parametrize("name", OBJECTIVES)
def test_every_registered_name_makes_a_loss_function(name: str) -> None:
    assert make_objective(name)(np.array([[0.3, 0.7]] * 3), np.array([0, 1, 0])).shape == (3,)


def test_the_default_is_registered() -> None:
    assert DEFAULT in OBJECTIVES


def test_an_unknown_objective_suggests_the_nearest() -> None:
    with pytest.raises(InputError, match="did you mean 'brier'"):
        make_objective("briar")
