"""The automatic choice of an estimator."""

import numpy as np
import pytest

from blackbox_dft.estimators import SearchSpace, make_estimator
from blackbox_dft.estimators.auto import choose


@pytest.mark.parametrize(
    ("size", "ranged", "same"), [(10, 10, "surface"), (202, 10, "surface"), (24, 0, "surface"), (25, 0, "nes")]
)
def test_auto_is_the_estimator_it_names(size: int, ranged: int, same: str) -> None:
    bounds = np.concatenate([np.full(ranged, 9.0), np.full(size - ranged, np.inf)])
    space = SearchSpace(np.zeros(size), -bounds, bounds)
    name, why = choose(space)
    assert (name, str(size) in why) == (same, True)
    one, two = (make_estimator(spec, space, seed=1) for spec in ("auto", same))
    np.testing.assert_array_equal(one.ask().candidates, two.ask().candidates)
