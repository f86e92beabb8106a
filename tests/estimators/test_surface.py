"""The response surface: its groups of coordinates, far starts, importance weights."""

from dataclasses import replace

import numpy as np
import pytest

from blackbox_dft.estimators import SearchSpace, make_estimator
from blackbox_dft.estimators.base import Proposal, ask_together
from blackbox_dft.estimators.surface import Surface
from tests.helpers.quadratic import Quadratic, make


def test_it_learns_declared_ranges_first_and_then_all_coordinates() -> None:
    bounds = np.concatenate([np.full(4, 9.0), np.full(60, np.inf)])
    surface = make_estimator("surface:head=80", SearchSpace(np.zeros(64), -bounds, bounds))
    moved = []
    for _ in range(40):
        proposal = surface.ask()
        spread = proposal.candidates.std(axis=0) > 0
        assert spread[:4].all() != spread[4:].any()
        moved.append("ranged" if spread[0] else "other")
        surface.tell(proposal, Quadratic(64, 0).losses(proposal))
    assert moved[:5] == ["ranged"] * 5
    assert 0.2 < moved[5:].count("ranged") / 35 < 0.4


@pytest.mark.parametrize("ranged", [0, 4, 10])
def test_proposals_made_together_are_those_made_one_by_one(ranged: int) -> None:
    bounds = np.concatenate([np.full(ranged, 2.0), np.full(10 - ranged, np.inf)])
    one_by_one, together = (
        make_estimator("surface:head=80", SearchSpace(np.zeros(10), -bounds, bounds)) for _ in range(2)
    )
    for count in (1, 3, 20, 2, 5):
        expected = [one_by_one.ask() for _ in range(count)]
        found = ask_together(together, count)
        for one, other in zip(expected, found, strict=True):
            np.testing.assert_array_equal(one.candidates, other.candidates)
            assert one.note == other.note
            for estimator in (one_by_one, together):
                estimator.tell(one, Quadratic(10, 0).losses(one))
        np.testing.assert_array_equal(one_by_one.best, together.best)


def test_candidates_and_estimates_are_multiples_of_the_grid() -> None:
    surface = make("surface", 3, bound=9.0)
    for _ in range(5):
        proposal = surface.ask()
        np.testing.assert_array_equal(4096 * proposal.candidates, np.round(4096 * proposal.candidates))
        surface.tell(proposal, Quadratic(3, 0).losses(proposal))
        np.testing.assert_array_equal(4096 * surface.best, np.round(4096 * surface.best))


def test_it_leaves_a_flat_region_far_from_the_minimum() -> None:
    """A bounded loss is flat far from its minimum, and losses there do not show where it is."""

    def distance_left(seed: int) -> float:
        surface = make("surface", 10, seed, bound=9.0)
        rng = np.random.default_rng([seed, 1])
        goal = rng.normal(size=10)
        goal *= 8 / np.linalg.norm(goal)
        for _ in range(200):
            proposal = surface.ask()
            bounded = 0.5 - 0.5 * np.exp(-((proposal.candidates - goal) ** 2).sum(axis=1) / (2 * 3.5**2))
            images = 0.2 * rng.normal(size=proposal.images)
            surface.tell(proposal, bounded + images[proposal.slots] + 0.25 * rng.normal(size=proposal.queries))
        return float(np.linalg.norm(surface.best - goal) / 8)

    # .44 if the same curvature is assumed everywhere.
    assert np.median([distance_left(seed) for seed in range(8)]) < 0.25


def test_importance_weights_undo_an_uneven_draw() -> None:
    def estimate(weighted: bool) -> float:
        surface = make("surface", 1)
        rng = np.random.default_rng(0)
        for _ in range(200):
            proposal = surface.ask()
            # Four images in five have their minimum at 1, the fifth at 6; the fifth is drawn half of the time.
            odd = rng.random(proposal.images) < 0.5
            if weighted:
                proposal = replace(proposal, weights=np.where(odd, 0.2 / 0.5, 0.8 / 0.5))
            goals = np.where(odd, 6.0, 1.0)[proposal.slots]
            losses = (proposal.candidates[proposal.rows, 0] - goals) ** 2
            surface.tell(proposal, losses)
        return float(surface.best[0])

    assert estimate(True) == pytest.approx(0.8 * 1 + 0.2 * 6, abs=0.3)
    assert estimate(False) == pytest.approx(0.5 * 1 + 0.5 * 6, abs=0.3)


def test_a_start_that_won_a_race_halves_the_prior_curvature_of_coordinates_with_ranges() -> None:
    bound, pairs = np.array([9.0, 9.0, np.inf]), 20
    side = np.zeros((pairs, 3))
    # Noise of .05 in each pair, and a fall of .002 that the mean of all shows.
    falls = np.tile([0.052, -0.048], pairs // 2)

    def step(won: bool, at: int) -> float:
        surface = Surface(SearchSpace(np.zeros(3), -bound, bound, won), seed=0, pairs=pairs)
        plus = side.copy()
        plus[:, at] = 1
        proposal = Proposal.paired(np.concatenate([plus, -plus]), np.tile(np.arange(pairs), 2))
        losses = np.concatenate([np.full(pairs, 0.2), 0.2 + falls])
        surface.tell(replace(proposal, note=at // 2), losses)
        return float(surface.best[at])

    # The minimum under so small a slope is the slope over the prior curvature.
    assert step(True, 0) / step(False, 0) == pytest.approx(2, rel=0.1)
    assert step(True, 2) == step(False, 2) > 0
