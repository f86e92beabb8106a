"""A start by racing: what it finds, what it costs where there is nothing to find, and proposals in flight."""

from collections import deque
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from blackbox_dft.estimators import SearchSpace, make_estimator
from blackbox_dft.estimators.base import Estimator, Proposal, SupportsDelayedTell
from blackbox_dft.estimators.raced_start import RacedStart

SIZE, STEP = 4, 3.5
SPACE = SearchSpace(np.zeros(SIZE), np.full(SIZE, -7.0), np.full(SIZE, 7.0))
STEPS = np.array([[STEP, 0, 0, 0]])


def raced(spec: str = "surface", space: SearchSpace = SPACE, steps: np.ndarray = STEPS, seed: int = 0) -> RacedStart:
    return RacedStart(space, steps, lambda other: make_estimator(spec, other, seed=seed))


def flat(goal: float, rng: np.random.Generator, spread: float = 0.1) -> Callable[[Proposal], np.ndarray]:
    """A bounded loss of the first coordinate, and of images that differ."""

    def losses(proposal: Proposal) -> np.ndarray:
        away = proposal.candidates[proposal.rows, 0] - goal
        image = rng.normal(0, spread, proposal.images)[proposal.slots]
        return 0.5 * (1 - np.exp(-((away / 4) ** 2))) + image + rng.normal(0, spread, proposal.queries)

    return losses


def race(estimator: RacedStart, losses: Callable[[Proposal], np.ndarray], in_flight: int = 1, most: int = 400) -> int:
    """Queries until the search at the new start has begun."""
    asked: deque[Proposal] = deque()
    spent = 0
    while estimator.is_racing and spent < most:
        while len(asked) < in_flight:
            asked.append(estimator.ask())
        proposal = asked.popleft()
        estimator.tell(proposal, losses(proposal))
        spent += proposal.queries
    return spent


@pytest.mark.parametrize("goal", [-6.0, -4.0, 4.0, 6.0])
@pytest.mark.parametrize("spec", ["surface", "nes", "cma-es", "random", "spsa", "finite-difference"])
def test_every_estimator_begins_near_a_far_optimum(goal: float, spec: str) -> None:
    estimator = raced(spec)
    spent = race(estimator, flat(goal, np.random.default_rng(0)))
    assert abs(estimator.best[0] - goal) < 2
    assert (estimator.best[1:] == 0).all()
    assert spent <= 130
    assert isinstance(estimator, SupportsDelayedTell) == (spec not in ("cma-es", "random"))
    assert np.abs(estimator.ask().candidates.mean(axis=0) - estimator.best).max() < 2.5


def test_near_an_optimum_it_costs_one_twentieth_of_500_queries() -> None:
    rng = np.random.default_rng(1)
    estimators = [raced(seed=seed) for seed in range(20)]
    spent = [race(estimator, flat(0, rng, spread=0.15)) for estimator in estimators]
    assert np.median(spent) == 24
    assert max(abs(estimator.best[0]) for estimator in estimators) < 2


def test_a_race_by_hand() -> None:
    estimator = raced()
    first = estimator.ask()
    assert first.uneven
    np.testing.assert_array_equal(first.candidates[:, 0], [0, 3.5, -3.5])
    np.testing.assert_array_equal(first.slots, [*range(8)] * 3)
    level = np.tile([0.0, 0.1], 4)
    # 3.5 is lower by .2 on every other image and equal on the rest: mean -.1, that is 2.6 standard errors.
    estimator.tell(first, np.concatenate([level, level - [0, 0.2] * 4, level + 0.05]))
    assert estimator.is_racing
    assert estimator.best[0] == 3.5
    second = estimator.ask()
    np.testing.assert_array_equal(second.candidates[:, 0], [3.5, 7])
    # 7 is higher by .1 on all: lost. The parabola through .1, 0 and .1 above the best has its minimum there.
    estimator.tell(second, np.concatenate([level, level + 0.1]))
    assert not estimator.is_racing
    np.testing.assert_array_equal(estimator.best, [3.5, 0, 0, 0])


