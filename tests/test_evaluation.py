"""Statistics against textbook values and against their own definition."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import norm

from blackbox_dft.evaluation import bootstrap, compare, fit_threshold, psnr, ssim


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


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.floats(0, 1), st.integers(0, 1)), min_size=2, max_size=30),
)
def test_threshold_is_the_best_cut_there_is(rows: list[tuple[float, int]]) -> None:
    second = np.array([p for p, _ in rows])
    labels = np.array([label for _, label in rows])
    probabilities = np.stack([1 - second, second], 1)
    found = (fit_threshold(probabilities, labels)(probabilities).argmax(1) == labels).mean()
    # Two probabilities nearer to each other than their logarithms can tell count as one.
    odds = np.log(np.clip(second, 1e-9, 1)) - np.log(np.clip(1 - second, 1e-9, 1))
    cuts = [
        -np.inf,
        *((a + b) / 2 for a, b in zip(sorted(odds)[:-1], sorted(odds)[1:], strict=True) if b - a > 1e-6),
        np.inf,
    ]
    best = max(((odds > cut).astype(int) == labels).mean() for cut in cuts)
    assert found >= best - 1e-12


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
