"""Loss functions: bounds, order and hand-computed values."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from blackbox_dft.objectives import OBJECTIVES, make_objective
from blackbox_dft.objectives.losses import MIN_PROBABILITY, decide, losses, margin

simplexes = arrays(np.float64, st.tuples(st.integers(1, 8), st.integers(2, 5)), elements=st.floats(0, 1)).map(
    lambda a: (a + 1e-12) / (a + 1e-12).sum(1, keepdims=True)
)


@pytest.mark.parametrize("name", OBJECTIVES)
@settings(max_examples=50)
@given(p=simplexes, data=st.data())
def test_losses_are_finite_and_least_for_a_sure_right_decision(name: str, p: np.ndarray, data: st.DataObject) -> None:
    labels = np.array(data.draw(st.lists(st.integers(0, p.shape[1] - 1), min_size=len(p), max_size=len(p))))
    loss = make_objective(name)
    values = loss(p, labels)
    assert values.shape == (len(p),)
    assert np.isfinite(values).all()
    perfect = loss(np.eye(p.shape[1])[labels], labels)
    assert (values >= perfect - 1e-12).all()
    wrong = loss(np.eye(p.shape[1])[(labels + 1) % p.shape[1]], labels)
    assert (values <= wrong + 1e-9).all()
    if name in ("brier", "sigmoid", "zero-one"):
        assert (values <= 1).all()


def test_losses_of_two_labels_by_hand() -> None:
    p, labels = np.array([[0.8, 0.2]]), np.array([0])
    odds = np.log(0.8 / 0.2)
    expected = {
        "cross-entropy": np.log1p(np.exp(-odds)),
        "brier": 0.04,
        "sigmoid": 1 / (1 + np.exp(odds)),
        "hinge": 0.0,
        "zero-one": 0.0,
    }
    for name, value in expected.items():
        assert make_objective(name)(p, labels)[0] == pytest.approx(value)


def test_probabilities_are_clamped_before_the_logarithm() -> None:
    assert MIN_PROBABILITY == 1e-4
    assert margin(np.array([[1.0, 0.0], [1.0, 0.0]]), np.array([0, 1])) == pytest.approx([np.log(1e4), -np.log(1e4)])
    # The strongest of the other labels counts.
    assert margin(np.array([[0.5, 0.3, 0.2]]), np.array([2])) == pytest.approx([np.log(0.2 / 0.5)])


def test_the_first_of_equal_probabilities_decides() -> None:
    np.testing.assert_array_equal(decide(np.array([[0.4, 0.4, 0.2], [0.2, 0.4, 0.4]])), [0, 1])


def test_a_tie_of_all_labels_is_no_decision_and_counts_as_wrong() -> None:
    p = np.array([[0.5, 0.5], [0.5, 0.5], [np.nan, np.nan]])
    np.testing.assert_array_equal(decide(p), [-1, -1, -1])
    np.testing.assert_array_equal(make_objective("zero-one")(p[:2], np.array([0, 1])), [1, 1])
    # The loss of a tie is that of an undecided image.
    np.testing.assert_allclose(losses(make_objective("sigmoid"), p[:2], np.array([0, 1])), 0.5)


@pytest.mark.parametrize("name", OBJECTIVES)
def test_an_image_without_a_score_costs_at_least_as_much_as_any_wrong_one(name: str) -> None:
    objective = make_objective(name)
    p = np.array([[np.nan, np.nan, np.nan], [0.0, 1.0, 0.0], [0.2, 0.3, 0.5], [0.6, 0.3, 0.1]])
    values = losses(objective, p, np.zeros(4, np.int64))
    assert np.isfinite(values).all()
    assert (values[0] >= values).all()
    # The others keep their loss to the bit.
    np.testing.assert_array_equal(values[1:], objective(p[1:], np.zeros(3, np.int64)))
