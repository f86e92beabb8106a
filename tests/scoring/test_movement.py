"""Movement of fixed images' scores: no alarm in a year without a change, and one on the first day of a change."""

from collections.abc import Callable

import numpy as np
import pytest

from blackbox_dft._utils.types import Floats, Ints
from blackbox_dft.scoring.movement import Moved, Tolerance, confirmed, movement

DAYS, IMAGES, CLASSES = 365, 60, 10

Target = Callable[[Floats], Floats]
"""Probabilities ``(N, K)`` to those that it returns today."""


def noisy(sigma: float, rng: np.random.Generator) -> Target:
    return lambda p: np.clip(p + rng.normal(0, sigma, p.shape), 1e-6, 1) if sigma else p


def probabilities(rng: np.random.Generator) -> Floats:
    return rng.dirichlet(np.full(CLASSES, 0.2), IMAGES)


def alarms(scores: Floats, before: Target, after: Target, days: int, *, labels_only: bool = False) -> int:
    """In how many of ``days`` checks the model seems to have changed."""
    then, now, again = before(scores), before(scores), before(scores)

    def moved(one: Floats, other: Floats) -> Floats:
        return movement(one, other, labels_only=labels_only)

    noise, found = Moved.of(moved(now, again)), 0
    tolerance = Tolerance.of(float(np.ptp(then)), noise, len(then), labels_only=labels_only)
    for _ in range(days):

        def measure(number: int, images: Ints) -> Floats:
            return moved(then[images], after(scores[images]))

        found += bool(tolerance.exceeded(Moved.of(confirmed(moved(then, after(scores)), tolerance, measure))))
    return found


@pytest.mark.parametrize("sigma", [0, 0.001, 0.003, 0.01, 0.05])
def test_no_alarm_in_a_year_of_an_unchanged_model(sigma: float) -> None:
    years = 0
    for seed in range(8):
        rng = np.random.default_rng(seed)
        target = noisy(sigma, rng)
        years += alarms(probabilities(rng), target, target, DAYS) > 0
    assert years == 0


def test_labels_that_flip_now_and_then_are_no_drift() -> None:
    years = 0
    for seed in range(8):
        rng = np.random.default_rng(seed)

        def flipping(labels: Floats, rng: np.random.Generator = rng) -> Floats:
            other = rng.integers(0, CLASSES, labels.shape)
            return np.where(rng.random(labels.shape) < 0.005, other, labels)

        labels = rng.integers(0, CLASSES, (IMAGES, 1)).astype(float)
        years += alarms(labels, flipping, flipping, DAYS, labels_only=True) > 0
    assert years <= 1


@pytest.mark.parametrize("sigma", [0, 0.003, 0.01])
def test_swapped_classes_and_a_retrained_model_are_found_at_once(sigma: float) -> None:
    for seed in range(50):
        rng = np.random.default_rng(seed)
        target, scores = noisy(sigma, rng), probabilities(rng)

        def swapped(p: Floats, target: Target = target) -> Floats:
            return target(p[:, [1, 0, *range(2, CLASSES)]])

        assert alarms(scores, target, swapped, 1)
        sign = rng.choice([-1.0, 1.0], CLASSES)

        def retrained(p: Floats, target: Target = target, sign: Floats = sign) -> Floats:
            return target(p + 0.05 * sign)

        assert sigma > 0.003 or alarms(scores, target, retrained, 1)


def test_scores_that_go_missing_or_change_their_number() -> None:
    then = np.array([[0.2, 0.8], [0.0, 0.0], [0.5, 0.5], [0.1, 0.9]])
    now = np.array([[0.25, 0.75], [0.0, 0.0], [np.nan, np.inf], [0.1, 0.9]])
    np.testing.assert_allclose(movement(then, now), [0.05, 0, np.inf, 0])
    assert Moved.of(movement(then, now)) == Moved(pytest.approx(0.05), pytest.approx(0.05 / 3), 1)
    assert np.isinf(movement(then, now[:, :1])).all()
    # Of two views, the one that moved more.
    np.testing.assert_allclose(movement(then.reshape(2, 4), now.reshape(2, 4), views=2), [0.05, np.inf])
    np.testing.assert_array_equal(
        movement(np.array([[3.0], [7.0]]), np.array([[3.0], [1.0]]), labels_only=True), [0, 1]
    )
    sentence = "scores of 1 images went missing, came back, or are of another number"
    assert Tolerance.of(1.0, Moved(), 60).exceeded(Moved(missing=1)) == [sentence]
    assert not Tolerance.of(1.0, Moved(missing=1), 60).exceeded(Moved(missing=5))
