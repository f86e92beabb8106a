"""Paired tests over seeds and images, and what many of them are worth."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import ttest_1samp

from blackbox_dft.evaluation.seeds import crossed, holm


@given(st.integers(2, 40), st.integers(0, 2**32 - 1))
def test_one_seed_is_the_paired_t_test(images: int, seed: int) -> None:
    differences = np.random.default_rng(seed).integers(-1, 2, images)
    found = crossed(differences[None])
    assert found.mean == pytest.approx(differences.mean())
    if differences.std():
        known = ttest_1samp(differences, 0)
        assert found.p == pytest.approx(float(known.pvalue))
        assert found.ci95 == pytest.approx(known.confidence_interval(0.95))


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
    found = crossed(np.repeat(one, 4, axis=1), np.repeat(np.arange(200), 4))
    assert found == crossed(one)
    assert crossed(np.repeat(one, 4, axis=1)).p < found.p


def test_false_alarms_are_as_rare_as_they_are_said_to_be() -> None:
    rng = np.random.default_rng(3)
    tables = (
        rng.normal(0, 0.02, (5, 1)) + rng.normal(0, 0.2, (1, 200)) + rng.normal(0, 0.3, (5, 200)) for _ in range(1000)
    )
    # Of 1000 at 5 %, 50 are expected; over 75 would come by chance less than once in a thousand.
    assert 15 < sum(crossed(differences).p < 0.05 for differences in tables) < 75


@settings(max_examples=50)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
def test_holm_never_lowers_and_keeps_the_order(p: list[float]) -> None:
    adjusted = holm(p)
    assert all(p[i] <= adjusted[i] <= 1 for i in range(len(p)))
    order = np.argsort(p, kind="stable")
    assert (np.diff(np.array(adjusted)[order]) >= 0).all()
    assert adjusted[order[0]] == pytest.approx(min(1.0, len(p) * p[order[0]]))


def test_holm_on_its_paper_s_kind_of_example() -> None:
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
