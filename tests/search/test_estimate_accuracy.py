"""The accuracy of a search's estimate, from the answers of candidates around it."""

import numpy as np
import pytest
from scipy.special import expit

from blackbox_dft._utils.types import Floats
from blackbox_dft.estimators.base import Proposal
from blackbox_dft.estimators.search_space import SearchSpace
from blackbox_dft.search.estimate_accuracy import MAX_POINTS, Measured, TriedCandidates

OPTIMUM = np.array([1.5, -1.0, 0.5])


def accuracy(z: Floats) -> Floats:
    """Of a model whose logit of being right falls with the squared distance from ``OPTIMUM``: .97 there, .5 at 0."""
    return np.asarray(expit(3.5 - ((z - OPTIMUM) ** 2).sum(axis=-1)))


def searched(seed: int, steps: int = 120, unranged: int = 0) -> TriedCandidates:
    """A search that walks from 0 to the optimum in half of its steps, and tries candidates around."""
    rng = np.random.default_rng(seed)
    bounds = np.append(np.full(3, 9.0), np.full(unranged, np.inf))
    tried = TriedCandidates(SearchSpace(np.zeros(3 + unranged), -bounds, bounds))
    at = np.zeros(3 + unranged)
    for step in range(steps):
        moves = rng.normal(0, 1, (16, 3 + unranged))
        proposal = Proposal.paired(at + moves, np.arange(16))
        right = rng.random(16) < accuracy(proposal.candidates[:, :3])
        centre = at
        at = np.append(OPTIMUM * min(1, 2 * (step + 1) / steps), np.zeros(unranged))
        tried.add(16 * (step + 1), proposal, rng.integers(0, 200, 16), right, centre, at)
    return tried


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("unranged", [0, 40])
def test_the_estimate_is_told_from_its_worse_neighbours(seed: int, unranged: int) -> None:
    last = np.append(OPTIMUM, np.zeros(unranged))
    curve = searched(seed, unranged=unranged).curve(last)
    assert len(curve) == MAX_POINTS
    queries, found, low, high = curve[-1]
    around = accuracy(OPTIMUM + np.random.default_rng(9).normal(0, 1, (1000, 3))).mean()
    # Its neighbours are right in 7 of 10 cases.
    assert around < 0.75
    assert abs(found - accuracy(OPTIMUM)) < 0.04
    assert low - 0.01 < accuracy(OPTIMUM) < high + 0.01
    assert queries == 16 * 120
    # It rises, as the search does.
    assert curve[0, 1] < curve[len(curve) // 4, 1] < curve[-1, 1]


def test_both_ends_are_what_was_measured() -> None:
    measured = [Measured(np.zeros(3), 0.48, 400), Measured(OPTIMUM, 0.9925, 400)]
    curve = searched(0).curve(OPTIMUM, measured)
    assert (curve[0, 1], curve[-1, 1]) == (0.48, 0.9925)
    assert (np.diff(curve[:, 2:]) > 0).all()
    # If nothing was kept there is only one.
    same = [Measured(np.zeros(3), 0.48, 400)] * 2
    assert searched(0).curve(OPTIMUM, same)[0, 1] == 0.48


def test_too_few_answers_and_too_many_coordinates_have_no_curve() -> None:
    assert searched(0, steps=3).curve(OPTIMUM).shape == (0, 4)
    many = TriedCandidates(SearchSpace(np.zeros(192), np.full(192, -np.inf), np.full(192, np.inf)))
    for step in range(10):
        proposal = Proposal.paired(np.ones((16, 192)), np.arange(16))
        many.add(16 * step, proposal, np.arange(16), np.ones(16, bool), np.zeros(192), np.zeros(192))
    assert many.curve(np.zeros(192)).shape == (0, 4)
