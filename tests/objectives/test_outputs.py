"""Output decoder: inferring what raw outputs are, and turning them into probabilities of the user's labels."""

import numpy as np
import pytest

from blackbox_dft.errors import InputError
from blackbox_dft.objectives.losses import decide
from blackbox_dft.objectives.outputs import (
    Kind,
    OutputDecoder,
    class_count,
    infer_kind,
    label_matrix,
    parse_map,
    probabilities,
    rows_with_scores,
)

SMILE = {"smile": ["happy"], "other": ["*"]}


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


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_rows_that_are_not_finite_have_no_score_and_do_not_spoil_the_others(bad: float) -> None:
    raw = np.array([[0.5, 0.4], [bad, 0.5], [0.9, 0.1]], np.float32)
    assert infer_kind(raw) == "probabilities"
    np.testing.assert_array_equal(rows_with_scores(raw), [True, False, True])
    decoder = OutputDecoder("probabilities", np.eye(2))
    np.testing.assert_array_equal(decoder.has_score(raw), [True, False, True])
    np.testing.assert_array_equal(decide(decoder(raw)), [0, -1, 0])
    np.testing.assert_array_equal(np.isnan(decoder(raw)).all(axis=1), [False, True, False])
    with pytest.raises(InputError, match="NaN or infinite scores for all of 2 images: check the model, and --range"):
        infer_kind(raw[[1, 1]])


@pytest.mark.parametrize("kind", ["probabilities", "percent", "relative", "one-hot", "logits"])
def test_a_row_of_zeros_is_no_score(kind: Kind) -> None:
    raw = np.array([[0, 0, 0], [0, 1, 0]], np.float32)
    decoder = OutputDecoder(kind, label_matrix(["smile", "other"], ["happy", "sad", "angry"], 3, SMILE))
    np.testing.assert_array_equal(decoder.has_score(raw), [False, True])
    # The map gives two classes to "other": it must not win because of that.
    np.testing.assert_array_equal(decide(decoder(raw)), [-1, 1])


def test_rows_without_a_score_do_not_hide_what_the_others_are() -> None:
    assert infer_kind(np.array([[0, 0], [70, 30], [0, 0]], np.float32)) == "percent"
    assert infer_kind(np.array([[-1], [2], [0]], np.float32)) == "index"
    with pytest.raises(InputError, match="no score for any of 4 images"):
        infer_kind(np.zeros((4, 2), np.float32))


def test_classes_that_count_for_no_label_are_no_score() -> None:
    matrix = label_matrix(["cat", "dog"], None, 4, {"cat": ["0", "1"], "dog": ["2"]})
    top = OutputDecoder("probabilities", matrix)
    raw = np.array([[0, 0, 0, 0.9], [0, 0.1, 0, 0.9], [0, 0, 0.1, 0.9]], np.float32)
    np.testing.assert_array_equal(top.has_score(raw), [False, True, True])
    assert decide(top(raw)).tolist() == [-1, 0, 1]
    index = OutputDecoder("index", matrix)
    raw = np.array([[3], [2], [1], [-1], [7], [np.nan]], np.float32)
    np.testing.assert_array_equal(index.has_score(raw), [False, True, True, False, False, False])
    assert decide(index(raw)).tolist() == [-1, 1, 0, -1, -1, -1]


def test_a_single_score_of_zero_is_a_score() -> None:
    decoder = OutputDecoder("sigmoid", np.eye(2))
    assert decide(decoder(np.array([[0.0], [1.0], [np.nan]], np.float32))).tolist() == [0, 1, -1]


def test_all_scores_alike_are_a_score_but_no_decision() -> None:
    decoder = OutputDecoder("probabilities", np.eye(2))
    raw = np.array([[0.5, 0.5]], np.float32)
    assert decoder.has_score(raw).all()
    assert decide(decoder(raw)).tolist() == [-1]


