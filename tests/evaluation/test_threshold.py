"""The free threshold: how it is fitted, and that it corrects a shift of the scores."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import brentq
from scipy.special import expit

from blackbox_dft.evaluation.threshold import Calibration, fit_threshold


@pytest.mark.parametrize(("first", "second"), [(1, 0), (3, 1), (20, 5)])
def test_the_penalty_by_hand(first: int, second: int) -> None:
    # All images have p = (.5, .5), so that the slope has no effect and the biases are (b, -b): the penalised likelihood
    # .1 * 2 b^2 - n0 log s(2 b) - n1 log s(-2 b) has the derivative .4 b - 2 n0 + 2 (n0 + n1) s(2 b) = 0.
    total = first + second
    bias = brentq(lambda b: 0.4 * b - 2 * first + 2 * total * expit(2 * b), 0, 10)
    found = fit_threshold(np.full((total, 2), 0.5), np.repeat([0, 1], [first, second])).bias
    np.testing.assert_allclose(found, [bias, -bias], atol=2e-4)
    if not second:
        # Without the penalty the bias would be infinite.
        assert bias == pytest.approx(0.8168, abs=1e-4)


def test_a_bias_of_log_odds_shifts_the_decision_by_hand() -> None:
    shifted = Calibration(np.log([1.0, 3.0]))(np.array([[0.75, 0.25], [1.0, 0.0]]))
    np.testing.assert_allclose(shifted, [[0.5, 0.5], [1, 3e-9]], atol=1e-8)


@pytest.mark.parametrize("shift", [0, 2, -4])
def test_a_threshold_of_few_images_corrects_a_shift_and_keeps_what_is_right(shift: float) -> None:
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, 4000)
    odds = 2.0 * (2 * labels - 1) + rng.logistic(size=len(labels))

    def right(cut: float, some: np.ndarray) -> float:
        return float(((odds[some] > cut) == labels[some]).mean())

    every = np.arange(len(labels))
    second = 1 / (1 + np.exp(-(odds + shift)))
    probabilities = np.stack([1 - second, second], 1)
    few = [rng.choice(len(labels), 80, replace=False) for _ in range(40)]
    fitted = [fit_threshold(probabilities[some], labels[some])(probabilities) for some in few]
    lost = [right(0, every) - (p.argmax(1) == labels).mean() for p in fitted]
    assert np.mean(lost) < 0.006
    # The cut that is best on the few themselves loses more on all.
    best = [max(odds[some], key=lambda cut, some=some: right(cut, some)) for some in few]
    assert np.mean([right(0, every) - right(cut, every) for cut in best]) > 1.5 * np.mean(lost)


@settings(max_examples=60)
@given(st.lists(st.tuples(st.floats(0, 1), st.integers(0, 2)), min_size=1, max_size=30))
def test_a_threshold_is_finite_and_keeps_the_order(rows: list[tuple[float, int]]) -> None:
    first = np.array([p for p, _ in rows])
    probabilities = np.stack([first, (1 - first) / 3, 2 * (1 - first) / 3], 1)
    shift = fit_threshold(probabilities, np.array([label for _, label in rows]))
    assert np.isfinite(shift.bias).all()
    shifted = shift(probabilities)
    assert np.allclose(shifted.sum(1), 1)
    # Images keep their order by the probability of the first label.
    assert (np.diff(shifted[np.argsort(first, kind="stable"), 0]) > -1e-9).all()


def test_the_bias_corrects_scores_that_favour_one_of_many_labels() -> None:
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 4, 3000)
    logits = 2.0 * np.eye(4)[labels] + rng.gumbel(size=(3000, 4))
    logits[:, 2] += 3
    probabilities = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    biased = (probabilities.argmax(1) == labels).mean()
    corrected = (fit_threshold(probabilities, labels)(probabilities).argmax(1) == labels).mean()
    logits[:, 2] -= 3
    fair = (logits.argmax(1) == labels).mean()
    assert biased < fair - 0.1
    assert corrected == pytest.approx(fair, abs=0.01)


def test_images_without_a_score_do_not_move_the_threshold_and_stay_undecided() -> None:
    rng = np.random.default_rng(0)
    second = rng.uniform(size=50)
    p, labels = np.stack([1 - second, second], 1), (second > 0.3).astype(int)
    with_gaps = np.concatenate([p, np.full((20, 2), np.nan)])
    found = fit_threshold(with_gaps, np.concatenate([labels, np.zeros(20, int)]))
    np.testing.assert_array_equal(found.bias, fit_threshold(p, labels).bias)
    assert np.isnan(found(with_gaps)[50:]).all()
    np.testing.assert_array_equal(fit_threshold(with_gaps[50:], np.zeros(20, int)).bias, [0, 0])
