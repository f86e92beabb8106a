"""Losses, and the reading of whatever a target answers."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from blackbox_dft.errors import InputError, TargetError
from blackbox_dft.objectives import OBJECTIVES, make_objective
from blackbox_dft.objectives.outputs import OutputDecoder, infer_kind, members, parse_map, probabilities

simplexes = arrays(np.float64, st.tuples(st.integers(1, 8), st.integers(2, 5)), elements=st.floats(0, 1)).map(
    lambda a: (a + 1e-12) / (a + 1e-12).sum(1, keepdims=True)
)


@pytest.mark.parametrize("name", OBJECTIVES)
@settings(max_examples=50)
@given(p=simplexes, data=st.data())
def test_losses_are_finite_and_least_when_right_beyond_doubt(name: str, p: np.ndarray, data: st.DataObject) -> None:
    labels = np.array(data.draw(st.lists(st.integers(0, p.shape[1] - 1), min_size=len(p), max_size=len(p))))
    loss = make_objective(name)
    found = loss(p, labels)
    assert found.shape == (len(p),)
    assert np.isfinite(found).all()
    perfect = loss(np.eye(p.shape[1])[labels], labels)
    assert (found >= perfect - 1e-12).all()
    wrong = loss(np.eye(p.shape[1])[(labels + 1) % p.shape[1]], labels)
    assert (found <= wrong + 1e-9).all()
    if name in ("brier", "sigmoid", "zero-one"):
        assert (found <= 1).all()


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


def test_unknown_objective_names_the_nearest() -> None:
    with pytest.raises(InputError, match="did you mean 'brier'"):
        make_objective("briar")


@pytest.mark.parametrize(
    ("raw", "kind"),
    [
        ([[0.7, 0.3], [0.1, 0.9]], "probabilities"),
        ([[0.70, 0.31], [0.105, 0.9]], "probabilities"),
        ([[0.6, 0.0, 0.0], [0.0, 0.5, 0.0]], "probabilities"),
        ([[70.0, 30.0], [10.0, 90.0]], "percent"),
        ([[0.9, 0.8, 0.7], [0.9, 0.2, 0.6]], "relative"),
        ([[3.0, -2.0], [0.5, 0.1]], "logits"),
        ([[0.2], [0.8]], "sigmoid"),
        ([[-2.0], [3.0]], "logit"),
        ([[0.0, 1.0], [1.0, 0.0]], "one-hot"),
        ([[2.0], [0.0]], "index"),
        ([[1.0], [0.0]], "index"),
    ],
)
def test_kinds_of_answers(raw: list[list[float]], kind: str) -> None:
    values = np.array(raw, np.float32)
    assert infer_kind(values) == kind
    count = 2 if kind in ("sigmoid", "logit") else 3 if kind == "index" else values.shape[1]
    p = probabilities(values, kind, count)
    np.testing.assert_allclose(p.sum(1), 1, atol=1e-6)
    assert (p >= 0).all()


def test_missing_mass_of_top_classes_goes_to_the_others() -> None:
    p = probabilities(np.array([[0.6, 0.1, 0, 0]], np.float32), "probabilities", 4)
    np.testing.assert_allclose(p, [[0.6, 0.1, 0.15, 0.15]], atol=1e-6)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_scores_that_are_no_numbers_end_it(bad: float) -> None:
    with pytest.raises(InputError, match="1 of 2 answers"):
        infer_kind(np.array([[0.5, 0.5], [bad, 0.5]], np.float32))
    with pytest.raises(TargetError, match="for changed images"):
        OutputDecoder("probabilities", np.eye(2))(np.array([[0.5, bad]], np.float32))


def test_maps() -> None:
    classes = ["angry", "happy", "sad"]
    matrix = members(["nonsmile", "smile"], classes, 3, parse_map(["smile=happy", "nonsmile=*"]))
    np.testing.assert_array_equal(matrix, [[1, 0], [0, 1], [1, 0]])
    reading = OutputDecoder("probabilities", matrix)
    np.testing.assert_allclose(reading(np.array([[0.2, 0.5, 0.3]], np.float32)), [[0.5, 0.5]], atol=1e-6)
    np.testing.assert_array_equal(members(["Female", "male"], ["male", "female"], 2, {}), [[0, 1], [1, 0]])
    np.testing.assert_array_equal(members(["0", "1"], ["x", "y"], 2, {}), np.eye(2))


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["smile"], "write --map LABEL=CLASS"),
        (["smile=happy", "smile=sad"], "twice"),
        (["smile=happi", "other=*"], "did you mean 'happy'"),
        (["smile=happy"], "says nothing of the label 'other'"),
        (["smile=happy", "grin=sad", "other=*"], "names the label 'grin'"),
        (["smile=*", "other=*"], "two labels"),
        (["smile=happy,sad,angry", "other=*"], "leaves no class"),
        (["smile=happy", "other=happy"], "used? ?.*twice|twice"),
    ],
)
def test_maps_that_cannot_be(options: list[str], sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        members(["other", "smile"], ["angry", "happy", "sad"], 3, parse_map(options))


def test_label_without_class_says_which_classes_there_are() -> None:
    with pytest.raises(InputError, match=r"no class .* 'cat' \(it has dog, horse\).*--map cat="):
        members(["cat", "dog"], ["dog", "horse"], 2, {})
