"""The ledger: what it counts, what it records, and what it finds in an existing file."""

import shutil
import sqlite3
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from blackbox_dft._utils.hashing import digest
from blackbox_dft.errors import BudgetError, InputError
from blackbox_dft.run.config import Config
from blackbox_dft.run.experiment import Experiment
from blackbox_dft.scoring.ledger import LEDGER, Ledger, ReplayError

BUDGET = 40


def key(number: int) -> bytes:
    return digest(str(number))


def answer_of(number: int) -> list[float]:
    return [number, -number / 2]


class LedgerMachine(RuleBasedStateMachine):
    """Any order of reserving, recording, withdrawing and dying keeps the counts, the cap and all scores."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.path = Path(self.folder.name) / "ledger.sqlite"
        self.open: dict[int, list[int]] = {}
        self.answered: set[int] = set()
        self.asked = 0
        self.lost = 0
        self.next = 0

    @initialize(policy=st.sampled_from(["count", "free"]))
    def start(self, policy: Literal["count", "free"]) -> None:
        self.policy = policy
        self.ledger = Ledger(self.path, budget=BUDGET, in_doubt=policy)

    @rule(count=st.integers(1, 9))
    def ask(self, count: int) -> None:
        numbers = list(range(self.next, self.next + count))
        counted = self.asked - (self.lost if self.policy == "free" else 0)
        if counted + count > BUDGET:
            with pytest.raises(BudgetError, match="budget of 40"):
                self.ledger.reserve("tune", [key(n) for n in numbers])
            return
        self.next += count
        self.open[self.ledger.reserve("tune", [key(n) for n in numbers])] = numbers
        self.asked += count

    @precondition(lambda self: self.open)
    @rule(data=st.data())
    def answer(self, data: st.DataObject) -> None:
        request = data.draw(st.sampled_from(sorted(self.open)))
        numbers = self.open.pop(request)
        self.ledger.record(request, np.array([answer_of(n) for n in numbers], np.float32))
        self.answered.update(numbers)

    @precondition(lambda self: self.open)
    @rule(data=st.data())
    def withdraw(self, data: st.DataObject) -> None:
        request = data.draw(st.sampled_from(sorted(self.open)))
        self.asked -= len(self.open.pop(request))
        self.ledger.withdraw(request)

    @rule()
    def die_and_come_back(self) -> None:
        self.ledger.close()
        self.lost += sum(map(len, self.open.values()))
        self.open.clear()
        self.ledger = Ledger(self.path, budget=BUDGET, in_doubt=self.policy)

    @invariant()
    def counts_are_true(self) -> None:
        assert self.ledger.in_doubt == self.lost
        assert self.ledger.total == self.asked - (self.lost if self.policy == "free" else 0)
        assert self.ledger.remaining == BUDGET - self.ledger.total
        assert self.ledger.total <= BUDGET
        assert len(self.ledger) == len(self.answered)

    @invariant()
    def answers_are_kept(self) -> None:
        numbers = sorted(self.answered)
        if numbers:
            kept = self.ledger.scores([key(n) for n in numbers])
            np.testing.assert_array_equal(kept, np.array([answer_of(n) for n in numbers], np.float32))

    def teardown(self) -> None:
        self.ledger.close()
        self.folder.cleanup()


LedgerMachine.TestCase.settings = settings(max_examples=40, stateful_step_count=25, deadline=None)
TestLedgerMachine = LedgerMachine.TestCase


def test_a_refused_request_leaves_no_trace(tmp_path: Path) -> None:
    with Ledger(tmp_path / "l.sqlite", budget=3) as ledger:
        with pytest.raises(BudgetError):
            ledger.reserve("tune", [key(n) for n in range(4)])
        assert ledger.total == 0
        ledger.reserve("tune", [key(n) for n in range(3)])
        assert ledger.remaining == 0


def test_replay_notices_another_course(tmp_path: Path) -> None:
    with Ledger(tmp_path / "l.sqlite", budget=3) as ledger:
        ledger.check_replay(0, digest("a"))
        ledger.check_replay(1, digest("b"))
    with Ledger(tmp_path / "l.sqlite", budget=3) as ledger:
        ledger.check_replay(0, digest("a"))
        with pytest.raises(ReplayError, match="step 1"):
            ledger.check_replay(1, digest("c"))


def test_several_courses_share_answers_and_are_checked_each_by_itself(tmp_path: Path) -> None:
    for _ in range(2):
        with Ledger(tmp_path / "l.sqlite", budget=10) as ledger:
            ledger.check_replay(0, b"a")
            ledger.trajectory = 500
            ledger.check_replay(0, b"b")
            with pytest.raises(ReplayError):
                ledger.check_replay(0, b"a")


def test_a_second_process_is_refused(tmp_path: Path) -> None:
    code = f"""
from blackbox_dft.scoring.ledger import Ledger
try:
    Ledger({str(tmp_path / "l.sqlite")!r}, budget=3)
except Exception as error:
    print(error)
