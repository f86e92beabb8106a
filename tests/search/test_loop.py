"""The search loop: what it reports, and several proposals in flight with the same trajectory each time."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from blackbox_dft._utils.types import Floats, ImageBytes
from blackbox_dft.errors import InputError, TargetError
from blackbox_dft.objectives.losses import sigmoid_margin
from blackbox_dft.run.config import Config
from blackbox_dft.run.experiment import Experiment
from blackbox_dft.run.runner import optimize
from blackbox_dft.scoring.ledger import Ledger
from blackbox_dft.search.loop import Task, Trajectory, tune
from blackbox_dft.search.progress import Point
from blackbox_dft.targets.options import TargetOptions
from tests.conftest import Bbdft
from tests.helpers.quadratic import make

DELAYED = ["surface", "nes", "spsa", "spsa:correction=true", "finite-difference", "finite-difference:directions=random"]

BEFORE_SCORING: dict[str, Callable[[Floats], object]] = {}


def brightness(images: ImageBytes) -> Floats:
    """Scores as the model of ``tiny`` does, after calling what the test wants called first."""
    mean = images.mean(axis=(1, 2, 3)) / 255
    BEFORE_SCORING.get("first", lambda mean: None)(mean)
    bright = 1 / (1 + np.exp(-80 * (mean - 0.5)))
    return np.stack([1 - bright, bright], 1)


@contextmanager
def scored_together(requests: int) -> Iterator[None]:
    """No request to ``brightness`` is scored before this many are under way."""
    barrier = threading.Barrier(requests, timeout=60)
    BEFORE_SCORING["first"] = lambda mean: barrier.wait()
    try:
        yield
    finally:
        BEFORE_SCORING.clear()


def config(tiny: Path, **settings: Any) -> Config:
    """A run of ``brightness``."""
    options = TargetOptions(classes=("dark", "bright"), size=(16, 16), batch=8, workers=settings.pop("workers", 4))
    usual: dict[str, Any] = {"space": "color", "budget": 1200}
    target = "tests.search.test_loop:brightness"
    return Config(target, str(tiny / "labels.csv"), target_options=options, **usual | settings)


@pytest.mark.parametrize("estimator", DELAYED)
def test_the_trajectory_depends_on_in_flight_and_not_on_time(estimator: str, tiny: Path, tmp_path: Path) -> None:
    found = {}
    for in_flight, workers in ((1, 4), (4, 1), (4, 4)):
        what = config(tiny, estimator=estimator, in_flight=in_flight, workers=workers)
        found[in_flight, workers] = optimize(what, tmp_path / f"{in_flight}-{workers}")
    np.testing.assert_array_equal(found[4, 1].trajectory.last, found[4, 4].trajectory.last)
    assert (found[4, 1].trajectory.last != found[1, 4].trajectory.last).any()
    queries = {name: result.trajectory.points[-1].queries for name, result in found.items()}
    assert len(set(queries.values())) == 1
    assert all(result.summary.queries.total <= 1200 for result in found.values())


def test_proposals_are_scored_side_by_side(tiny: Path) -> None:
    experiment = Experiment(config(tiny))
    with scored_together(4), Ledger(tiny / "side.sqlite", budget=100) as ledger:
        scorer = experiment.scorer(ledger)
        scorer.set_call_plan(scorer.batch, 4)
        submissions = [
            scorer.submit("tune", np.arange(first, first + 16), np.full(experiment.space.size, 0.5))
            for first in (0, 16)
        ]
        scores = [scorer.result(submission) for submission in submissions]
        scorer.close()
    assert [len(one) for one in scores] == [16, 16]


def test_requests_under_way_when_a_search_stops_are_recorded(tiny: Path, tmp_path: Path) -> None:
    experiment = Experiment(replace(config(tiny), in_doubt="count"))
    # The second reaches the target before the first is scored, so that it is paid for.
    with scored_together(2), Ledger(tmp_path / "l.sqlite", budget=100, in_doubt="count") as ledger:
        scorer = experiment.scorer(ledger)
        first, second = (
            scorer.submit("tune", np.arange(at, at + 8), np.full(experiment.space.size, 0.5)) for at in (0, 8)
        )
        scorer.result(first)
        scorer.close()
        assert ledger.in_doubt == 0
        assert all(key in ledger for key in second.keys)
        assert ledger.total == 16


@pytest.mark.parametrize("estimator", ["cma-es", "random", "cma-es:images=8"])
def test_an_estimator_without_delayed_tell_is_refused(estimator: str, tiny: Path, bbdft: Bbdft, tmp_path: Path) -> None:
    line = ["--data", tiny / "labels.csv", "--out", tmp_path / "run", "--estimator", estimator, "--in-flight", 2]
    done = bbdft("optimize", tiny / "model.onnx", *line, code=2)
    assert f"--estimator {estimator} needs the losses of a proposal before the next" in done.stderr
    with pytest.raises(InputError, match="leave out --in-flight"):
        _ = Experiment(config(tiny, estimator=estimator, in_flight=3)).plan


@pytest.mark.parametrize("estimator", DELAYED)
def test_the_minimum_is_found_though_losses_are_told_late(estimator: str) -> None:
    minimum = np.array([1.0, -2.0])
    made = make(estimator, 2, seed=1, bound=9.0)
    in_flight = [made.ask() for _ in range(3)]
    for _ in range(300):
        proposal = in_flight.pop(0)
        made.tell(proposal, ((proposal.candidates[proposal.rows] - minimum) ** 2).sum(1))
        in_flight.append(made.ask())
    assert abs(made.best - minimum).max() < 0.8


def test_a_trajectory_averages_its_last_part() -> None:
    trajectory = Trajectory(np.zeros(1), segments=8)
    np.testing.assert_array_equal(trajectory.average(1 / 4), [0])
    for step in range(1, 17):
        trajectory.visit(np.array([float(step)]), min(7, step // 2))
    # Segments 6 and 7 hold the steps from 12 on.
    np.testing.assert_array_equal(trajectory.average(1 / 4), [np.mean([12, 13, 14, 15, 16])])
    # A search that stopped early has the last quarter of what it reached.
    stopped = Trajectory(np.zeros(1), segments=8, stopped=True)
    for step in range(1, 8):
        stopped.visit(np.array([float(step)]), step // 2)
    np.testing.assert_array_equal(stopped.average(1 / 4), [np.mean([6, 7])])


def test_every_step_is_reported_and_drift_can_end_the_search(tiny: Path) -> None:
    experiment = Experiment(config(tiny, workers=1))
    labels, train = experiment.data.labels, experiment.data.splits["train"]
    points: list[Point] = []

    def check_drift(spent: int) -> None:
        assert spent == points[-1].queries
        if spent >= 48:
            raise TargetError("moved")

    with Ledger(tiny / "steps.sqlite", budget=1000) as ledger:
        scorer = experiment.scorer(ledger)
        decoder = experiment.decoder(scorer.score("select", train[:20], experiment.space.initial()))
        task = Task(scorer, decoder, sigmoid_margin, labels, penalty=lambda candidates: np.full(len(candidates), 7.0))
        options: dict[str, Any] = {"limit": 100, "seed": 0, "on_step": points.append, "check_drift": check_drift}
        with pytest.raises(TargetError, match="moved"):
            tune(task, experiment.estimator(), train, **options)
        scorer.close()
    # Surface proposes 16 queries.
    assert [point.queries for point in points] == [16, 32, 48]
    assert all(7 <= point.loss <= 8 and 0 <= point.accuracy <= 1 for point in points)
