"""Paired tests over seeds and images, and Holm's correction."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import ttest_1samp

from blackbox_dft.evaluation.seeds import crossed, holm


@given(st.integers(2, 40), st.integers(0, 2**32 - 1))
def test_one_seed_is_the_paired_t_test(images: int, seed: int) -> None:
    differences = np.random.default_rng(seed).integers(-1, 2, images)
    result = crossed(differences[None])
    assert result.mean == pytest.approx(differences.mean())
    if differences.std():
        known = ttest_1samp(differences, 0)
        assert result.p == pytest.approx(float(known.pvalue))
        assert result.ci95 == pytest.approx(known.confidence_interval(0.95))


def test_two_seeds_and_two_images_by_hand() -> None:
    # Means of seeds 3 and 1, of images 2.5 and 1.5, of all 2: MS(seeds) = 2 * 2 = 4, MS(images) = 2 * .5 = 1; what is
    # left is .5, -.5, -.5, .5, MS(rest) = 1. Hillis et al. (2008): the variance is 4 + (1 - 1) = 4 over 4 values, with
    # 4^2 / (4^2 / 1) = 1 degree of freedom: t = 2 / 1, of a Cauchy distribution.
    result = crossed(np.array([[4, 2], [1, 1]]))
    assert result.p == pytest.approx(1 - 2 * np.arctan(2) / np.pi)
    reach = np.tan(0.475 * np.pi)
    assert (result.mean, result.ci95) == (2, pytest.approx((2 - reach, 2 + reach)))


def test_seeds_that_differ_by_less_than_noise_have_its_variance_by_hand() -> None:
    # Means of seeds 1 and 1, of images 1: MS(seeds) = MS(images) = 0; what is left is 0, -1, 1, 0, 1, -1,
    # MS(rest) = 4 / 2 = 2. It stands for MS(seeds), with 1 * 3 degrees of freedom: the variance of the mean is
    # (2 + max(0 - 2, 0)) / 6 = 1/3 with 2^2 / (2^2 / 3) = 3 degrees. t = sqrt(3).
    result = crossed(np.array([[1, 0, 2], [1, 2, 0]]))
    # The distribution of t with 3 degrees: 1/2 + (x / (1 + x^2) + arctan x) / pi at x = t / sqrt(3) = 1.
    assert result.p == pytest.approx(2 * (0.5 - (0.5 + np.pi / 4) / np.pi))
    # Its 97.5 % point is 3.1824.
    assert result.ci95 == pytest.approx((1 - 3.1824 / np.sqrt(3), 1 + 3.1824 / np.sqrt(3)), abs=1e-4)


def test_seeds_and_images_both_count() -> None:
    rng = np.random.default_rng(1)
    image_effect = rng.normal(0.05, 0.3, 400)
    alike = np.tile(image_effect, (5, 1))
    # Five copies of one seed are no more evidence than one.
    assert crossed(alike).p == pytest.approx(crossed(alike[:1]).p, rel=0.05)
    # Seeds that disagree by more than the mean leave it open, however many images there are.
    apart = rng.normal(0.05, 0.3, (5, 1)) + rng.normal(0, 0.01, (5, 10_000))
    assert crossed(apart).p > 0.1
    assert crossed(apart).ci95[0] < 0 < crossed(apart).ci95[1]


def test_images_of_one_person_count_once() -> None:
    one = np.random.default_rng(2).normal(0.02, 0.3, (3, 200))
    result = crossed(np.repeat(one, 4, axis=1), np.repeat(np.arange(200), 4))
    assert result == crossed(one)
    assert crossed(np.repeat(one, 4, axis=1)).p < result.p


def test_false_alarms_are_as_rare_as_stated() -> None:
    rng = np.random.default_rng(3)
    tables = (
        rng.normal(0, 0.02, (5, 1)) + rng.normal(0, 0.2, (1, 200)) + rng.normal(0, 0.3, (5, 200)) for _ in range(1000)
    )
    # Of 1000 at 5 %, 50 are expected; over 75 would come by chance less than once in a thousand.
    assert 15 < sum(crossed(differences).p < 0.05 for differences in tables) < 75


@settings(max_examples=50)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
def test_holm_never_lowers_a_p_value_and_keeps_the_order(p: list[float]) -> None:
    adjusted = holm(p)
    assert all(p[i] <= adjusted[i] <= 1 for i in range(len(p)))
    order = np.argsort(p, kind="stable")
    assert (np.diff(np.array(adjusted)[order]) >= 0).all()
    assert adjusted[order[0]] == pytest.approx(min(1.0, len(p) * p[order[0]]))


def test_holm_by_hand() -> None:
    # 3 * .01, 2 * .03, and the last no less than the one before it.
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
