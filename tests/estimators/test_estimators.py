"""Estimators on noisy quadratics: they must get there, chance must not; and the same losses give the same course."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from blackbox_dft.errors import InputError
from blackbox_dft.estimators import ESTIMATORS, make_estimator
from blackbox_dft.estimators.auto import choose
from blackbox_dft.estimators.base import Estimator, Proposal

SEARCHING = [
    "surface",
    "nes",
    "spsa",
    "spsa:correction=true",
    "finite-difference",
    "finite-difference:directions=random",
    "cma-es",
]


class Quadratic:
    """``|z - goal|^2`` on images that add a loss of their own, and noise: a black box in small."""

    def __init__(self, size: int, seed: int) -> None:
        # Not the estimators' own stream: their first draw would be the goal's very direction.
        rng = np.random.default_rng([seed, 1])
        goal = rng.normal(size=size)
        self.goal = 3 * goal / np.linalg.norm(goal)
        self.rng = rng

    def loss(self, z: np.ndarray) -> np.ndarray:
        return ((z - self.goal) ** 2).sum(axis=-1) / (self.goal**2).sum()

    def answer(self, proposal: Proposal) -> np.ndarray:
        own = self.rng.normal(0, 0.5, proposal.images)[proposal.slots]
        return self.loss(proposal.candidates[proposal.rows]) + own + self.rng.normal(0, 0.1, proposal.queries)


def make(name: str, size: int, seed: int = 0, reach: float = np.inf) -> Estimator:
    bounds = {"lower": np.full(size, -reach), "upper": np.full(size, reach)}
    return make_estimator(name, size, start=np.zeros(size), seed=seed, **bounds)


def global_draws() -> bytes:
    """The state of numpy's global generator: its numbers change every 624 draws only, its position at each."""
    _, numbers, position, *rest = np.random.get_state()  # noqa: NPY002
    return numbers.tobytes() + repr((position, rest)).encode()


def search(name: str, size: int, queries: int, seed: int) -> float:
    """Loss of the mean of the last half of the iterates; the start has 1."""
    problem, estimator = Quadratic(size, seed), make(name, size, seed)
    iterates, spent = [], []
    while not spent or spent[-1] < queries:
        proposal = estimator.ask()
        estimator.tell(proposal, problem.answer(proposal))
        iterates.append(estimator.best)
        spent.append((spent or [0])[-1] + proposal.queries)
    late = np.array(iterates)[np.array(spent) > spent[-1] / 2]
    return float(problem.loss(late.mean(axis=0)))


@pytest.mark.parametrize("name", SEARCHING)
@pytest.mark.parametrize(("size", "queries"), [(6, 4000), (64, 20_000)])
def test_they_get_there(name: str, size: int, queries: int) -> None:
    # CMA-ES learns 64 x 64 numbers beside the 64 that are asked for; nine seeds end between 0.23 and 0.38.
    reached = 0.45 if (name, size) == ("cma-es", 64) else 0.15
    assert np.median([search(name, size, queries, seed) for seed in range(3)]) < reached


@pytest.mark.parametrize(("size", "queries", "left"), [(6, 4000, 0.2), (64, 20_000, 0.5)])
def test_chance_does_not(size: int, queries: int, left: float) -> None:
    assert np.median([search("random", size, queries, seed) for seed in range(3)]) > left


@pytest.mark.parametrize("name", [*SEARCHING, "random"])
@settings(max_examples=10, deadline=None)
@given(size=st.integers(1, 30), seed=st.integers(0, 5))
def test_proposals_are_whole_and_within_bounds(name: str, size: int, seed: int) -> None:
    problem, estimator = Quadratic(size, seed), make(name, size, seed, reach=1.5)
    for _ in range(4):
        proposal = estimator.ask()
        assert proposal.candidates.shape[1] == size
        assert len(proposal.rows) == len(proposal.slots) == proposal.queries
        assert set(proposal.rows) == set(range(len(proposal.candidates)))
        assert set(proposal.slots) == set(range(proposal.images))
        assert np.abs(proposal.candidates).max() <= 1.5
        estimator.tell(proposal, problem.answer(proposal))
        assert estimator.best.shape == (size,)
        assert np.abs(estimator.best).max() <= 1.5


