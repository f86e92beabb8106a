"""Loss functions: bounds, order and hand-computed values."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from blackbox_dft.objectives import OBJECTIVES, make_objective
from blackbox_dft.objectives.losses import MIN_PROBABILITY, decide, margin

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
