"""Metrics: hand-computed values, those of scikit-learn, their contributions as an error bar, images without a score."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from blackbox_dft.errors import InputError
from blackbox_dft.evaluation.metric import (
    ACCURACY,
    AccuracyOfShares,
    BalancedAccuracy,
    MeanCost,
    Metric,
    ProvableMetric,
    make_metric,
    require_images,
    resolved_metric,
)
from blackbox_dft.evaluation.metric_names import check_metric
from blackbox_dft.evaluation.paired import compare

COSTS_OF_AB = 'cost:{"a": {"a": 0, "b": 5}, "b": {"a": 1, "b": 0}}'
COSTS = 'cost:{"ill": {"ill": 0, "well": 5}, "well": {"ill": 1, "well": 0}}'


def value(metric: Metric, probabilities: np.ndarray, labels: np.ndarray) -> float:
    return float(metric.contributions(probabilities, labels).mean())


def sample(seed: int, labels: int, n: int = 60) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities with ties, that say something of the labels, which are not equally frequent."""
    rng = np.random.default_rng(seed)
    truth = np.concatenate([np.arange(labels), rng.integers(0, labels, n) * rng.integers(0, 2, n)])
    # Never the same for all labels, which would be no decision.
    scores = rng.random((len(truth), labels)).round(1) + 0.01 * np.arange(1, labels + 1)
    scores[np.arange(len(truth)), truth] += 0.5
    return scores / scores.sum(axis=1, keepdims=True), truth


@settings(max_examples=20)
@given(st.integers(0, 10_000), st.integers(2, 4))
def test_values_are_those_of_scikit_learn(seed: int, labels: int) -> None:
    metrics = pytest.importorskip("sklearn.metrics")
    probabilities, truth = sample(seed, labels)
    decided = probabilities.argmax(axis=1)
    names = [str(label) for label in range(labels)]

    def found(text: str) -> float:
        return value(make_metric(text, names), probabilities, truth)

    assert found("accuracy") == pytest.approx(metrics.accuracy_score(truth, decided))
    assert found("balanced-accuracy") == pytest.approx(metrics.balanced_accuracy_score(truth, decided))
    last = labels - 1
    assert found(f"f1:{last}") == pytest.approx(metrics.f1_score(truth == last, decided == last, zero_division=0))
    assert found(f"auc:{last}") == pytest.approx(metrics.roc_auc_score(truth == last, probabilities[:, last]))
    if labels > 2:
        macro = metrics.f1_score(truth, decided, average="macro", zero_division=0, labels=range(labels))
        assert found("f1") == pytest.approx(macro)
        each = [metrics.roc_auc_score(truth == label, probabilities[:, label]) for label in range(labels)]
        assert found("auc") == pytest.approx(np.mean(each))
    else:
        assert (found("f1"), found("auc")) == (found("f1:1"), found("auc:1"))


def test_the_cost_is_that_of_the_decision_in_the_row_of_the_true_label() -> None:
    metric = make_metric(COSTS, ["ill", "well"])
    decisions = np.eye(2)[[0, 1, 0, 1]]
    # ill taken for well costs 5, well for ill 1.
    assert value(metric, decisions, np.array([0, 0, 1, 1])) == -(0 + 5 + 1 + 0) / 4
    assert metric.less_is_better


def test_an_image_without_a_score_is_the_worst_there_is() -> None:
    probabilities = np.array([[np.nan, np.nan], [0.2, 0.8], [0.7, 0.3], [np.nan, np.nan]])
    truth = np.array([0, 1, 0, 1])
    assert value(ACCURACY, probabilities, truth) == 0.5
    assert value(BalancedAccuracy(), probabilities, truth) == 0.5
    assert value(make_metric(COSTS, ["ill", "well"]), probabilities, truth) == -(5 + 0 + 0 + 1) / 4
    # True 1: .8 and last; true 0: .3 and first. Only .8 is above .3.
    assert value(make_metric("auc", ["a", "b"]), probabilities, truth) == pytest.approx(1 / 4)
    # Of label b, one found, one missed, none wrongly taken for it.
    assert value(make_metric("f1", ["a", "b"]), probabilities, truth) == pytest.approx(2 / 3)


