"""The curve of a search."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from blackbox_dft.report.figures.search_curve import moving_average, search_curve

SUMMARY = {"accuracy": {"test": {"before": 0.5, "after": 0.75}}, "threshold": {"test": 0.625}}


@pytest.mark.parametrize(
    ("steps", "window", "shown"), [(1, 1, 1), (23, 1, 23), (24, 3, 24), (36, 3, 36), (600, 51, 48)]
)
def test_the_curve_is_averaged_over_a_twelfth_and_thinned(steps: int, window: int, shown: int) -> None:
    points = np.stack([32.0 * np.arange(1, steps + 1), np.ones(steps), np.full(steps, 0.7)], 1)
    chart = search_curve(points, SUMMARY, {"local": 0.9})
    ((name, line),) = chart.series.items()
    assert name == f"training images, mean of {window} step{'s' if window > 1 else ''}"
    assert len(line.x) == shown
    assert (line.x[0], line.x[-1]) == (32, 32 * steps)
    np.testing.assert_allclose(line.y, 0.7)
    assert chart.marks == {"test, before": 0.5, "test, free threshold": 0.625, "test, after": 0.75, "test, local": 0.9}


@given(st.lists(st.floats(0, 1), min_size=1, max_size=80), st.integers(0, 20))
def test_the_moving_average_is_the_mean_of_the_neighbours(values: list[float], half: int) -> None:
    expected = [np.mean(values[max(0, at - half) : at + half + 1]) for at in range(len(values))]
    np.testing.assert_allclose(moving_average(values, 2 * half + 1), expected, atol=1e-12)


@pytest.mark.parametrize("width", [0, 2, -1])
def test_windows_without_a_middle_are_refused(width: int) -> None:
    with pytest.raises(ValueError, match="odd"):
        moving_average([1, 2, 3], width)