@pytest.mark.parametrize("name", [*SEARCHING, "random"])
def test_the_same_losses_give_the_same_course_to_the_bit(name: str) -> None:
    before = global_draws()
    problem = Quadratic(12, 0)
    one, two, other = make(name, 12, seed=3), make(name, 12, seed=3), make(name, 12, seed=4)
    differs = False
    for _ in range(20):
        proposal, again, third = one.ask(), two.ask(), other.ask()
        np.testing.assert_array_equal(proposal.candidates, again.candidates)
        differs |= not np.array_equal(proposal.candidates, third.candidates)
        losses = problem.answer(proposal)
        for estimator, asked in ((one, proposal), (two, again), (other, third)):
            estimator.tell(asked, losses)
    np.testing.assert_array_equal(one.best, two.best)
    assert differs
    assert global_draws() == before


@pytest.mark.parametrize("name", SEARCHING)
def test_the_scale_of_losses_does_not_matter(name: str) -> None:
    problem = Quadratic(8, 0)
    one, two = make(name, 8), make(name, 8)
    for _ in range(15):
        proposal, again = one.ask(), two.ask()
        losses = problem.answer(proposal)
        one.tell(proposal, losses)
        two.tell(again, 1024 * losses)
    np.testing.assert_allclose(one.best, two.best, rtol=1e-9)


@pytest.mark.parametrize("name", SEARCHING)
def test_flat_losses_move_nothing_far(name: str) -> None:
    estimator = make(name, 8)
    for _ in range(10):
        proposal = estimator.ask()
        estimator.tell(proposal, np.full(proposal.queries, 0.25))
    assert np.isfinite(estimator.best).all()


@pytest.mark.parametrize(("size", "reach"), [(1, np.inf), (4, np.inf), (4, 1.5)])
def test_cma_es_survives_its_own_convergence(size: int, reach: float) -> None:
    # Without noise the spread shrinks past the smallest double in about 2,400 generations.
    estimator = make("cma-es:images=1", size, reach=reach)
    means = []
    for _ in range(2600):
        proposal = estimator.ask()
        assert np.isfinite(proposal.candidates).all()
        estimator.tell(proposal, ((proposal.candidates - 1) ** 2).sum(axis=1))
        means.append(estimator.best)
    # A fresh start may be near the end of them.
    np.testing.assert_allclose(np.median(means[-1500:], axis=0), 1, atol=0.01)


def test_cma_es_writes_nothing_says_nothing_and_obeys_no_stray_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "cma_signals.in").write_text("{'timeout': 0}")
    estimator, undisturbed = make("cma-es", 6), []
    for _ in range(5):
        proposal = estimator.ask()
        estimator.tell(proposal, Quadratic(6, 0).answer(proposal))
        undisturbed.append(estimator.best)
    (tmp_path / "cma_signals.in").unlink()
    again = make("cma-es", 6)
    for best in undisturbed:
        proposal = again.ask()
        again.tell(proposal, Quadratic(6, 0).answer(proposal))
        np.testing.assert_array_equal(again.best, best)
    assert not list(tmp_path.iterdir())
    assert capfd.readouterr() == ("", "")


def test_paired_and_crossed_meet_images_as_they_say() -> None:
    proposal = make("nes:pairs=5", 3).ask()
    assert (proposal.queries, proposal.images, len(proposal.candidates)) == (10, 5, 10)
    np.testing.assert_array_equal(proposal.slots[:5], proposal.slots[5:])
    np.testing.assert_allclose(proposal.candidates[:5] + proposal.candidates[5:], 0, atol=1e-12)
    crossed = make("cma-es:images=7,population=6", 3).ask()
    assert (crossed.queries, crossed.images, len(crossed.candidates)) == (42, 7, 6)
    published = make("spsa:crossed=true,pairs=9", 3).ask()
    assert (published.queries, published.images, len(published.candidates)) == (18, 9, 2)


def test_surface_learns_declared_ranges_first_and_the_rest_beside_them() -> None:
    bounds = np.concatenate([np.full(4, 9.0), np.full(60, np.inf)])
    surface = make_estimator("surface:head=80", 64, start=np.zeros(64), lower=-bounds, upper=bounds, seed=0)
    moved = []
    for _ in range(40):
        proposal = surface.ask()
        spread = proposal.candidates.std(axis=0) > 0
        assert spread[:4].all() != spread[4:].any()
        moved.append("ranged" if spread[0] else "other")
        surface.tell(proposal, Quadratic(64, 0).answer(proposal))
    assert moved[:5] == ["ranged"] * 5
    assert 0.2 < moved[5:].count("ranged") / 35 < 0.4


