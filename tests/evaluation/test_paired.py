"""Paired statistics against textbook values and against their own definition."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest, norm

from blackbox_dft.evaluation.paired import bootstrap, compare


def one_hot(decisions: list[int], labels: int = 2) -> np.ndarray:
    return np.eye(labels)[decisions]


def test_mcnemar_is_the_exact_sign_test() -> None:
    labels = np.zeros(20, np.int64)
    before = one_hot([1] * 9 + [0] * 11)
    after = one_hot([0] * 8 + [1] + [0] * 10 + [1])
    result = compare(before, after, labels)
    # 8 gained, 1 lost: 2 * (C(9,0) + C(9,1)) / 2^9.
    assert result.mcnemar_p == pytest.approx(2 * (1 + 9) / 512)
    assert (result.before, result.after, result.n) == (11 / 20, 18 / 20, 20)
    assert compare(before, before, labels).mcnemar_p == 1
    assert compare(before, before, labels).ci95 == (0, 0)


@settings(max_examples=60)
@given(st.integers(0, 80), st.integers(0, 80))
def test_mcnemar_is_the_binomial_test_of_the_decisions_that_changed(gained: int, lost: int) -> None:
    labels = np.zeros(gained + lost + 1, np.int64)
    before, after = one_hot([1] * gained + [0] * (lost + 1)), one_hot([0] * gained + [1] * lost + [0])
    known = binomtest(gained, gained + lost).pvalue if gained + lost else 1.0
    assert compare(before, after, labels).mcnemar_p == pytest.approx(known, rel=1e-9)


def test_bootstrap_agrees_with_the_normal_interval() -> None:
    rng = np.random.default_rng(0)
    differences = rng.choice([-1.0, 0, 1], size=2000, p=[0.03, 0.87, 0.10])
    low, high = bootstrap(differences)
    half = norm.ppf(0.975) * differences.std() / np.sqrt(len(differences))
    assert low == pytest.approx(differences.mean() - half, abs=0.1 * half)
    assert high == pytest.approx(differences.mean() + half, abs=0.1 * half)


def test_bootstrap_over_people_is_wider_when_their_images_agree() -> None:
    rng = np.random.default_rng(0)
    people = np.repeat(np.arange(100), 10)
    differences = np.repeat(rng.choice([-1.0, 0, 1], size=100, p=[0.1, 0.7, 0.2]), 10)
    low, high = bootstrap(differences, people)
    alone_low, alone_high = bootstrap(differences)
    assert high - low > 2.5 * (alone_high - alone_low)


def test_no_decision_is_wrong_whatever_the_label() -> None:
    before, after = np.eye(2)[[0, 1, 0, 1]], np.full((4, 2), np.nan)
    result = compare(before, after, np.array([0, 1, 0, 1]))
    assert (result.before, result.after, result.ci95[0]) == (1.0, 0.0, -1.0)


@pytest.mark.parametrize(("images", "proven"), [(1, False), (3, False), (5, False), (6, True), (40, True)])
def test_images_that_all_gain_prove_it_if_there_are_enough_of_them(images: int, proven: bool) -> None:
    labels = np.zeros(images, np.int64)
    result = compare(one_hot([1] * images), one_hot([0] * images), labels)
    assert (result.ci95[0] > 0) == (result.mcnemar_p < 0.05) == proven
    assert result.ci95[1] == 1
    # Each image twice, as two photos of one person, proves no more.
    twice = compare(one_hot([1] * 2 * images), one_hot([0] * 2 * images), labels.repeat(2), np.arange(images).repeat(2))
    assert twice.ci95 == pytest.approx(result.ci95)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 12), st.integers(0, 12), st.integers(0, 400), st.booleans())
def test_an_interval_without_zero_has_the_sign_test_on_its_side(
    gained: int, lost: int, stayed: int, grouped: bool
) -> None:
    images = gained + lost + stayed + 1
    before = one_hot([1] * gained + [0] * (lost + stayed + 1))
    after = one_hot([0] * gained + [1] * lost + [0] * (stayed + 1))
    labels, groups = np.zeros(images, np.int64), np.arange(images) // 2 if grouped else None
    result = compare(before, after, labels, groups)
    low, high = result.ci95
    assert low <= result.after - result.before <= high
    assert low <= 0 <= high or result.mcnemar_p < 0.05
    plain = bootstrap((after[:, 0] - before[:, 0]), groups)
    assert low <= plain[0] <= plain[1] <= high


def test_many_changed_images_have_the_interval_of_the_bootstrap() -> None:
    labels = np.zeros(1000, np.int64)
    before, after = one_hot([1] * 120 + [0] * 880), one_hot([0] * 80 + [1] * 40 + [0] * 840 + [1] * 40)
    assert compare(before, after, labels).ci95 == pytest.approx(bootstrap(after[:, 0] - before[:, 0]), abs=0.0015)


@pytest.mark.parametrize("images", [1, 8, 400])
def test_decisions_that_all_stay_say_little_of_few_images(images: int) -> None:
    labels = np.zeros(images, np.int64)
    before, after = np.tile([0.6, 0.4], (images, 1)), np.tile([0.7, 0.3], (images, 1))
    low, high = compare(before, after, labels).ci95
    assert low == -high
    # The share that is missed in 2.5 % of samples of this size.
    assert (1 - high) ** images == pytest.approx(0.025)
    assert compare(before, before, labels).ci95 == (0, 0)


def test_the_interval_of_earlier_versions_is_that_of_the_bootstrap() -> None:
    labels = np.zeros(20, int)
    before, after = np.eye(2)[[1] * 4 + [0] * 16], np.eye(2)[[0] * 20]
    plain = compare(before, after, labels, widened=False)
    assert plain.ci95 == bootstrap(np.array([1.0] * 4 + [0.0] * 16))
    assert plain.ci95[0] > 0 > compare(before, after, labels).ci95[0]
