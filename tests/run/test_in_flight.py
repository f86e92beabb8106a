"""``--in-flight`` on a simulated device: coalesced, in order, the same to the bit whenever it is stopped."""

import json
import random
import shutil
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from blackbox_dft.errors import InputError
from blackbox_dft.run.config import Config
from blackbox_dft.run.experiment import Experiment
from blackbox_dft.run.result import Result
from blackbox_dft.run.runner import optimize, reopen, resume, start
from blackbox_dft.search.in_flight import MAX_FAILED
from blackbox_dft.search.progress import NoProgress, Point
from tests import forked
from tests.conftest import Bbdft
from tests.simulated_device import SimulatedDevice, Stream


class Noting(NoProgress):
    """Keeps the notes, and stops the search after so many steps."""

    def __init__(self, stop_after: int = -1) -> None:
        self.left, self.notes = stop_after, ""

    def step(self, point: Point) -> None:
        self.left -= 1
        if not self.left:
            raise KeyboardInterrupt

    def note(self, text: str) -> None:
        self.notes += text + "\n"


def device(tiny: Path, delay: Callable[[], None] = lambda: None) -> SimulatedDevice:
    return SimulatedDevice(tiny / "model.onnx", Stream(call=2e-4, image=1e-6), delay)


def configured(tiny: Path, **settings: Any) -> Config:
    usual: dict[str, Any] = {"space": "affine+color", "budget": 4000, "early_stop": False, "evaluate": "all"}
    return Config("simulated-device", str(tiny / "labels.csv"), **usual | settings)


def test_the_device_holds_the_images_and_gets_only_z(tiny: Path) -> None:
    # A target without ``place`` would have its images changed here, and what is measured on it would be that.
    assert Experiment(configured(tiny, path="fused"), target=device(tiny)).fused


def run(
    tiny: Path, out: Path, target: SimulatedDevice | None = None, progress: NoProgress | None = None, **settings: Any
) -> Result:
    experiment = Experiment(configured(tiny, **settings), target=target or device(tiny))
    return start(experiment, out, progress)


def resumed(tiny: Path, out: Path, target: SimulatedDevice | None = None, **options: Any) -> Result:
    _, go = reopen(out, target=target or device(tiny), **options)
    return go(None)


@contextmanager
def opened(out: Path) -> Iterator[sqlite3.Connection]:
    """The ledger of a run that is not at work."""
    with closing(sqlite3.connect(out / "ledger.sqlite")) as ledger, ledger:
        yield ledger


def requests(out: Path) -> list[tuple[str, bytes]]:
    """Which queries shared a call."""
    with opened(out) as ledger:
        return list(ledger.execute("SELECT phase, keys FROM requests ORDER BY id"))


def note(out: Path, name: str) -> str | None:
    with opened(out) as ledger:
        row = ledger.execute("SELECT value FROM meta WHERE name=?", (name,)).fetchone()
    return row[0] if row else None


def same(one: Result, other: Result) -> None:
    np.testing.assert_array_equal(one.tuning.z, other.tuning.z)
    np.testing.assert_array_equal(one.trajectory.last, other.trajectory.last)
    assert one.trajectory.points == other.trajectory.points
    assert one.summary.queries == other.summary.queries