@pytest.mark.parametrize(
    ("labels", "classes", "named"),
    [
        (["Left", "left", "right"], ["left", "right"], "'Left' and 'left'"),
        (["0", "1", "01"], None, "'1' and '01'"),
        (["Cafe\u0301", "Caf\u00e9"], ["Caf\u00e9", "bar"], "'Cafe\u0301' and 'Caf\u00e9'"),
        (["STRASSE", "stra\u00dfe"], ["Strasse", "Weg"], "'STRASSE' and 'stra\u00dfe'"),
    ],
)
def test_two_spellings_of_a_label_may_not_share_a_class(
    labels: list[str], classes: list[str] | None, named: str
) -> None:
    encoded = r" \(whose accents are encoded in two ways\)" if "Cafe\u0301" in labels else ""
    with pytest.raises(InputError, match=f"the labels {named} of the data{encoded} both stand for the class"):
        label_matrix(labels, classes, 2, {})


def test_two_spellings_of_a_label_may_not_share_an_entry_of_the_map() -> None:
    with pytest.raises(InputError, match=r"labels 'L' and 'l' of the data have the same entry of --map"):
        label_matrix(["L", "l", "r"], ["x", "y"], 2, parse_map(["L=x", "r=y"]))
    with pytest.raises(InputError, match="--map gives the label 'l' twice"):
        label_matrix(["l", "r"], ["x", "y", "z"], 3, parse_map(["l=x", "L=z", "r=y"]))
    with pytest.raises(InputError, match=r"the data \(whose accents are encoded in two ways\) have the same entry"):
        label_matrix(["Cafe\u0301", "Caf\u00e9", "r"], ["x", "y"], 2, parse_map(["caf\u00e9=x", "r=y"]))
    each = label_matrix(["A", "a"], ["x", "y"], 2, parse_map(["A=x", "a=y"]))
    np.testing.assert_array_equal(each, np.eye(2))


def test_spellings_that_the_model_tells_apart_are_labels_of_their_own() -> None:
    np.testing.assert_array_equal(label_matrix(["A", "a"], ["a", "A"], 2, {}), [[0, 1], [1, 0]])


def test_a_class_that_the_model_names_twice_counts_under_both_columns() -> None:
    classes = ["crane", "heron", "crane"]
    np.testing.assert_array_equal(label_matrix(["crane", "heron"], classes, 3, {}), [[1, 0], [0, 1], [1, 0]])
    table = {"bird": ["crane"], "other": ["*"]}
    np.testing.assert_array_equal(label_matrix(["bird", "other"], classes, 3, table), [[1, 0], [0, 1], [1, 0]])


def test_a_map_ignores_case_as_labels_do() -> None:
    table = {"SMILE": ["Happy"], "other": ["*"]}
    np.testing.assert_array_equal(label_matrix(["smile", "Other"], ["happy", "sad"], 2, table), np.eye(2))


def test_digits_of_other_kinds_are_no_index() -> None:
    with pytest.raises(InputError, match="no class of the target is called '\u00b2'"):
        label_matrix(["\u00b2", "1"], ["a", "b", "c"], 3, {})


def test_a_thousand_classes_are_not_listed() -> None:
    classes = [f"class{i}" for i in range(1000)]
    for table in ({}, {"cat": ["zzz"], "dog": ["*"]}):
        with pytest.raises(InputError) as caught:
            label_matrix(["cat", "dog"], classes, 1000, table)
        assert len(str(caught.value)) < 400
        assert "(1,000 in all)" in str(caught.value)


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
    with pytest.raises(InputError, match=r"no class .* 'cat' \(it has dog, horse\).*--map 'cat="):
        label_matrix(["cat", "dog"], ["dog", "horse"], 2, {})


def test_the_number_of_class_names_must_be_that_of_the_scores() -> None:
    with pytest.raises(InputError, match="returns 3 scores, but 2 class names"):
        label_matrix(["a", "b"], ["a", "b"], 3, {})


def test_a_class_index_out_of_range_is_refused() -> None:
    with pytest.raises(InputError, match="class index 2, but 2 classes"):
        class_count(np.array([[0.0], [2.0]], np.float32), "index", ["a", "b"])


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
    assert np.isnan(decoded([0, 0], "relative")).all()
