"""Early stopping: it ends a search that no longer gains, and not one that does."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from blackbox_dft import Tuning
from blackbox_dft._utils.types import Floats
from blackbox_dft.estimators import SearchSpace, make_estimator
from blackbox_dft.estimators.base import Proposal
from blackbox_dft.search.early_stopping import (
    FIRST_INTERVAL,
    INTERVAL_GROWTH,
    MIN_QUERIES,
    STEPS_IN_A_ROW,
    ByMoves,
    ByPromise,
    make_early_stopping,
)
from tests.conftest import Bbdft

PAIRED = ["surface", "nes", "spsa", "finite-difference", "spsa:crossed=true"]
BOUND = 9.0
DEMO = Path(__file__).parents[2] / "blackbox_dft" / "demo" / "assets"


class Still:
    """An estimator that stays where it is put."""

    best = np.zeros(1)
    promised_gain = 0.0

    def ask(self) -> Proposal:
        raise NotImplementedError

    def tell(self, proposal: Proposal, losses: Floats) -> None:
        raise NotImplementedError


class Intervals:
    """Early stopping of one coordinate, in intervals whose promised gains are set by hand."""

    def __init__(self, weight: float = 1.0) -> None:
        self.estimator = Still()
        space = SearchSpace(np.zeros(1), np.array([-BOUND]), np.array([BOUND]))
        self.early_stopping = ByMoves(self.estimator, space)
        self.weight = weight
        self.number, self.end, self.spent = 0, FIRST_INTERVAL, 0
        # The first two intervals only give the first move.
        for _ in range(2):
            self.add(0, 0)

    def add(self, gain: float, error: float) -> bool:
        """One more interval, with this mean gain and its standard error; returns whether to stop after it.

        Iterate number n is n, so that the mean iterate moves by 1. Spans are 2: a pair with the loss difference d
        gains -d * 2 * 1 / 2^2 = -d / 2.
        """
        pairs = (self.end - self.spent) // 2
        self.number += 1
        candidates = self.number + np.repeat([1.0, -1.0], pairs)[:, None]
        # Half of the gains are above the mean by the standard deviation, half below.
        sides = np.where(np.arange(pairs) % 2, 1, -1)
        gains = gain + error * np.sqrt(pairs) * sides
        losses = np.concatenate([-2 * gains, np.zeros(pairs)]) / self.weight
        proposal = Proposal.paired(candidates, np.tile(np.arange(pairs), 2))
        if self.weight != 1:
            proposal = Proposal(
                candidates, proposal.rows, proposal.slots, pairs, weights=np.full(pairs, self.weight), uneven=True
            )
        self.estimator.best = np.array([float(self.number)])
        self.early_stopping.tell(proposal, losses)
        self.spent, self.end = self.end, int(INTERVAL_GROWTH * self.end)
        return self.early_stopping.should_stop


def test_it_stops_after_two_intervals_that_promise_too_little() -> None:
    intervals = Intervals()
    # .0039 and .0041 lie on either side of the least gain that is worth going on for.
    assert [intervals.add(gain, 0) for gain in (0.0041, 0.0039, 0.0039)] == [False, False, True]


def test_the_standard_error_counts_as_promised() -> None:
    intervals = Intervals()
    # .002 + .003 is more than .004, .002 + .001 is not.
    assert [intervals.add(0.002, 0.003) for _ in range(4)] == [False] * 4
    assert [intervals.add(0.002, 0.001) for _ in range(2)] == [False, True]


def test_a_race_for_the_start_is_left_aside() -> None:
    intervals = Intervals()
    race = Proposal.crossed(np.array([[0.0], [3.5], [-3.5]]), 8)
    intervals.estimator.best = np.array([3.0])
    intervals.early_stopping.tell(race, np.arange(24.0))
    intervals.spent += 24
    assert not any(intervals.add(0.0041, 0) for _ in range(3))


def test_the_two_intervals_must_be_consecutive() -> None:
    intervals = Intervals()
    small, large = 0.001, 0.01
    assert [intervals.add(gain, 0) for gain in (small, large, small, large, small)] == [False] * 5
    assert intervals.add(small, 0)


def test_a_loss_that_rises_promises_nothing() -> None:
    intervals = Intervals()
    assert [intervals.add(-0.02, 0.001) for _ in range(2)] == [False, True]


def test_differences_are_weighted() -> None:
    intervals = Intervals(weight=0.5)
    assert [intervals.add(gain, 0) for gain in (0.0041, 0.0039, 0.0039)] == [False, False, True]


def queries_until_stop(
    estimator: str, seed: int, slope: float, curvature: float, noise: float, limit: int, bound: float = BOUND
) -> int:
    """Queries after which a search of losses ``slope z_0 + curvature |z - a|^2`` and noise stops; 0 for never."""
    rng = np.random.default_rng(seed)
    lower, upper = np.full(6, -bound), np.full(6, bound)
    lower[4:], upper[4:] = -np.inf, np.inf
    minimum = np.array([2.0, -1.0, 0.5, 0.0, 1.0, -1.0])
    space = SearchSpace(np.zeros(6), lower, upper)
    made = make_estimator(estimator, space, seed=seed)
    early_stopping = make_early_stopping(made, space, worth=5e-5)
    spent = 0

    def loss(z: Floats) -> Floats:
        away = np.linalg.norm(z - minimum, axis=1)
        return np.asarray(slope * z[:, 0] + curvature * away**2)

    while spent < limit:
        proposal = made.ask()
        # What is peculiar to an image is the same for both of a pair.
        own = rng.normal(size=proposal.images)[proposal.slots]
        losses = loss(proposal.candidates)[proposal.rows] + own + noise * rng.normal(size=proposal.queries)
        made.tell(proposal, losses)
        early_stopping.tell(proposal, losses)
        spent += proposal.queries
        if early_stopping.should_stop:
            return spent
    return 0


@settings(max_examples=15)
@given(st.sampled_from(PAIRED), st.integers(0, 2**31))
def test_it_never_stops_while_losses_fall(estimator: str, seed: int) -> None:
    # So steep that the move of an interval gains far more than MIN_GAIN, and no bound is near.
    limit = int(FIRST_INTERVAL * INTERVAL_GROWTH**6)
    assert queries_until_stop(estimator, seed, slope=0.5, curvature=0, noise=0.02, limit=limit, bound=1e6) == 0


@pytest.mark.parametrize("estimator", ["surface", "nes", "finite-difference"])
@pytest.mark.parametrize("seed", range(3))
def test_it_stops_soon_at_a_minimum(estimator: str, seed: int) -> None:
    queries = queries_until_stop(estimator, seed, slope=0, curvature=0.03, noise=0.02, limit=20_000)
    assert MIN_QUERIES < queries < (2_000 if estimator == "surface" else 20_000)


def test_a_query_that_promises_less_than_its_worth_ends_the_search_after_three_steps() -> None:
    estimator = Still()
    early_stopping = ByPromise(estimator, worth=1e-4)
    proposal = Proposal.paired(np.zeros((16, 1)), np.tile(np.arange(8), 2))

    def steps(promised: float, count: int) -> list[bool]:
        estimator.promised_gain = promised
        found = []
        for _ in range(count):
            early_stopping.tell(proposal, np.zeros(16))
            found.append(early_stopping.should_stop)
        return found

    # After 6 steps of 16 queries .0097 / 96 is more than 1e-4; three steps in a row must promise less.
    assert not any(steps(np.inf, 5))
    assert not any(steps(0.0097, 1))
    assert steps(0.0001, STEPS_IN_A_ROW) == [False, False, True]
    assert steps(1.0, 1) == [False]


def test_nothing_ends_before_the_model_has_seen_a_little() -> None:
    early_stopping = ByPromise(Still(), worth=1.0)
    proposal = Proposal.paired(np.zeros((16, 1)), np.tile(np.arange(8), 2))
    told = 0
    while not early_stopping.should_stop:
        early_stopping.tell(proposal, np.zeros(16))
        told += 16
    assert told == MIN_QUERIES


def test_how_many_queries_are_left_follows_from_what_the_next_promises() -> None:
    estimator = Still()
    early_stopping = ByPromise(estimator, worth=1e-4)
    assert early_stopping.queries_left == np.inf
    proposal = Proposal.paired(np.zeros((200, 1)), np.arange(200))
    early_stopping.tell(proposal, np.zeros(200))
    # A query promises .09 / 200, 4.5 times what it is worth: as the promise falls with the square, sqrt(4.5) times 200.
    estimator.promised_gain = 0.09
    assert early_stopping.queries_left == pytest.approx(200 * (4.5**0.5 - 1))
    # Below its worth already: what is left of the steps in a row is not counted.
    estimator.promised_gain = 0.01
    assert early_stopping.queries_left <= 0


@pytest.mark.slow
def test_a_run_that_stops_early_says_so_and_goes_on_when_given_more(bbdft: Bbdft, tmp_path: Path) -> None:
    run = tmp_path / "run"
    line = [DEMO / "digits.onnx", "--data", DEMO / "labels.csv", "--space", "color", "--budget", 12_000, "--out", run]
    said = bbdft("optimize", *line, code=0)
    first = json.loads((run / "summary.json").read_text())
    assert first["stopped_early"]
    assert "the search stopped early" in said.stdout
    assert first["queries"]["total"] < 9_000
    assert first["verdict"] == "improved"
    z = Tuning.load(run).z
    bbdft("resume", run, code=0)
    np.testing.assert_array_equal(Tuning.load(run).z, z)
    bbdft("resume", run, "--budget", 12_000, code=0)
    second = json.loads((run / "summary.json").read_text())
    assert not second["stopped_early"]
    assert first["queries"]["total"] < second["queries"]["total"] <= 12_000


def test_an_estimator_without_pairs_searches_to_the_end(bbdft: Bbdft, tiny: Path, tmp_path: Path) -> None:
    line = [tiny / "model.onnx", "--data", tiny / "labels.csv", "--out", tmp_path / "run", "--estimator", "cma-es"]
    bbdft("optimize", *line, "--space", "color", "--budget", 900, code=0)
    assert not json.loads((tmp_path / "run/summary.json").read_text())["stopped_early"]