def test_surface_gets_away_from_where_the_model_guesses() -> None:
    """A bounded loss is flat far from its minimum; nothing there speaks of a bottom near by."""

    def left(seed: int) -> float:
        surface = make("surface", 10, seed, reach=9.0)
        rng = np.random.default_rng([seed, 1])
        goal = rng.normal(size=10)
        goal *= 8 / np.linalg.norm(goal)
        for _ in range(200):
            proposal = surface.ask()
            hollow = 0.5 - 0.5 * np.exp(-((proposal.candidates - goal) ** 2).sum(axis=1) / (2 * 3.5**2))
            images = 0.2 * rng.normal(size=proposal.images)
            surface.tell(proposal, hollow + images[proposal.slots] + 0.25 * rng.normal(size=proposal.queries))
        return float(np.linalg.norm(surface.best - goal) / 8)

    # .44 where the same curvature is assumed everywhere.
    assert np.median([left(seed) for seed in range(8)]) < 0.25


def test_surface_weighs_images_by_what_they_stand_for() -> None:
    def reached(weighted: bool) -> float:
        surface = make("surface", 1)
        rng = np.random.default_rng(0)
        for _ in range(200):
            proposal = surface.ask()
            # Four images in five want 1, the fifth wants 6; the fifth is drawn as often as the others together.
            odd = rng.random(proposal.images) < 0.5
            if weighted:
                proposal = replace(proposal, weights=np.where(odd, 0.2 / 0.5, 0.8 / 0.5))
            goals = np.where(odd, 6.0, 1.0)[proposal.slots]
            losses = (proposal.candidates[proposal.rows, 0] - goals) ** 2
            surface.tell(proposal, losses)
        return float(surface.best[0])

    assert reached(True) == pytest.approx(0.8 * 1 + 0.2 * 6, abs=0.3)
    assert reached(False) == pytest.approx(0.5 * 1 + 0.5 * 6, abs=0.3)


@pytest.mark.parametrize(("size", "ranged", "same"), [(10, 10, "surface"), (202, 10, "surface"), (192, 0, "nes")])
def test_auto_is_the_estimator_it_says(size: int, ranged: int, same: str) -> None:
    bounds = np.concatenate([np.full(ranged, 9.0), np.full(size - ranged, np.inf)])
    name, why = choose(-bounds, bounds)
    assert (name, str(size) in why) == (same, True)
    one, two = (
        make_estimator(spec, size, start=np.zeros(size), lower=-bounds, upper=bounds, seed=1) for spec in ("auto", same)
    )
    np.testing.assert_array_equal(one.ask().candidates, two.ask().candidates)


def test_large_spaces_are_no_problem() -> None:
    for name in ("surface", "nes", "spsa", "cma-es", "finite-difference"):
        estimator = make(name, 12_288)
        proposal = estimator.ask()
        estimator.tell(proposal, np.random.default_rng(0).random(proposal.queries))
        assert estimator.best.shape == (12_288,)


@pytest.mark.parametrize(
    ("spec", "sentence"),
    [
        ("nse", "did you mean 'nes'"),
        ("nes:stp=1", "did you mean step=VALUE"),
        ("nes:step", "no option 'step'|did you mean step=VALUE"),
        ("nes:step=big", "not a number"),
        ("nes:pairs=1.5", "not a whole number"),
        ("nes:orthogonal=maybe", "not true or false"),
        ("nes:step=-1", "below zero"),
        ("finite-difference:directions=up", "give coordinate or random"),
        ("nes:sigma=0", "sigma=0 must be above zero"),
        ("nes:step=0", "step=0 must be above zero"),
        ("nes:pairs=0", "pairs=0 is too few: give 1"),
        ("nes:momentum=1", "momentum=1 must be below one"),
        ("nes:memory=1", "memory=1 must be below one"),
        ("spsa:spread=0", "spread=0 must be above zero"),
        ("spsa:correction=true,momentum=1", "momentum=1 must be below one"),
        ("finite-difference:width=0", "width=0 must be above zero"),
        ("surface:head=-1", "below zero"),
        ("surface:sigma=0", "sigma=0 must be above zero"),
        ("cma-es:sigma=0", "sigma=0 must be above zero"),
        ("cma-es:images=0", "images=0 is too few: give 1"),
        ("cma-es:population=3", "population=3 is too few: give 4"),
        ("random:images=0", "images=0 is too few: give 1"),
        ("random:population=0", "population=0 is too few: give 1"),
    ],
)
def test_specs_that_cannot_be(spec: str, sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        make(spec, 4)


def test_all_registered_names_make_something() -> None:
    for name in ESTIMATORS:
        assert make(name, 4).ask().queries > 0
