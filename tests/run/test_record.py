"""The record of a run: a run that was moved or is called in another way continues, another model is noticed."""

import json
import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from blackbox_dft import Tuning
from blackbox_dft.run.experiment import Experiment
from blackbox_dft.run.runner import reopen
from tests.conftest import Bbdft
from tests.helpers.serving import serving, words


def edit(run: Path, key: str, value: Any) -> None:
    document = json.loads((run / "config.json").read_text())
    place, _, last = key.rpartition(".")
    (document["config"][place] if place else document["config"])[last] = value
    (run / "config.json").write_text(json.dumps(document))


def test_a_run_copied_elsewhere_continues_there(copied: Path, tiny: Path, bbdft: Bbdft, tmp_path: Path) -> None:
    bbdft("resume", "run", "--budget", 1500, cwd=copied, code=0)
    bbdft(*words(str(tiny / "model.onnx"), tiny, tmp_path / "other", budget=1000), code=0)
    bbdft("resume", tmp_path / "other", "--budget", 1500, code=0)
    np.testing.assert_array_equal(Tuning.load(copied / "run").z, Tuning.load(tmp_path / "other").z)


def test_other_proposals_name_the_versions(copied: Path, bbdft: Bbdft) -> None:
    with closing(sqlite3.connect(copied / "run/ledger.sqlite")) as db, db:
        db.execute("UPDATE proposals SET digest=x'00' WHERE id=2")
        versions = json.loads(db.execute("SELECT value FROM meta WHERE name='versions'").fetchone()[0])
        changed = json.dumps(versions | {"numpy": "1.0"})
        db.execute("UPDATE meta SET value=? WHERE name='versions'", (changed,))
    done = bbdft("resume", "run", cwd=copied, code=2)
    assert "step 2 of run does not repeat what was recorded" in done.stderr
    assert f"begun with numpy 1.0, now {np.__version__}" in done.stderr


def test_timeout_and_workers_may_change(bbdft: Bbdft, tiny: Path, tmp_path: Path) -> None:
    with serving(tmp_path / "count") as url:
        bbdft(*words(url, tiny, tmp_path / "run", budget=1000), code=0)
        edit(tmp_path / "run", "target_options.timeout", 5)
        edit(tmp_path / "run", "target_options.workers", 2)
        bbdft("resume", tmp_path / "run", "--budget", 1200, "--yes", code=0)


def test_permuted_classes_are_noticed(bbdft: Bbdft, tiny: Path, tmp_path: Path) -> None:
    with serving(tmp_path / "count", fault="permuted", share=0.5) as url:
        done = bbdft(*words(url, tiny, tmp_path / "run", concurrency=1), "--quiet", code=4)
    assert "has changed" in done.stderr
    assert "bbdft resume" in done.stderr


def test_a_run_with_a_price_that_an_earlier_version_began_keeps_its_plan(copied: Path) -> None:
    edit(copied / "run", "price", 0.01)
    document = json.loads((copied / "run/config.json").read_text())
    assert document["counts_in_doubt"] is False
    # A price of now makes no reserve either, and a file charges nothing that it did not answer.
    experiment, _ = reopen(copied / "run")
    assert (experiment.plan.reserve, experiment.counts_in_doubt) == (0, False)
    del document["counts_in_doubt"]
    (copied / "run/config.json").write_text(json.dumps(document))
    experiment, _ = reopen(copied / "run")
    assert (experiment.plan.reserve, experiment.counts_in_doubt) == (0, False)
    assert Experiment(experiment.config).plan.reserve == 0
    assert Experiment(replace(experiment.config, in_doubt="count")).plan.reserve == 125


def test_a_run_that_an_earlier_version_finished_keeps_its_verdict(copied: Path, bbdft: Bbdft) -> None:
    def interval() -> str:
        return str(json.loads((copied / "run/summary.json").read_text())["interval"])

    exact = "at least as wide as the exact one of those that changed"
    assert exact in interval()
    document = json.loads((copied / "run/config.json").read_text())
    assert document.pop("widened_intervals") is True
    (copied / "run/config.json").write_text(json.dumps(document))
    bbdft("resume", "run", cwd=copied, code=0)
    assert exact not in interval()
    # Again, and with a price, it is still the same result; with a larger budget it is another one.
    bbdft("resume", "run", "--price", 0, cwd=copied, code=0)
    assert exact not in interval()
    assert not reopen(copied / "run")[0].widened_intervals
    bbdft("resume", "run", "--budget", 1500, cwd=copied, code=0)
    assert exact in interval()
    assert reopen(copied / "run")[0].widened_intervals
    # One that it only began has no verdict yet.
    (copied / "run/config.json").write_text(json.dumps(document))
    (copied / "run/summary.json").unlink()
    assert reopen(copied / "run")[0].widened_intervals
