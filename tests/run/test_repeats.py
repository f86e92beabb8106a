"""Repeats: every query is scored several times, counted in the plan, the budget and the ledger."""

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from blackbox_dft import Config, InputError, TargetError, Tuning
from blackbox_dft.errors import BudgetError
from blackbox_dft.run.budget import make_plan
from blackbox_dft.run.runner import optimize, resume
from tests.conftest import Bbdft
from tests.helpers.serving import serving, words
from tests.helpers.tones import write_tones


@pytest.fixture
def models(tmp_path: Path) -> Path:
    """A folder with the module ``tones``."""
    return write_tones(tmp_path)


@given(
    budget=st.integers(1, 60_000),
    val=st.integers(1, 2000),
    test=st.integers(1, 2000),
    proposal=st.integers(1, 500),
    reserve=st.sampled_from([0.0, 0.125, 0.3, 0.9]),
    repeats=st.integers(1, 9),
)
def test_plans_count_every_repeat(
    budget: int, val: int, test: int, proposal: int, reserve: float, repeats: int
) -> None:
    def plan(budget: int):
        return make_plan(
            budget, val=val, test=test, proposal=proposal, reserve=reserve, watch=44 * repeats, repeats=repeats
        )

    try:
        made = plan(budget)
    except BudgetError as error:
        (least,) = map(int, re.findall(r"give --budget (\d+)", str(error)))
        assert least > budget
        assert plan(least).total <= least
        with pytest.raises(BudgetError):
            plan(least - 1)
        return
    assert made.total <= budget
    assert made.tune >= proposal * repeats
    assert made.evaluate == 2 * test * repeats
    assert made.select == made.candidates * made.select_images * repeats


def config(models: Path, tiny: Path, name: str, **values: Any) -> Config:
    return Config(f"tones:{name}", str(tiny / "labels.csv"), space="color", **values)


@pytest.fixture
def here(models: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The folder with ``tones``, as current folder; the module is unloaded afterwards."""
    monkeypatch.chdir(models)
    monkeypatch.syspath_prepend(models)
    yield models
    sys.modules.pop("tones", None)


def test_every_repeat_is_a_query(here: Path, tiny: Path) -> None:
    summary = optimize(config(here, tiny, "steady", repeats=3, budget=3000), "run").summary
    total = summary.queries.total
    assert summary.repeats == 3
    assert summary.interval.endswith("each decided by 3 answers")
    assert int((here / "count").read_text()) == total <= 3000
    assert summary.queries.evaluate % 3 == summary.queries.tune % 3 == 0
    assert summary.queries.evaluate == 3 * 2 * summary.accuracy["test"].n
    # A resumed run repeats no query.
    longer = resume("run", 4000).summary
    assert int((here / "count").read_text()) == longer.queries.total <= 4000
    assert longer.queries.total > total


def test_the_mean_decides(here: Path, tiny: Path) -> None:
    def before(name: str, repeats: int) -> float:
        summary = optimize(config(here, tiny, name, repeats=repeats, budget=1800), f"{name}{repeats}").summary
        assert summary.verdict in ("improved", "no significant change")
        return float(summary.accuracy["test"].before)

    assert before("swinging", 2) == before("steady", 1)


def test_a_failed_run_with_repeats_resumes(here: Path, tiny: Path) -> None:
    settings = config(here, tiny, "steady", repeats=2, budget=2000)
    whole = optimize(settings, "whole").summary
    (here / "count").unlink()
    (here / "limit").write_text("700")
    with pytest.raises(TargetError, match="out of order"):
        optimize(settings, "cut")
    failed = int((here / "count").read_text())
    (here / "limit").unlink()
    summary = resume("cut").summary
    assert summary.accuracy == whole.accuracy
    np.testing.assert_array_equal(Tuning.load("cut").z, Tuning.load("whole").z)
    # Only the call that raised is repeated, and the one queued behind it.
    assert failed > 700
    assert int((here / "count").read_text()) <= summary.queries.total + 16


def test_runs_recorded_without_repeats_resume(here: Path, tiny: Path) -> None:
    settings = config(here, tiny, "steady", budget=1000)
    optimize(settings, "old")
    document = json.loads(Path("old/config.json").read_text())
    del document["config"]["repeats"]
    Path("old/config.json").write_text(json.dumps(document))
    queries = int((here / "count").read_text())
    assert resume("old").summary.repeats == 1
    assert int((here / "count").read_text()) == queries


def test_labels_are_merged_by_vote(here: Path, tiny: Path) -> None:
    summary = optimize(config(here, tiny, "labels", repeats=3, budget=2400), "run").summary
    assert summary.scores == "index"
    assert summary.queries.total <= 2400


def test_evaluation_repeats_too(here: Path, tiny: Path, bbdft: Bbdft) -> None:
    optimize(config(here, tiny, "steady", repeats=2, budget=1600), "run")
    found = json.loads(bbdft("evaluate", "run", "--json", cwd=here, code=0).stdout)
    assert found["queries"]["total"] == 2 * 2 * found["accuracy"]["test"]["n"]


def test_repeats_of_a_url_stay_within_the_budget(bbdft: Bbdft, tiny: Path, tmp_path: Path) -> None:
    with serving(tmp_path / "count", fault="reset-after", share=0.05) as url:
        short = bbdft(*words(url, tiny, tmp_path / "run", budget=300), "--repeats", 2, code=3)
        (least,) = map(int, re.findall(r"give --budget (\d+)", short.stderr))
        assert "every query scored 2 times" in short.stderr
        bbdft(*words(url, tiny, tmp_path / "run", budget=least - 1), "--repeats", 2, code=3)
        bbdft(*words(url, tiny, tmp_path / "run", budget=least), "--repeats", 2, code=0)
    summary = json.loads((tmp_path / "run/summary.json").read_text())
    assert int((tmp_path / "count").read_text()) <= summary["queries"]["total"] <= least
    assert 0 < summary["queries"]["watch"] <= 2 * 44
    assert summary["queries"]["watch"] % (2 * 4) == 0


def test_fewer_than_one_is_refused(here: Path, tiny: Path, bbdft: Bbdft) -> None:
    with pytest.raises(InputError, match=r"Config\(repeats=0\): it must be at least 1"):
        optimize(config(here, tiny, "steady", repeats=0), "run")
    assert not Path("run").exists()
    done = bbdft("optimize", "tones:steady", "--data", tiny / "labels.csv", "--out", "run", "--repeats", 0, code=2)
    assert done.stderr.count("Traceback") == 0
