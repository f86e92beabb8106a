"""The course of a search."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from blackbox_dft._utils.types import Floats
from blackbox_dft.report.figures.charts import legend
from blackbox_dft.report.figures.search_curve import ESTIMATE, LOSS, moving_average, search_curve
from blackbox_dft.run.predictions import Predictions

SUMMARY = {"accuracy": {"test": {"before": 0.5, "after": 0.75}}, "threshold": {"test": 0.625}}


def predictions(points: Floats, estimates: Floats) -> Predictions:
    """Of one image, with a search of these points."""
    one = np.array([[1.0, 0.0]])
    return Predictions(("a", "b"), ("0.png",), np.array([0]), one, one, points, estimates)


def points_of(steps: int) -> Floats:
    """A search whose candidates are right in 60 of 100 cases, at a loss of 0.7."""
    return np.stack([32.0 * np.arange(1, steps + 1), np.full(steps, 0.7), np.full(steps, 0.6)], 1)


def test_the_curve_is_the_accuracy_of_the_estimate_and_not_of_the_candidates_tried() -> None:
    estimates = np.array([[0, 0.5, 0.4, 0.6], [32, 0.7, 0.65, 0.75], [64, 0.74, 0.7, 0.8]])
    chart = search_curve(predictions(points_of(2), estimates), SUMMARY, {"local": 0.9})
    assert chart is not None
    line = chart.series[ESTIMATE]
    assert line.y.tolist() == [0.5, 0.7, 0.74]
    assert dict(legend(chart)) == {
        ESTIMATE: "74.0%",
        "test, before": "50.0%",
        "test, free threshold": "62.5%",
        "test, after": "75.0%",
        "test, local": "90.0%",
    }


@pytest.mark.parametrize(("steps", "shown"), [(1, 1), (23, 23), (36, 36), (600, 48)])
def test_without_estimates_the_loss_is_shown_as_what_it_is(steps: int, shown: int) -> None:
    chart = search_curve(predictions(points_of(steps), np.empty((0, 4))), SUMMARY, {})
    assert chart is not None
    assert chart.marks == {}
    line = chart.series[LOSS]
    assert len(line.x) == shown
    assert (line.x[0], line.x[-1]) == (32, 32 * steps)
    np.testing.assert_allclose(line.y, 0.7)


def test_no_search_has_no_curve() -> None:
    assert search_curve(predictions(np.empty((0, 3)), np.empty((0, 4))), SUMMARY, {}) is None


@given(st.lists(st.floats(0, 1), min_size=1, max_size=80), st.integers(0, 20))
def test_the_moving_average_is_the_mean_of_the_neighbours(values: list[float], half: int) -> None:
    expected = [np.mean(values[max(0, at - half) : at + half + 1]) for at in range(len(values))]
    np.testing.assert_allclose(moving_average(values, 2 * half + 1), expected, atol=1e-12)


@pytest.mark.parametrize("width", [0, 2, -1])
def test_windows_without_a_middle_are_refused(width: int) -> None:
    with pytest.raises(ValueError, match="odd"):
        moving_average([1, 2, 3], width)