@pytest.mark.parametrize(
    ("fall", "rise", "start"),
    # Offsets of (fall - rise) / 2 / (fall + rise) steps, in 32nds: 1/4 is 8, 1/6 rounds to 5, -1/4 is -8.
    [(0.3, 0.1, 3.5 * (1 + 8 / 32)), (0.2, 0.1, 3.5 * (1 + 5 / 32)), (0.1, 0.3, 3.5 * (1 - 8 / 32))],
)
def test_the_start_is_the_minimum_of_a_parabola(fall: float, rise: float, start: float) -> None:
    estimator = raced()
    zeros = np.zeros(8)
    estimator.tell(estimator.ask(), np.concatenate([zeros, zeros - fall, zeros + 1]))
    estimator.tell(estimator.ask(), np.concatenate([zeros, zeros + rise]))
    assert estimator.best[0] == start


def test_importance_weights_count() -> None:
    estimator = raced()
    proposal = replace(estimator.ask(), weights=np.array([5.0] + [3 / 7] * 7))
    # Seven images gain .1 from 3.5, the first loses .3; by weight it loses more than they gain.
    better = np.full(8, -0.1)
    better[0] = 0.3
    estimator.tell(proposal, np.concatenate([np.zeros(8), better, np.ones(8)]))
    assert not estimator.is_racing
    assert estimator.best[0] < STEP / 2


def test_a_rival_that_is_out_is_not_asked_for_again() -> None:
    estimator = raced()
    rng = np.random.default_rng(0)
    unsure = rng.permutation([-1.0, 1, -1, 1, -1, 1, -1, 1])
    estimator.tell(estimator.ask(), np.concatenate([np.zeros(8), unsure, np.ones(8)]))
    again = estimator.ask()
    np.testing.assert_array_equal(again.candidates[:, 0], [0, 3.5])
    assert again.images == 4


def test_steps_beyond_the_bounds_do_not_race() -> None:
    space = SearchSpace(np.zeros(SIZE), np.full(SIZE, -1.0), np.full(SIZE, 1.0))
    estimator = raced(space=space)
    assert not estimator.is_racing
    other = make_estimator("surface", space, seed=0)
    np.testing.assert_array_equal(estimator.ask().candidates, other.ask().candidates)
    assert not raced(steps=np.empty((0, SIZE))).is_racing


def test_one_direction_after_the_other() -> None:
    steps = np.array([[3.5, 0, 0, 0], [0, 3.5, 0, 0]])
    estimator = raced(steps=steps)

    def losses(proposal: Proposal) -> np.ndarray:
        return ((proposal.candidates[proposal.rows, :2] - [3.5, -3.5]) ** 2).sum(axis=1)

    race(estimator, losses)
    np.testing.assert_array_equal(estimator.best, [3.5, -3.5, 0, 0])


@pytest.mark.parametrize("in_flight", [2, 5, 16])
def test_proposals_in_flight_are_told_in_their_order(in_flight: int) -> None:
    far, near = raced(), raced()
    spent = race(far, flat(5, np.random.default_rng(0)), in_flight)
    assert abs(far.best[0] - 5) < 2
    # Nothing moves the first start: pairs about it, asked beyond what the race takes, are learned from.
    race(near, lambda proposal: (proposal.candidates[proposal.rows, 0] * STEP) ** 2, in_flight)
    assert near.best[0] == 0
    assert spent <= 16 * in_flight * 10


def test_the_same_losses_lead_to_the_same_proposals() -> None:
    def run() -> list[np.ndarray]:
        estimator: Estimator = raced()
        losses = flat(5, np.random.default_rng(0))
        asked = []
        for _ in range(20):
            proposal = estimator.ask()
            asked.append(proposal.candidates)
            estimator.tell(proposal, losses(proposal))
        return asked

    for one, other in zip(run(), run(), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize(("goal", "won"), [(5.0, True), (0.5, False)])
def test_the_other_estimator_learns_whether_its_start_won(goal: float, won: bool) -> None:
    made: list[SearchSpace] = []

    def make(space: SearchSpace) -> Estimator:
        made.append(space)
        return make_estimator("surface", space)

    race(RacedStart(SPACE, STEPS, make), lambda proposal: (proposal.candidates[proposal.rows, 0] - goal) ** 2)
    assert [space.won for space in made] == [False, won]
    assert abs(made[-1].start[0] - goal) < 0.1
