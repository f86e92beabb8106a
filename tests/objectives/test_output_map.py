"""The output map: what it mends, what it leaves alone, and by how much it is shrunk."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as nps

from blackbox_dft.objectives.output_map import Family, OutputMap, fit_output_map, fit_output_maps

NONSMILE_SMILE = np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 0.0]])
"""Three classes (sad, happy, neutral), of which the second is the label smile."""


def softmax(logits: np.ndarray) -> np.ndarray:
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


def accuracy(found: np.ndarray, labels: np.ndarray) -> float:
    return float((found.argmax(axis=1) == labels).mean())


def test_the_map_by_hand() -> None:
    answers = np.array([[0.25, 0.5, 0.25]])
    scaled = OutputMap(NONSMILE_SMILE, "scale", log_scale=np.log(2), bias=np.array([0.0, np.log(3)]))
    # p = (1/2, 1/2), squared and times (1, 3): (1/4, 3/4) of their sum.
    np.testing.assert_allclose(scaled(answers), [[0.25, 0.75]])
    weights = np.array([[0.0, 0.0, 0.0], [0.0, 1.0, 0.0]])
    linear = OutputMap(NONSMILE_SMILE, "linear", bias=np.zeros(2), weights=weights, spread=0.5)
    # Centred logs: log 2 / 3 * (-1, 2, -1); over the spread of 1/2, smile gains 4/3 log 2: odds of 2^(4/3).
    np.testing.assert_allclose(linear(answers)[0, 1], 2 ** (4 / 3) / (1 + 2 ** (4 / 3)))
    counts = OutputMap(NONSMILE_SMILE, "counts", counts=np.array([[1.0, 0.0], [0.5, 0.5], [0.0, 1.0]]))
    np.testing.assert_allclose(counts(answers), [[0.5, 0.5]])


def test_counts_by_hand() -> None:
    answers, labels = np.eye(3)[[0, 0, 1, 2]], np.array([0, 1, 1, 1])
    big = np.zeros((3, 2000))
    big[:, :2] = NONSMILE_SMILE
    # 6,000 entries are too many for weights, so counts are what is left.
    found = fit_output_map(np.repeat(answers, 1000, axis=0), np.repeat(labels, 1000), big, families=("counts",))
    assert found.family == "counts"
    # The third class is always smile, whatever its name: 1,000 answers against a prior of 3.
    np.testing.assert_allclose(found.counts[2, :2], [3 / 1003, 1000 / 1003])


@pytest.mark.parametrize(("images", "decides"), [(1, False), (3, True)])
def test_of_many_labels_with_an_image_each_only_the_temperature_is_learned(images: int, decides: bool) -> None:
    """The model prefers every second class; what it prefers is learned once there are two images a label."""
    rng = np.random.default_rng(6)
    labels = np.repeat(np.arange(30), images)
    logits = 3.0 * np.eye(30)[labels] + 2.5 * (np.arange(30) % 2) + rng.normal(size=(len(labels), 30))
    # Three answers of each image.
    answers, groups = softmax(np.repeat(5 * logits, 3, axis=0)), np.repeat(np.arange(len(labels)), 3)
    found = fit_output_map(answers, np.repeat(labels, 3), np.eye(30), groups=groups)
    assert found.family != "none"
    assert found(answers).max(axis=1).mean() < 0.9 * answers.max(axis=1).mean()
    assert (found(answers).argmax(axis=1) != answers.argmax(axis=1)).any() == decides


def test_a_shifted_threshold_is_mended() -> None:
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, 400)
    margin = 2.0 * labels - 1 + rng.normal(size=400) * 0.7 + 1.5
    answers = softmax(np.stack([np.zeros(400), margin], axis=1))
    found = fit_output_map(answers, labels, np.eye(2))
    assert accuracy(answers, labels) < 0.75
    assert accuracy(found(answers), labels) > 0.9


def test_an_output_without_a_label_of_its_own_tells_labels_apart() -> None:
    rng = np.random.default_rng(1)
    labels = rng.integers(0, 2, 600)
    # The model gives smiles to "sad": the odds of smile itself say nothing.
    logits = rng.normal(size=(600, 3)) * 0.3
    logits[:, 0] += 2.0 * labels
    answers = softmax(logits)
    found = fit_output_map(answers, labels, NONSMILE_SMILE)
    assert found.family == "linear"
    assert accuracy(found(answers), labels) > 0.95


@pytest.mark.parametrize("seed", range(8))
def test_a_model_that_tells_nothing_apart_becomes_unsure(seed: int) -> None:
    rng = np.random.default_rng(seed)
    answers, labels = softmax(2 * rng.normal(size=(300, 4))), rng.integers(0, 4, 300)
    found = fit_output_map(answers, labels, np.eye(4))
    assert answers.max(axis=1).mean() > 0.6
    assert found(answers).max(axis=1).mean() < 0.4


def test_few_answers_change_little() -> None:
    rng = np.random.default_rng(2)
    labels = np.array([0, 1, 0, 1])
    answers = softmax(rng.normal(size=(4, 2)))
    found = fit_output_map(answers, labels, np.eye(2))
    assert np.abs(found.weights).max(initial=0) < 0.5
    assert np.abs(found.bias).max(initial=0) < 0.7


def test_answers_of_one_group_are_held_out_together() -> None:
    # Every image is answered 20 times alike; only if its answers stay together is an odd image seen as odd.
    rng = np.random.default_rng(3)
    logits, labels = rng.normal(size=(12, 6)), rng.integers(0, 6, 12)
    answers = softmax(np.repeat(logits, 20, axis=0) + 0.01 * rng.normal(size=(240, 6)))
    labels, images = np.repeat(labels, 20), np.repeat(np.arange(12), 20)
    apart = fit_output_map(answers, labels, np.eye(6), groups=images)
    mixed = fit_output_map(answers, labels, np.eye(6))
    assert np.abs(mixed.weights).sum() > 2 * np.abs(apart.weights).sum()


def test_weights_count_answers() -> None:
    rng = np.random.default_rng(4)
    labels = rng.integers(0, 2, 200)
    margin = 4.0 * labels - 2 + rng.normal(size=200)
    answers = softmax(np.stack([np.zeros(200), margin], axis=1))
    wrong = np.concatenate([labels[:100], 1 - labels[100:]])
    found = fit_output_map(answers, wrong, np.eye(2), weights=np.repeat([1.0, 1e-6], 100))
    assert accuracy(found(answers), labels) > 0.9


@pytest.mark.parametrize(("classes", "count"), [(2, 200), (4, 200), (2, 1800)])
def test_maps_of_several_subsets_are_those_of_each(classes: int, count: int) -> None:
    rng = np.random.default_rng(8)
    labels = rng.integers(0, classes, count)
    answers = softmax(rng.normal(size=(count, classes)) + 2 * np.eye(classes)[labels] + np.eye(classes)[0])
    weights = rng.uniform(0.5, 2, count)
    subsets = [np.flatnonzero(np.arange(count) % 4 != part) for part in range(4)]
    # What is in no subset teaches nothing.
    subsets += [np.arange(30), np.arange(1), np.arange(0)]
    together = fit_output_maps(answers, labels, np.eye(classes), subsets, weights=weights)
    for rows, found in zip(subsets, together, strict=True):
        apart = fit_output_map(answers[rows], labels[rows], np.eye(classes), weights=weights[rows])
        assert (found.family == "none") == (apart.family == "none")
        np.testing.assert_allclose(found(answers), apart(answers), atol=0.01)
    assert {found.family for found in together} > {"none"}


def test_the_same_answers_give_the_same_map_to_the_bit() -> None:
    rng = np.random.default_rng(5)
    answers, labels = softmax(rng.normal(size=(2000, 5))), rng.integers(0, 5, 2000)
    one, other = (fit_output_map(answers, labels, np.eye(5)) for _ in range(2))
    assert one.family == other.family
    assert np.array_equal(one(answers), other(answers))


@given(
    nps.arrays(np.float64, (30, 3), elements=st.floats(0, 1)),
    nps.arrays(np.int64, 30, elements=st.integers(0, 1)),
    st.sampled_from(["bias", "scale", "linear"]),
)
def test_any_scores_give_probabilities(answers: np.ndarray, labels: np.ndarray, family: Family) -> None:
    found = fit_output_map(answers, labels, NONSMILE_SMILE, families=(family,))
    mapped = found(answers)
    assert np.isfinite(mapped).all()
    if found.family != "none":
        np.testing.assert_allclose(mapped.sum(axis=1), 1)


def test_without_answers_or_weights_the_map_is_that_of_none() -> None:
    nothing = fit_output_map(np.zeros((0, 3)), np.zeros(0, np.int64), np.eye(3))
    assert nothing.family == "none"
    answers, labels = np.eye(2)[[0, 1, 0, 1]], np.array([0, 1, 0, 1])
    without = fit_output_map(answers, labels, np.eye(2), weights=np.zeros(4))
    np.testing.assert_array_equal(without(answers), fit_output_map(answers, labels, np.eye(2))(answers))
