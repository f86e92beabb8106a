"""Several proposals asked at once: more requests side by side, the same course each time."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from blackbox_dft._utils.types import Floats, ImageBytes
from blackbox_dft.errors import InputError
from blackbox_dft.estimators import make_estimator
from blackbox_dft.run.config import Config
from blackbox_dft.run.experiment import Experiment
from blackbox_dft.run.runner import optimize
from blackbox_dft.scoring.ledger import Ledger
from blackbox_dft.targets.options import TargetOptions
from tests.conftest import Bbdft

PATIENT = ["surface", "nes", "spsa", "spsa:correction=true", "finite-difference", "finite-difference:directions=random"]

ANSWERS: dict[str, Callable[[Floats], object]] = {}


def brightness(images: ImageBytes) -> Floats:
    """Answers as the model of ``tiny`` does, after what the test has put in the way."""
    mean = images.mean(axis=(1, 2, 3)) / 255
    ANSWERS.get("first", lambda mean: None)(mean)
    bright = 1 / (1 + np.exp(-80 * (mean - 0.5)))
    return np.stack([1 - bright, bright], 1)


@contextmanager
def answered_together(requests: int) -> Iterator[None]:
    """No request to ``brightness`` is answered before so many are under way."""
    meeting = threading.Barrier(requests, timeout=60)
    ANSWERS["first"] = lambda mean: meeting.wait()
    try:
        yield
    finally:
        ANSWERS.clear()


def config(tiny: Path, **settings: Any) -> Config:
    """A run of ``brightness``."""
    options = TargetOptions(classes=("dark", "bright"), size=(16, 16), batch=8, workers=settings.pop("workers", 4))
    usual: dict[str, Any] = {"space": "color", "budget": 1200}
    target = "tests.search.test_loop:brightness"
    return Config(target, str(tiny / "labels.csv"), target_options=options, **usual | settings)


@pytest.mark.parametrize("estimator", PATIENT)
def test_the_course_depends_on_the_number_and_not_on_time(estimator: str, tiny: Path, tmp_path: Path) -> None:
    found = {}
    for in_flight, workers in ((1, 4), (4, 1), (4, 4)):
        what = config(tiny, estimator=estimator, in_flight=in_flight, workers=workers)
        found[in_flight, workers] = optimize(what, tmp_path / f"{in_flight}-{workers}")
    np.testing.assert_array_equal(found[4, 1].trajectory.last, found[4, 4].trajectory.last)
    assert (found[4, 1].trajectory.last != found[1, 4].trajectory.last).any()
    queries = {name: result.trajectory.points[-1].queries for name, result in found.items()}
    assert len(set(queries.values())) == 1
    assert all(result.summary.queries.total <= 1200 for result in found.values())


def test_proposals_are_asked_side_by_side(tiny: Path) -> None:
    experiment = Experiment(config(tiny))
    with answered_together(4), Ledger(tiny / "side.sqlite", budget=100) as ledger:
        scorer = experiment.scorer(ledger)
        scorer.set_call_plan(scorer.batch, 4)
        asked = [
            scorer.submit("tune", np.arange(first, first + 16), np.full(experiment.space.size, 0.5))
            for first in (0, 16)
        ]
        scores = [scorer.result(one) for one in asked]
        scorer.close()
    assert [len(one) for one in scores] == [16, 16]


def test_what_is_on_its_way_when_a_search_stops_is_kept(tiny: Path, tmp_path: Path) -> None:
    experiment = Experiment(replace(config(tiny), in_doubt="count"))
    # Nobody would have to pay for the second, had it not reached the target before the first is answered.
    with answered_together(2), Ledger(tmp_path / "l.sqlite", budget=100, in_doubt="count") as ledger:
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
def test_one_that_has_to_hear_first_is_refused(estimator: str, tiny: Path, bbdft: Bbdft, tmp_path: Path) -> None:
    line = ["--data", tiny / "labels.csv", "--out", tmp_path / "run", "--estimator", estimator, "--in-flight", 2]
    done = bbdft("optimize", tiny / "model.onnx", *line, code=2)
    assert f"--estimator {estimator} needs the losses of a proposal before the next" in done.stderr
    with pytest.raises(InputError, match="leave out --in-flight"):
        _ = Experiment(config(tiny, estimator=estimator, in_flight=3)).plan


@pytest.mark.parametrize("estimator", PATIENT)
def test_they_find_the_minimum_though_they_hear_late(estimator: str) -> None:
    at = np.array([1.0, -2.0])
    bound = np.full(2, 9.0)
    made = make_estimator(estimator, 2, start=np.zeros(2), lower=-bound, upper=bound, seed=1)
    flying = [made.ask() for _ in range(3)]
    for _ in range(300):
        proposal = flying.pop(0)
        made.tell(proposal, ((proposal.candidates[proposal.rows] - at) ** 2).sum(1))
        flying.append(made.ask())
    assert abs(made.best - at).max() < 0.8