def test_steps_in_flight_share_calls_and_cost_no_more(tiny: Path, tmp_path: Path) -> None:
    alone, coalesced = (run(tiny, tmp_path / str(n), in_flight=n) for n in (1, 8))
    assert coalesced.summary.queries.total == alone.summary.queries.total
    sizes = [len(keys) // 16 for phase, keys in requests(tmp_path / "8") if phase == "tune"]
    # Four steps of 16 queries a call; the first are those of the race for the start.
    assert np.median(sizes) == 64
    assert len(sizes) < 0.4 * sum(phase == "tune" for phase, _ in requests(tmp_path / "1"))


def test_what_shares_a_call_and_what_is_found_do_not_depend_on_time(tiny: Path, tmp_path: Path) -> None:
    chance = random.Random(0)

    def dawdle() -> None:
        time.sleep(chance.choice([0, 0, 0.001, 0.004]))

    even = run(tiny, tmp_path / "even", in_flight=8, budget=2000)
    uneven = run(tiny, tmp_path / "uneven", device(tiny, dawdle), in_flight=8, budget=2000)
    same(even, uneven)
    assert sorted(requests(tmp_path / "even")) == sorted(requests(tmp_path / "uneven"))


@pytest.mark.parametrize("steps", [2, 30])
def test_interrupted_and_resumed_it_ends_as_undisturbed(steps: int, tiny: Path, tmp_path: Path) -> None:
    whole = run(tiny, tmp_path / "whole", in_flight=8, budget=2000)
    with pytest.raises(KeyboardInterrupt):
        run(tiny, tmp_path / "cut", progress=Noting(steps), in_flight=8, budget=2000)
    same(whole, resumed(tiny, tmp_path / "cut"))


def test_auto_finds_how_many_a_device_takes_and_records_it(tiny: Path, tmp_path: Path) -> None:
    progress = Noting()
    found = run(tiny, tmp_path / "run", progress=progress, in_flight="auto")
    recorded = json.loads(note(tmp_path / "run", "in_flight") or "")
    # A machine with other work on it may measure anything, but twice as many are always tried.
    assert recorded["changes"][0][1] == 2
    assert "proposals in flight (images/s 1: " in progress.notes or "proposal in flight (images/s 1: " in progress.notes
    assert found.summary.queries.total <= 4000
    # Replayed, nothing is measured: the recorded changes are made at the same moments.
    same(found, resumed(tiny, tmp_path / "run"))
    assert json.loads(note(tmp_path / "run", "in_flight") or "") == recorded


@pytest.mark.parametrize("kept", [5, 40, 90])
def test_auto_killed_anywhere_goes_on_to_the_same_end(kept: int, tiny: Path, tmp_path: Path) -> None:
    whole = run(tiny, tmp_path / "whole", in_flight="auto", budget=3000)
    shutil.copytree(tmp_path / "whole", tmp_path / "cut")
    with opened(tmp_path / "cut") as ledger:
        # As after a kill: the last proposals and requests were not committed. All changes are kept, and no further ones
        # are looked for, as what they are depends on time.
        recorded = ledger.execute("SELECT value FROM meta WHERE name='in_flight'").fetchone()
        changes = json.loads(recorded[0]) if recorded else {"changes": [], "rates": {}}
        text = json.dumps(changes | {"failed": MAX_FAILED})
        ledger.execute("INSERT OR REPLACE INTO meta (name, value) VALUES ('in_flight', ?)", (text,))
        ledger.execute("DELETE FROM proposals WHERE id > ?", (kept,))
        number = ledger.execute("SELECT min(id) FROM requests WHERE phase='tune'").fetchone()[0]
        ledger.execute("DELETE FROM requests WHERE id > ?", (number + kept // 4,))
    (tmp_path / "cut" / "summary.json").unlink()
    same(whole, resumed(tiny, tmp_path / "cut"))


def test_auto_interrupted_before_it_has_measured_goes_on(tiny: Path, tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        run(tiny, tmp_path / "run", progress=Noting(3), in_flight="auto")
    found = resumed(tiny, tmp_path / "run")
    same(found, resumed(tiny, tmp_path / "run"))


def test_a_larger_budget_makes_the_same_proposals_and_more(tiny: Path, tmp_path: Path) -> None:
    small = run(tiny, tmp_path / "run", in_flight="auto", budget=2000)
    large = resumed(tiny, tmp_path / "run", budget=4000)
    assert [p.queries for p in large.trajectory.points][: len(small.trajectory.points)] == [
        p.queries for p in small.trajectory.points
    ]
    assert large.trajectory.points[-1].queries > small.trajectory.points[-1].queries


def test_a_run_of_an_earlier_version_goes_on_with_each_proposal_by_itself(tiny: Path, tmp_path: Path) -> None:
    small = device(tiny)
    small.batch = 16
    whole = run(tiny, tmp_path / "whole", small, in_flight=4, budget=2000)
    with pytest.raises(KeyboardInterrupt):
        run(tiny, tmp_path / "cut", small, Noting(20), in_flight=4, budget=2000)
    with opened(tmp_path / "cut") as ledger:
        ledger.execute("DELETE FROM meta WHERE name='sent_together'")
    config = json.loads((tmp_path / "cut" / "config.json").read_text())
    (tmp_path / "cut" / "config.json").write_text(json.dumps(config | {"batch": 256}))
    same(whole, resumed(tiny, tmp_path / "cut"))


def test_on_a_cpu_auto_is_two_at_most_and_replays(tiny: Path, tmp_path: Path) -> None:
    files = str(tiny / "model.onnx"), str(tiny / "labels.csv")
    plain: dict[str, Any] = {"budget": 6000, "space": "affine+color", "early_stop": False}
    auto = optimize(Config(*files, in_flight="auto", **plain), tmp_path / "auto")
    recorded = note(tmp_path / "auto", "in_flight")
    changes = json.loads(recorded)["changes"] if recorded else []
    assert all(limit <= 2 for _, limit, _ in changes)
    # From the ledger alone, though nothing takes time then.
    (tmp_path / "auto" / "summary.json").unlink()
    same(auto, resume(tmp_path / "auto"))
    assert note(tmp_path / "auto", "in_flight") == recorded


@pytest.mark.parametrize("estimator", ["cma-es", "random"])
def test_auto_is_one_for_an_estimator_that_needs_the_losses_first(estimator: str, tiny: Path, tmp_path: Path) -> None:
    found = run(tiny, tmp_path / "run", in_flight="auto", estimator=estimator, budget=2000)
    assert found.summary.queries.total <= 2000
    assert note(tmp_path / "run", "in_flight") is None


def test_with_one_in_flight_a_run_on_a_device_says_that_more_would_be_faster(tiny: Path, tmp_path: Path) -> None:
    for given, said in ((1, True), (16, False), ("auto", False)):
        progress = Noting()
        run(tiny, tmp_path / str(given), progress=progress, in_flight=given, budget=1000)
        assert ("--in-flight auto sends several steps together" in progress.notes) == said


@pytest.mark.slow
def test_killed_again_and_again_it_comes_to_an_end_that_replays(tiny: Path, bbdft: Bbdft, tmp_path: Path) -> None:
    chance, out = random.Random(1), tmp_path / "run"
    line = ["optimize", "tests.simulated_device:brightness", "--data", tiny / "labels.csv", "--out", out]
    line += ["--model-classes", "dark,bright", "--size", "16x16", "--space", "color", "--budget", "6000"]
    line += ["--in-flight", "auto", "--no-early-stop", "--evaluate", "all", "-q"]
    kills = 0
    while not (out / "summary.json").exists():
        more = ["resume", out, "-q"] if (out / "config.json").exists() else line
        process = forked.start(more, None, tmp_path / "said", tmp_path / "said")
        until = time.monotonic() + chance.uniform(0.1, 0.5)
        while process.exitcode is None and (kills >= 8 or time.monotonic() < until):
            time.sleep(0.005)
        if process.exitcode is None:
            process.kill()
            kills += 1
        process.join()
        assert process.exitcode in (0, -9), (tmp_path / "said").read_text()
        if not (out / "config.json").exists():
            shutil.rmtree(out, ignore_errors=True)
    before = json.loads((out / "summary.json").read_text())
    z = np.load(out / "tuning.npz")["z"]
    bbdft("resume", out, code=0)
    after = json.loads((out / "summary.json").read_text())
    np.testing.assert_array_equal(np.load(out / "tuning.npz")["z"], z)
    assert after["queries"] == before["queries"]
    assert after["queries"]["total"] <= 6000


def test_numbers_are_kept_as_numbers_and_anything_else_is_refused() -> None:
    assert Config("m.onnx", "d.csv", in_flight=4).to_json()["in_flight"] == 4
    document = Config("m.onnx", "d.csv", in_flight="auto").to_json()
    assert Config.from_json(document).in_flight == "auto"
    for wrong in ("many", 0, 65, 2.5, None):
        with pytest.raises(InputError, match="in_flight"):
            Config("m.onnx", "d.csv", in_flight=wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize("wrong", ["many", "0", "65"])
def test_the_command_line_says_what_it_takes(wrong: str, bbdft: Bbdft, tiny: Path, tmp_path: Path) -> None:
    line = ["--data", tiny / "labels.csv", "--out", tmp_path / "run", "--in-flight", wrong]
    assert "--in-flight" in bbdft("optimize", tiny / "model.onnx", *line, code=2).stderr
