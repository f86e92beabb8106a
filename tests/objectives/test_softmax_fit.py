"""Penalised fits of softmax models: the same as a general minimiser finds, by either method, together or apart."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as nps
from scipy.optimize import minimize
from scipy.special import log_softmax

from blackbox_dft.objectives import softmax_fit
from blackbox_dft.objectives.softmax_fit import Models, Penalties, SoftmaxProblem

PENALTIES = {
    "temperature": Penalties(scale=0.1),
    "shift": Penalties(bias=1.0),
    "both": Penalties(scale=0.1, bias=1.0),
    "all": Penalties(scale=0.1, bias=1.0, weights=3.0),
}


def problem(labels: int, answers: int = 60, features: int = 3, seed: int = 0) -> SoftmaxProblem:
    """A model that prefers the first label, and features that tell a little more."""
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, labels, answers)
    logits = rng.normal(size=(answers, labels)) + 1.5 * np.eye(labels)[truth] + 2.0 * np.eye(labels)[0]
    made = rng.normal(size=(answers, features)) + truth[:, None] * np.arange(features)
    return SoftmaxProblem(log_softmax(logits, axis=1), truth, made - made.mean(axis=1, keepdims=True))


def loss(of: SoftmaxProblem, weights: np.ndarray, penalties: Penalties, values: np.ndarray) -> float:
    """As the documentation says, from s, b and W in one vector."""
    assert of.features is not None
    count = of.logs.shape[1]
    scale = values[0] * (penalties.scale is not None)
    bias = values[1 : 1 + count] * (penalties.bias is not None)
    matrix = values[1 + count :].reshape(count, -1) * (penalties.weights is not None)
    log_q = log_softmax(np.exp(scale) * of.logs + bias + of.features @ matrix.T, axis=1)
    shrunk = [(penalties.scale, scale), (penalties.bias, bias), (penalties.weights, matrix)]
    return float(
        -weights @ log_q[np.arange(len(weights)), of.labels] + sum((p or 0) * np.sum(part**2) for p, part in shrunk)
    )


def vector(models: Models, number: int = 0) -> np.ndarray:
    one = models.some(slice(number, number + 1))
    return np.concatenate([one.log_scale, one.bias.ravel(), one.weights.ravel()])


@pytest.mark.parametrize("labels", [2, 4])
@pytest.mark.parametrize("kind", PENALTIES)
def test_no_minimiser_finds_less(labels: int, kind: str) -> None:
    of, penalties = problem(labels), PENALTIES[kind]
    weights = np.random.default_rng(1).uniform(0.2, 2, 60)
    found = vector(of.fit(weights[None], penalties))
    best = minimize(lambda v: loss(of, weights, penalties, v), np.zeros(len(found)), tol=1e-10).fun
    assert loss(of, weights, penalties, np.zeros(len(found))) > best + 0.5
    assert loss(of, weights, penalties, found) == pytest.approx(best, abs=1e-5)


@pytest.mark.parametrize("labels", [2, 4])
def test_models_fitted_together_are_those_fitted_apart(labels: int, monkeypatch: pytest.MonkeyPatch) -> None:
    of, penalties = problem(labels), PENALTIES["all"]
    folds = np.arange(60) % 5
    weights = (folds != np.arange(5)[:, None]).astype(float)
    together = of.fit(weights, penalties)
    monkeypatch.setattr(softmax_fit, "MAX_TOGETHER", 0)
    one_at_a_time = of.fit(weights, penalties)
    for fold in range(5):
        rows = np.flatnonzero(folds != fold)
        apart = vector(of.at(rows).fit(np.ones((1, len(rows))), penalties))
        np.testing.assert_allclose(vector(together, fold), apart, atol=1e-3)
        np.testing.assert_allclose(vector(one_at_a_time, fold), apart, atol=1e-12)


@pytest.mark.parametrize("labels", [2, 4])
def test_many_numbers_are_found_by_another_method_to_the_same_end(labels: int, monkeypatch: pytest.MonkeyPatch) -> None:
    of, penalties, weights = problem(labels), PENALTIES["all"], np.ones((2, 60))
    weights[1, ::3] = 0
    few = of.fit(weights, penalties)
    monkeypatch.setattr(softmax_fit, "MAX_NEWTON", 0)
    many = of.fit(weights, penalties)
    for number in range(2):
        of_few, of_many = (loss(of, weights[number], penalties, vector(found, number)) for found in (few, many))
        assert of_few <= of_many + 1e-9
        assert of_many == pytest.approx(of_few, rel=1e-4)


def test_a_start_far_away_leads_to_the_same_end() -> None:
    of, penalties, weights = problem(3), PENALTIES["all"], np.ones((1, 60))
    far = Models(np.array([3.0]), np.array([[6.0, -6.0, 0.0]]), np.zeros((1, 3, 3)))
    np.testing.assert_allclose(vector(of.fit(weights, penalties, far)), vector(of.fit(weights, penalties)), atol=2e-3)


def test_log_likelihoods_are_those_of_each_model_by_hand() -> None:
    of = SoftmaxProblem(np.log([[0.5, 0.5], [0.8, 0.2]]), np.array([0, 1]), np.array([[1.0, -1.0], [0.0, 0.0]]))
    models = Models(
        np.array([0.0, np.log(2)]),
        np.array([[np.log(3), 0.0], [0.0, 0.0]]),
        np.array([[[np.log(2), 0.0], [0.0, 0.0]], np.zeros((2, 2))]),
    )
    # Odds of 3 * 2 for the first label; .8 to .2 squared.
    np.testing.assert_allclose(np.exp(of.log_likelihoods(models, np.array([0, 1]))), [6 / 7, 1 / 17])


@settings(max_examples=80, deadline=None)
@given(
    nps.arrays(np.float64, (12, 3), elements=st.floats(1e-4, 1)),
    nps.arrays(np.int64, 12, elements=st.integers(0, 2)),
    nps.arrays(np.float64, (2, 12), elements=st.sampled_from([0.0, 1e-6, 1.0, 50.0])),
    st.integers(2, 3),
)
def test_whatever_the_answers_the_loss_falls_and_all_is_finite(
    answers: np.ndarray, truth: np.ndarray, weights: np.ndarray, labels: int
) -> None:
    logs = np.log(answers)
    of = SoftmaxProblem(logs[:, :labels], truth % labels, logs - logs.mean(axis=1, keepdims=True))
    for penalties in PENALTIES.values():
        found = of.fit(weights, penalties)
        for number in range(2):
            values = vector(found, number)
            assert np.isfinite(values).all()
            at_first = loss(of, weights[number], penalties, np.zeros(len(values)))
            assert loss(of, weights[number], penalties, values) <= at_first * (1 + 1e-9)


def test_a_single_label_is_sure_whatever_the_numbers() -> None:
    problem = SoftmaxProblem(np.zeros((3, 1)), np.zeros(3, int), np.zeros((3, 1)))
    found = problem.fit(np.ones((2, 3)), Penalties(scale=0.1, bias=1.0, weights=1.0))
    assert not np.any([found.log_scale, found.bias[:, 0], found.weights[:, 0, 0]])
