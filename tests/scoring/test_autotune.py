"""Autotuning: the fastest call plan is measured once, on images that are scored anyway, and kept in the cache."""

import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest

from blackbox_dft import Config, TargetOptions
from blackbox_dft._utils.cpu import cores
from blackbox_dft._utils.types import Floats, Ints
from blackbox_dft.run.runner import optimize, resume
from blackbox_dft.scoring.autotune import CallPlan, find_plan, plan_ahead
from blackbox_dft.search.progress import NoProgress
from blackbox_dft.targets.onnx.target import OnnxTarget


class Clock:
    """Seconds that only scoring takes."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


class FakeTarget:
    """Four calls at once of 8 images, unless arranged otherwise."""

    call_plan_is_open = True
    workers, batch = 4, 8

    def __init__(self) -> None:
        self.plan = CallPlan(4, 1, 8)

    def set_call_plan(self, workers: int, threads: int) -> None:
        self.plan = replace(self.plan, workers=workers, threads=threads)


class FakeScorer:
    """Takes the time that ``rates`` says, in images/s by plan; 1,000 of any other plan."""

    def __init__(self, rates: dict[CallPlan, float]) -> None:
        self.target, self.clock, self.rates = FakeTarget(), Clock(), rates
        self.cached, self.scored, self.tried = 0, 0, set[CallPlan]()

    def set_call_plan(self, batch: int, limit: int) -> None:
        self.target.plan = replace(self.target.plan, batch=batch)
        assert limit == self.target.plan.workers + 1

    def score(self, phase: str, indices: Ints, z: Floats) -> None:
        self.clock.now += len(indices) / self.rates.get(self.target.plan, 1000.0)
        self.scored += len(indices)
        self.tried.add(self.target.plan)


def found(rates: dict[CallPlan, float], images: int = 3000, ahead: bool = False) -> tuple[CallPlan | None, FakeScorer]:
    """The plan that is found if each serves this many images/ms, any other 1."""
    scorer = FakeScorer({plan: 1000 * rate for plan, rate in rates.items()})
    plan = find_plan(scorer, np.arange(images), np.zeros(1), 64, ahead, scorer.clock)  # type: ignore[arg-type]
    return plan, scorer


DEFAULT = CallPlan(4, 1, 8)


@pytest.mark.parametrize(
    ("plan", "rate", "chosen"),
    [
        # As many calls at once must be 1.05 times as fast as the default, one call of four threads 1.25 times.
        (CallPlan(4, 1, 16), 1.04, False),
        (CallPlan(4, 1, 16), 1.06, True),
        (CallPlan(1, 4, 64), 1.24, False),
        (CallPlan(1, 4, 64), 1.26, True),
    ],
)
def test_another_plan_must_be_so_much_faster(plan: CallPlan, rate: float, chosen: bool) -> None:
    best, scorer = found({plan: rate})
    assert best == (plan if chosen else DEFAULT)
    assert {DEFAULT, plan} <= scorer.tried
    # The trials' images are scored again later, which is no query saved.
    assert scorer.cached == -scorer.scored


def test_what_changes_images_on_a_core_for_each_call_keeps_the_number_of_calls() -> None:
    best, scorer = found({CallPlan(1, 4, 64): 9}, ahead=True)
    assert best == DEFAULT
    assert {plan.workers for plan in scorer.tried} == {4}


def test_what_changes_images_on_a_core_for_each_call_tries_no_smaller_calls() -> None:
    _, scorer = found({}, ahead=True)
    assert min(plan.batch for plan in scorer.tried) == DEFAULT.batch
    # Unless a step of the search would leave workers without images.
    scorer = FakeScorer({})
    find_plan(scorer, np.arange(3000), np.zeros(1), 4 * DEFAULT.workers, True, scorer.clock)  # type: ignore[arg-type]
    assert {plan.batch for plan in scorer.tried} == {DEFAULT.batch, 4}


def test_a_step_with_a_change_ahead_of_the_model_is_two_calls_a_worker() -> None:
    """Of a target with 4 workers and 8 images a call."""
    sizes = {step: plan_ahead(FakeTarget(), step, 112).batch for step in (16, 40, 64, 400)}  # type: ignore[arg-type]
    assert sizes == {16: 4, 40: 5, 64: 8, 400: 8}
    assert plan_ahead(FakeTarget(), 16, 64) == DEFAULT  # type: ignore[arg-type]


def test_without_images_for_two_plans_nothing_is_found() -> None:
    # Two calls by each of four workers, of 8 images: 64 for the first, and as many or more for the second.
    best, scorer = found({}, images=100)
    assert (best, scorer.scored) == (None, 64)


def test_no_trial_begins_after_two_seconds() -> None:
    # At 10 images/s the first takes 6.4 seconds.
    best, scorer = found({DEFAULT: 0.01})
    assert (best, scorer.tried) == (None, {DEFAULT})


class Notes(NoProgress):
    def __init__(self) -> None:
        self.lines: list[str] = []

    def note(self, text: str) -> None:
        self.lines.append(text)


@pytest.fixture(scope="module")
def labels(tiny: Path) -> Path:
    """Most images are for selection."""
    path = tiny / "mostly_val.csv"
    lines = (tiny / "labels.csv").read_text().split()
    splits = ["train"] * 30 + ["test"] * 30 + ["val"] * 140
    path.write_text("\n".join([lines[0] + ",split", *map(",".join, zip(lines[1:], splits, strict=True))]) + "\n")
    return path


def settings(labels: Path, **options: object) -> Config:
    # All of the change is in the graph, so that calls of many threads and of other sizes are worth a trial.
    usual: dict[str, Any] = {"space": "dct:4", "budget": 3000}
    return Config(str(labels.parent / "model.onnx"), str(labels), **usual | options)


def record(run: Path) -> tuple[int, int]:
    document = json.loads((run / "config.json").read_text())
    return document["batch"], document["threads"]


def test_a_plan_is_measured_once_and_cached(labels: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BBDFT_CACHE", str(tmp_path / "cache"))
    notes = Notes()
    first = optimize(settings(labels), tmp_path / "first", notes)
    shown = [line for line in notes.lines if line.startswith("model: ")]
    assert len(shown) == 1
    (kept,) = (tmp_path / "cache" / "call-plans").iterdir()
    plan = json.loads(kept.read_text())
    assert record(tmp_path / "first") == (plan["batch"], plan["threads"])
    # Trials cost no query: they score images that the budget has for selection anyway.
    assert first.summary.queries.total <= 3000
    again = resume(tmp_path / "first")
    np.testing.assert_array_equal(again.tuning.z, first.tuning.z)
    assert again.summary.queries == first.summary.queries

    # The plan in the cache is used, without trials.
    kept.write_text(json.dumps({"workers": 1, "threads": 2, "batch": 5}))
    notes = Notes()
    optimize(settings(labels), tmp_path / "second", notes)
    assert not [line for line in notes.lines if line.startswith("model: ")]
    assert record(tmp_path / "second") == (5, 2)
    resumed = resume(tmp_path / "second")
    assert resumed.summary.queries.total <= 3000


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity") or cores() < 2, reason="this process has one core")
def test_other_cores_are_another_machine(labels: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BBDFT_CACHE", str(tmp_path / "cache"))
    whole = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(whole)})
    try:
        optimize(settings(labels), tmp_path / "bound")
    finally:
        os.sched_setaffinity(0, whole)
    notes = Notes()
    optimize(settings(labels), tmp_path / "free", notes)
    # Measured again, and not one call at a time as on one core.
    assert [line for line in notes.lines if line.startswith("model: ")]
    assert len(list((tmp_path / "cache" / "call-plans").iterdir())) == 2


@pytest.mark.parametrize(("space", "path"), [("color", "auto"), ("dct:4", "array")])
def test_the_number_of_calls_stays_if_they_change_images_too(
    space: str, path: Literal["auto", "array"], labels: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BBDFT_CACHE", str(tmp_path / "cache"))
    tried: list[tuple[int, int]] = []
    arrange = OnnxTarget.set_call_plan

    def noted(target: OnnxTarget, workers: int, threads: int) -> None:
        tried.append((workers, threads))
        arrange(target, workers, threads)

    monkeypatch.setattr(OnnxTarget, "set_call_plan", noted)
    optimize(replace(settings(labels), space=space, path=path, estimator="nes:pairs=4"), tmp_path / "run")
    assert set(tried) == {(cores(), 1)}
    # If the graph does all, one call of many threads is tried too.
    tried.clear()
    optimize(replace(settings(labels), space="dct:4", estimator="nes:pairs=4"), tmp_path / "other")
    assert (1, cores()) in tried


@pytest.mark.slow
def test_a_cache_that_cannot_be_used_does_no_harm(
    labels: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv("BBDFT_CACHE", str(tmp_path / "file"))
    assert optimize(settings(labels), tmp_path / "run").summary.verdict == "improved"
    cache = tmp_path / "cache"
    monkeypatch.setenv("BBDFT_CACHE", str(cache))
    optimize(settings(labels), tmp_path / "other")
    (kept,) = (cache / "call-plans").iterdir()
    for damage in ("", "[]", '{"workers": 0, "threads": 1, "batch": 8}'):
        kept.write_text(damage)
        optimize(settings(labels, seed=len(damage)), tmp_path / f"run{len(damage)}")
        assert json.loads(kept.read_text())["workers"] >= 1


def test_a_batch_that_the_user_gives_is_kept(labels: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BBDFT_CACHE", str(tmp_path / "cache"))
    notes = Notes()
    optimize(settings(labels, target_options=TargetOptions(batch=7)), tmp_path / "run", notes)
    assert record(tmp_path / "run") == (7, 1)
    assert not (tmp_path / "cache" / "call-plans").exists()
    assert not [line for line in notes.lines if line.startswith("model: ")]
