"""Images drawn in turn, and images drawn by how much they tell."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from blackbox_dft.search.minibatches import FLOOR, ImportanceSampler, StratifiedSampler


@given(count=st.integers(2, 40), ask=st.integers(1, 50), seed=st.integers(0, 5))
def test_every_image_once_before_any_twice(count: int, ask: int, seed: int) -> None:
    indices = np.arange(100, 100 + count)
    draw = StratifiedSampler(indices, np.arange(200) % 2, seed)
    drawn = np.concatenate([draw(ask) for _ in range(3 * count // ask + 1)])
    for start in range(0, len(drawn) - count + 1, count):
        assert sorted(drawn[start : start + count]) == indices.tolist()


@given(seed=st.integers(0, 20), known=st.integers(0, 60))
def test_weights_undo_the_uneven_draw(seed: int, known: int) -> None:
    indices, labels = np.arange(60), np.arange(60) % 3
    importance = ImportanceSampler(indices, labels, seed)
    rng = np.random.default_rng(seed)
    importance.told(rng.permutation(60)[:known], rng.random(known))
    values = rng.normal(size=60)
    total = np.zeros(2)
    for _ in range(400):
        images, weights = importance(30)
        total += [weights @ values[images], weights.sum()]
    # The mean over the split, and as many images as were drawn.
    np.testing.assert_allclose(total / (400 * 30), [values.mean(), 1], atol=0.05)
    assert weights.max() <= (0.25 + FLOOR) / FLOOR


def test_images_near_the_decision_come_more_often() -> None:
    importance = ImportanceSampler(np.arange(40), np.zeros(40, np.int64), 0)
    importance.told(np.arange(40), np.where(np.arange(40) < 10, 0.5, 0.999))
    images = np.concatenate([importance(16)[0] for _ in range(50)])
    assert 0.7 < np.mean(images < 10) < 0.9
    assert set(range(40)) == set(images.tolist())


def test_the_same_seed_and_answers_give_the_same_images() -> None:
    courses = []
    for _ in range(2):
        importance = ImportanceSampler(np.arange(30), np.arange(30) % 2, 3)
        rng = np.random.default_rng(0)
        trajectory = []
        for _ in range(10):
            images, weights = importance(8)
            importance.told(np.tile(images, 2), rng.random(16))
            trajectory.append((images.tolist(), weights.tolist()))
        courses.append(trajectory)
    assert courses[0] == courses[1]