"""
    with Ledger(tmp_path / "l.sqlite", budget=3):
        said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert "in use by another process" in said


def test_not_a_ledger_and_other_version_are_named(tmp_path: Path) -> None:
    (tmp_path / "text.sqlite").write_text("no database at all, but long enough to be read as the header of one" * 20)
    with pytest.raises(InputError, match="not a ledger"):
        Ledger(tmp_path / "text.sqlite", budget=3)
    Ledger(tmp_path / "new.sqlite", budget=3).close()
    with sqlite3.connect(tmp_path / "new.sqlite") as db:
        db.execute("UPDATE meta SET value='99' WHERE name='schema'")
    db.close()
    with pytest.raises(InputError, match="version 99"):
        Ledger(tmp_path / "new.sqlite", budget=3)
    with pytest.raises(InputError, match="cannot write"):
        Ledger(tmp_path / "nowhere" / "l.sqlite", budget=3)


def test_scores_of_another_width_stop_the_run(tmp_path: Path) -> None:
    with Ledger(tmp_path / "l.sqlite", budget=9) as ledger:
        ledger.record(ledger.reserve("tune", [key(0)]), np.ones((1, 2), np.float32))
        request = ledger.reserve("tune", [key(1)])
        with pytest.raises(InputError, match="2 scores an image and the target now gave 3"):
            ledger.record(request, np.ones((1, 3), np.float32))


def test_where_images_in_doubt_count_no_kill_loses_them(tiny: Path, tmp_path: Path) -> None:
    # Commits are delayed only for a local model whose queries are free.
    experiment = Experiment(Config(str(tiny / "model.onnx"), str(tiny / "labels.csv"), space="color", in_doubt="count"))
    run, killed = tmp_path / "run", tmp_path / "killed"
    run.mkdir()
    with experiment.ledger(run / LEDGER) as ledger:
        ledger.reserve("tune", [bytes(16)])
        # What is on the disk now is what a kill would leave.
        shutil.copytree(run, killed)
    with experiment.ledger(killed / LEDGER) as left:
        assert left.in_doubt == 1


def test_scoreless_responses_can_be_taken_back_and_stay_counted(tmp_path: Path) -> None:
    nothing, half = np.zeros((2, 2), np.float32), np.array([[0, 0], [0.5, 0.5]], np.float32)
    with Ledger(tmp_path / "l.sqlite", budget=BUDGET) as ledger:
        for number, rows in enumerate([half, nothing, np.full((2, 2), np.nan, np.float32), half]):
            ledger.record(ledger.reserve("tune", [key(2 * number), key(2 * number + 1)]), rows)
        ledger.forget_scoreless([key(n) for n in range(5)])
        assert [key(n) in ledger for n in range(8)] == [True, True, False, False, False, False, True, True]
        assert (ledger.total, ledger.in_doubt) == (8, 4)
        # What comes later is found again.
        ledger.record(ledger.reserve("tune", [key(2), key(8)]), np.array([[2, 2], [8, 8]], np.float32))
    with Ledger(tmp_path / "l.sqlite", budget=BUDGET) as ledger:
        np.testing.assert_array_equal(
            ledger.scores([key(1), key(2), key(7), key(8)]), [[0.5, 0.5], [2, 2], [0.5, 0.5], [8, 8]]
        )
        assert (ledger.total, ledger.in_doubt, ledger.crashes) == (10, 4, 0)


def test_scores_of_another_run_that_are_taken_back_cost_nothing(tmp_path: Path) -> None:
    with Ledger(tmp_path / "old.sqlite", budget=BUDGET) as old:
        old.record(old.reserve("tune", [key(0)]), np.zeros((1, 2), np.float32))
    with Ledger(tmp_path / "new.sqlite", budget=BUDGET) as new:
        new.reuse(tmp_path / "old.sqlite")
        new.forget_scoreless([key(0)])
        assert (key(0) in new, new.total, new.in_doubt) == (False, 0, 0)


def test_what_is_not_committed_yet_is_counted_recorded_and_withdrawn_like_the_rest(tmp_path: Path) -> None:
    one = np.array([answer_of(3)], np.float32)
    with Ledger(tmp_path / "l.sqlite", budget=9, in_doubt="free", lag=1e9) as ledger:
        first, second = ledger.reserve("tune", [key(1)]), ledger.reserve("tune", [key(2)])
        # What is counted is written before it is counted, the others only at the end.
        assert ledger.in_doubt_of("tune") == 2
        third, fourth = ledger.reserve("tune", [key(3)]), ledger.reserve("tune", [key(4)])
        for request in (first, third):
            ledger.record(request, one)
        for request in (second, fourth):
            ledger.withdraw(request)
        ledger.check_replay(0, b"a")
        assert (ledger.spent("tune"), ledger.in_doubt_of("tune"), ledger.total) == (2, 0, 2)
    with Ledger(tmp_path / "l.sqlite", budget=9) as ledger:
        assert (len(ledger), ledger.total, ledger.in_doubt) == (2, 2, 0)
        np.testing.assert_array_equal(ledger.scores([key(3), key(1)]), np.concatenate([one, one]))
        with pytest.raises(ReplayError):
            ledger.check_replay(0, b"b")
        # Numbers go on behind those that are there.
        ledger.record(ledger.reserve("tune", [key(5)]), one)
        assert ledger.spent("tune") == 3
