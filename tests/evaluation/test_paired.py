"""Statistics against textbook values and against their own definition."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest, norm

from blackbox_dft.evaluation.paired import bootstrap, compare
from blackbox_dft.evaluation.threshold import fit_threshold
from blackbox_dft.images.similarity import psnr, ssim


def decided(answers: list[int], labels: int = 2) -> np.ndarray:
    return np.eye(labels)[answers]


def test_mcnemar_is_the_exact_sign_test() -> None:
    labels = np.zeros(20, np.int64)
    before = decided([1] * 9 + [0] * 11)
    after = decided([0] * 8 + [1] + [0] * 10 + [1])
    found = compare(before, after, labels)
    # 8 gained, 1 lost: 2 * (C(9,0) + C(9,1)) / 2^9.
    assert found.mcnemar_p == pytest.approx(2 * (1 + 9) / 512)
    assert (found.before, found.after, found.n) == (11 / 20, 18 / 20, 20)
    assert compare(before, before, labels).mcnemar_p == 1
    assert compare(before, before, labels).ci95 == (0, 0)


@settings(max_examples=60)
@given(st.integers(0, 80), st.integers(0, 80))
def test_mcnemar_is_the_binomial_test_of_the_decisions_that_changed(gained: int, lost: int) -> None:
    labels = np.zeros(gained + lost + 1, np.int64)
    before, after = decided([1] * gained + [0] * (lost + 1)), decided([0] * gained + [1] * lost + [0])
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


@pytest.mark.parametrize("shift", [0, 2, -4])
def test_threshold_of_a_few_images_mends_what_is_shifted_and_leaves_what_is_right(shift: float) -> None:
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, 4000)
    odds = 2.0 * (2 * labels - 1) + rng.logistic(size=len(labels))

    def right(cut: float, some: np.ndarray) -> float:
        return float(((odds[some] > cut) == labels[some]).mean())

    every = np.arange(len(labels))
    second = 1 / (1 + np.exp(-(odds + shift)))
    probabilities = np.stack([1 - second, second], 1)
    few = [rng.choice(len(labels), 80, replace=False) for _ in range(40)]
    found = [fit_threshold(probabilities[some], labels[some])(probabilities) for some in few]
    lost = [right(0, every) - (answers.argmax(1) == labels).mean() for answers in found]
    assert np.mean(lost) < 0.006
    # The cut that is best on the few themselves loses more on all.
    best = [max(odds[some], key=lambda cut, some=some: right(cut, some)) for some in few]
    assert np.mean([right(0, every) - right(cut, every) for cut in best]) > 1.5 * np.mean(lost)


@settings(max_examples=60)
@given(st.lists(st.tuples(st.floats(0, 1), st.integers(0, 2)), min_size=1, max_size=30))
def test_threshold_is_finite_and_one_shift_for_all(rows: list[tuple[float, int]]) -> None:
    first = np.array([p for p, _ in rows])
    probabilities = np.stack([first, (1 - first) / 3, 2 * (1 - first) / 3], 1)
    shift = fit_threshold(probabilities, np.array([label for _, label in rows]))
    assert np.isfinite(shift.bias).all()
    shifted = shift(probabilities)
    assert np.allclose(shifted.sum(1), 1)
    # Sure of the first label before means sure of it in the same order after.
    assert (np.diff(shifted[np.argsort(first, kind="stable"), 0]) > -1e-9).all()


def test_bias_mends_scores_that_favour_one_of_many_labels() -> None:
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 4, 3000)
    logits = 2.0 * np.eye(4)[labels] + rng.gumbel(size=(3000, 4))
    logits[:, 2] += 3
    probabilities = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    biased = (probabilities.argmax(1) == labels).mean()
    mended = (fit_threshold(probabilities, labels)(probabilities).argmax(1) == labels).mean()
    logits[:, 2] -= 3
    fair = (logits.argmax(1) == labels).mean()
    assert biased < fair - 0.1
    assert mended == pytest.approx(fair, abs=0.01)


def test_psnr_and_ssim_of_known_changes() -> None:
    rng = np.random.default_rng(0)
    images = rng.integers(20, 230, (3, 32, 32, 3)).astype(np.uint8)
    assert psnr(images, images) is None
    assert psnr(images, images + 8) == pytest.approx(20 * np.log10(255 / 8), abs=1e-4)
    assert ssim(images, images) == pytest.approx(1)
    assert ssim(images, 255 - images) < 0.1 < ssim(images, images + 8)
