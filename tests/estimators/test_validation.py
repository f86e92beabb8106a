"""Bounds of estimator options."""

from collections.abc import Callable

import pytest

from blackbox_dft.errors import InputError
from blackbox_dft.estimators.validation import check_counts, check_decay_rates, check_positive


@pytest.mark.parametrize(
    ("check", "good", "bad"),
    [
        (check_positive, (1e-9, 5.0), (0.0, -1.0, float("inf"), float("nan"))),
        (check_decay_rates, (0.0, 0.999), (1.0, -0.1, float("nan"))),
        (check_counts, (1, 99), (0, -1)),
    ],
)
def test_values_out_of_bounds_are_refused(check: Callable[..., None], good: tuple, bad: tuple) -> None:
    for value in good:
        check(option=value)
    for value in bad:
        with pytest.raises(InputError, match="estimator option option="):
            check(option=value)
