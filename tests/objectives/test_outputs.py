"""Output decoder: inferring what raw outputs are, and turning them into probabilities of the user's labels."""

import numpy as np
import pytest

from blackbox_dft.errors import InputError, TargetError
from blackbox_dft.objectives.outputs import (
    Kind,
    OutputDecoder,
    class_count,
    infer_kind,
    label_matrix,
    parse_map,
    probabilities,
)


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
def test_kinds_of_outputs(raw: list[list[float]], kind: str) -> None:
    values = np.array(raw, np.float32)
    assert infer_kind(values) == kind
    count = 2 if kind in ("sigmoid", "logit") else 3 if kind == "index" else values.shape[1]
    p = probabilities(values, kind, count)
    np.testing.assert_allclose(p.sum(1), 1, atol=1e-6)
    assert (p >= 0).all()


def test_missing_mass_of_top_classes_goes_to_the_zero_ones() -> None:
    p = probabilities(np.array([[0.6, 0.1, 0, 0]], np.float32), "probabilities", 4)
    np.testing.assert_allclose(p, [[0.6, 0.1, 0.15, 0.15]], atol=1e-6)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_scores_that_are_not_numbers_are_refused(bad: float) -> None:
    with pytest.raises(InputError, match="for 1 of 2 images"):
        infer_kind(np.array([[0.5, 0.5], [bad, 0.5]], np.float32))
    with pytest.raises(TargetError, match="for changed images"):
        OutputDecoder("probabilities", np.eye(2))(np.array([[0.5, bad]], np.float32))


def test_a_map_gives_classes_to_labels() -> None:
    classes = ["angry", "happy", "sad"]
    matrix = label_matrix(["nonsmile", "smile"], classes, 3, parse_map(["smile=happy", "nonsmile=*"]))
    np.testing.assert_array_equal(matrix, [[1, 0], [0, 1], [1, 0]])
    decoder = OutputDecoder("probabilities", matrix)
    np.testing.assert_allclose(decoder(np.array([[0.2, 0.5, 0.3]], np.float32)), [[0.5, 0.5]], atol=1e-6)
    np.testing.assert_array_equal(label_matrix(["Female", "male"], ["male", "female"], 2, {}), [[0, 1], [1, 0]])
    np.testing.assert_array_equal(label_matrix(["0", "1"], ["x", "y"], 2, {}), np.eye(2))


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["smile"], "write --map LABEL=CLASS"),
        (["smile=happy", "smile=sad"], "twice"),
        (["smile=happi", "other=*"], "did you mean 'happy'"),
        (["smile=happy"], "no entry for the label 'other'"),
        (["smile=happy", "grin=sad", "other=*"], "names the label 'grin'"),
        (["smile=*", "other=*"], "two labels"),
        (["smile=happy,sad,angry", "other=*"], "leaves no class"),
        (["smile=happy", "other=happy"], "twice"),
    ],
)
def test_an_impossible_map_is_refused(options: list[str], sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        label_matrix(["other", "smile"], ["angry", "happy", "sad"], 3, parse_map(options))


def test_a_label_without_class_lists_the_classes() -> None:
    with pytest.raises(InputError, match=r"no class .* 'cat' \(it has dog, horse\).*--map cat="):
        label_matrix(["cat", "dog"], ["dog", "horse"], 2, {})


def test_the_number_of_class_names_must_be_that_of_the_scores() -> None:
    with pytest.raises(InputError, match="returns 3 scores, but 2 class names"):
        label_matrix(["a", "b"], ["a", "b"], 3, {})


def test_a_class_index_out_of_range_is_refused() -> None:
    with pytest.raises(TargetError, match="class index 2, but 2 classes"):
        probabilities(np.array([[0.0], [2.0]], np.float32), "index", 2)


@pytest.mark.parametrize(
    ("raw", "kind", "classes", "count"),
    [
        ([[0.2]], "sigmoid", None, 2),
        ([[-3.0]], "logit", None, 2),
        ([[4.0], [1.0]], "index", None, 5),
        ([[4.0], [1.0]], "index", list("abcdef"), 6),
        ([[0.1, 0.9, 0.0]], "probabilities", None, 3),
    ],
)
def test_number_of_classes(raw: list[list[float]], kind: Kind, classes: list[str] | None, count: int) -> None:
    assert class_count(np.array(raw, np.float32), kind, classes) == count


def test_kinds_to_probabilities_by_hand() -> None:
    def decoded(raw: list[float], kind: Kind) -> list[float]:
        return probabilities(np.array([raw], np.float32), kind, 2)[0].tolist()

    assert decoded([25, 75], "percent") == pytest.approx([0.25, 0.75])
    assert decoded([0.9, 0.3], "relative") == pytest.approx([0.75, 0.25])
    assert decoded([0.0, np.log(3)], "logits") == pytest.approx([0.25, 0.75])
    assert decoded([np.log(3)], "logit") == pytest.approx([0.25, 0.75])
    assert decoded([0.75], "sigmoid") == pytest.approx([0.25, 0.75])
    assert decoded([1], "index") == [0, 1]
    # Nothing is known of a row of zeros.
    assert decoded([0, 0], "relative") == [0.5, 0.5]