@pytest.mark.parametrize("text", ["balanced-accuracy", "f1", "auc", "f1:a", COSTS_OF_AB])
def test_the_interval_holds_the_true_difference_as_often_as_it_says(text: str) -> None:
    """Coverage of the 95 % bootstrap interval over samples of one population of unequal labels."""
    rng, metric = np.random.default_rng(1), make_metric(text, ["a", "b"])

    def draw(count: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        truth = (rng.random(count) < 0.25).astype(int)
        margins = (2 * truth - 1) + rng.normal(size=(2, count)) * np.array([[1.6], [1.1]])
        before, after = (np.stack([1 - p, p], axis=1) for p in 1 / (1 + np.exp(-2 * margins)))
        return before, after, truth

    before, after, truth = draw(200_000)
    gain = value(metric, after, truth) - value(metric, before, truth)
    inside = 0
    for _ in range(100):
        before, after, truth = draw(200)
        low, high = compare(before, after, truth, metric=metric).ci95
        inside += low <= gain <= high
    # 95 expected; fewer than 88 has a probability of one in six hundred.
    assert inside >= 88


def test_weights_give_labels_the_same_sum_and_costs_their_errors() -> None:
    labels = np.array([0, 0, 0, 1])
    np.testing.assert_allclose(BalancedAccuracy().image_weights(labels), [2 / 3] * 3 + [2])
    cost = MeanCost(np.array([[0.0, 5.0], [1.0, 0.0]])).image_weights(labels)
    np.testing.assert_allclose(cost, [5 / 4] * 3 + [1 / 4])
    assert ACCURACY.image_weights(labels) is None
    assert make_metric("auc", ["a", "b"]).image_weights(labels) is None


def test_accuracy_of_other_shares_weighs_the_recalls() -> None:
    decisions, truth = np.eye(2)[[0, 1, 1, 1]], np.array([0, 0, 1, 1])
    assert value(AccuracyOfShares((0.8, 0.2)), decisions, truth) == pytest.approx(0.8 * 0.5 + 0.2 * 1)


def test_only_means_over_images_can_be_proven_as_one_goes() -> None:
    provable = [isinstance(make_metric(text, ["ill", "well"]), ProvableMetric)
                for text in ("accuracy", "balanced-accuracy", COSTS, "f1", "auc")]  # fmt: skip
    assert provable == [True, True, True, False, False]


def test_names_and_titles_say_the_label() -> None:
    made = [make_metric(text, ["a", "b"]) for text in ("f1", "f1:a", "auc", COSTS_OF_AB)]
    assert [one.name for one in made] == ["f1", "f1:a", "auc", "cost"]
    assert [one.title for one in made] == ["F1 of b", "F1 of a", "AUC of b", "mean cost"]


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("f2", "it must be accuracy"),
        ("cost", "it needs the table of costs"),
        ("accuracy:x", "takes nothing after the colon"),
    ],
)
def test_a_value_that_is_no_metric_says_what_there_is(text: str, part: str) -> None:
    with pytest.raises(ValueError, match=part):
        check_metric(text)


@pytest.mark.parametrize(
    ("table", "part"),
    [
        (None, "cannot be read"),
        ("true,ill,well\n", "no rows"),
        ("true,ill,well\nill,0,5\n", "no row for the label 'well'"),
        ("true,ill\nill,0\nwell,1\n", "no column in the row 'ill' for the label 'well'"),
        ("true,ill,well\nill,0,5\nwell,1\n", "the row 'well' has 1 costs, and the header names 2"),
        ("true,ill,well\nill,0,much\nwell,1,0\n", "'much', not a number"),
        ("true,ill,well\nill,0,nan\nwell,1,0\n", "'nan', not a number"),
        ("true,ill,well\nill,0,5\nwell,1,0\ndead,9,9\n", "'dead', which is no label"),
        ("true,ill,well\nill,0,5\nwell,1,0\nwell,1,0\n", "names a label twice"),
        ("true,ill,well\nill,3,3\nwell,1,1\n", "all decisions cost the same"),
        ('{"ill": 3}', "must be an object of objects"),
        ('{"ill": ', "is not JSON"),
    ],
)
def test_a_table_of_costs_that_cannot_be_used_says_why(table: str | None, part: str, tmp_path: Path) -> None:
    path = tmp_path / "costs.csv"
    if table is not None:
        path.write_text(table)
    with pytest.raises(InputError, match=part):
        make_metric(f"cost:{path}", ["ill", "well"])


def test_costs_of_a_file_become_a_part_of_the_option(tmp_path: Path) -> None:
    path = tmp_path / "costs.csv"
    path.write_text("\ufefftrue, well, ill\nill,5,0\nwell,0,1\n\n", encoding="utf-8")
    assert resolved_metric(f"cost:{path}", ["ill", "well"]) == COSTS
    assert resolved_metric(COSTS, ["ill", "well"]) == COSTS


def test_labels_without_an_image_are_an_error_where_the_metric_needs_them() -> None:
    labels = np.array([0, 0, 1])
    require_images(make_metric("balanced-accuracy", ["a", "b", "c"]), labels, ["a", "b", "c"], "the test images")
    with pytest.raises(InputError, match="the test images have none of c"):
        require_images(make_metric("f1", ["a", "b", "c"]), labels, ["a", "b", "c"], "the test images")
    with pytest.raises(InputError, match="have no others"):
        require_images(make_metric("auc:a", ["a", "b"]), np.zeros(3, int), ["a", "b"], "the test images")
    with pytest.raises(InputError, match="'x' is no label of the data: it has a, b"):
        make_metric("f1:x", ["a", "b"])
