"""Minibatch samplers: stratified draws and importance sampling."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from blackbox_dft.search.minibatches import MIN_INFORMATIVENESS, ImportanceSampler, StratifiedSampler


@given(count=st.integers(2, 40), draws=st.integers(1, 50), seed=st.integers(0, 5))
def test_every_image_is_drawn_once_before_any_twice(count: int, draws: int, seed: int) -> None:
    indices = np.arange(100, 100 + count)
    draw = StratifiedSampler(indices, np.arange(200) % 2, seed)
    drawn = np.concatenate([draw(draws) for _ in range(3 * count // draws + 1)])
    for start in range(0, len(drawn) - count + 1, count):
        assert sorted(drawn[start : start + count]) == indices.tolist()


def test_every_minibatch_has_each_class_in_proportion() -> None:
    labels = np.array([0] * 75 + [1] * 25)
    draw = StratifiedSampler(np.arange(100), labels, 0)
    for _ in range(5):
        assert abs((labels[draw(20)] == 1).sum() - 5) <= 1


@given(seed=st.integers(0, 20), known=st.integers(0, 60))
def test_weights_undo_the_uneven_draw(seed: int, known: int) -> None:
    indices, labels = np.arange(60), np.arange(60) % 3
    importance = ImportanceSampler(indices, labels, seed)
    rng = np.random.default_rng(seed)
    importance.update(rng.permutation(60)[:known], rng.random(known))
    values = rng.normal(size=60)
    total = np.zeros(2)
    for _ in range(400):
        images, weights = importance(30)
        total += [weights @ values[images], weights.sum()]
    # The mean over the split, and as many images as were drawn.
    np.testing.assert_allclose(total / (400 * 30), [values.mean(), 1], atol=0.05)
    assert weights.max() <= (0.25 + MIN_INFORMATIVENESS) / MIN_INFORMATIVENESS


def test_weights_by_hand() -> None:
    importance = ImportanceSampler(np.arange(2), np.zeros(2, np.int64), 0)
    # Informativeness .25 + .02 and .09 + .02, whose mean is .19.
    importance.update(np.array([0, 1]), np.array([0.5, 0.9]))
    images, weights = importance(50)
    np.testing.assert_allclose(weights, np.array([0.19 / 0.27, 0.19 / 0.11])[images])
    # A second probability of an image is averaged with the first: (.9 + .5) / 2 = .7, .21 + .02.
    importance.update(np.array([1]), np.array([0.5]))
    images, weights = importance(50)
    np.testing.assert_allclose(weights, np.array([0.25 / 0.27, 0.25 / 0.23])[images])


def test_images_near_the_decision_boundary_are_drawn_more_often() -> None:
    importance = ImportanceSampler(np.arange(40), np.zeros(40, np.int64), 0)
    importance.update(np.arange(40), np.where(np.arange(40) < 10, 0.5, 0.999))
    images = np.concatenate([importance(16)[0] for _ in range(50)])
    assert 0.7 < np.mean(images < 10) < 0.9
    assert set(range(40)) == set(images.tolist())


def test_the_same_seed_and_probabilities_give_the_same_images() -> None:
    draws = []
    for _ in range(2):
        importance = ImportanceSampler(np.arange(30), np.arange(30) % 2, 3)
        rng = np.random.default_rng(0)
        drawn = []
        for _ in range(10):
            images, weights = importance(8)
            importance.update(np.tile(images, 2), rng.random(16))
            drawn.append((images.tolist(), weights.tolist()))
        draws.append(drawn)
    assert draws[0] == draws[1]


def test_draws_made_together_are_those_made_one_by_one() -> None:
    one_by_one, together = (ImportanceSampler(np.arange(30), np.arange(30) % 2, 3) for _ in range(2))
    rng = np.random.default_rng(0)
    for draws in (1, 4, 2):
        expected = [one_by_one(8) for _ in range(draws)]
        images, weights = together.draw(8, draws)
        np.testing.assert_array_equal(images, [drawn for drawn, _ in expected])
        np.testing.assert_array_equal(weights, [weight for _, weight in expected])
        probabilities = rng.random(8)
        for importance in (one_by_one, together):
            importance.update(images[0], probabilities)
