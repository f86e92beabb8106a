"""Runs over HTTP that are killed again and again end as undisturbed ones; no query is paid for twice."""

import json
import random
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests import forked
from tests.conftest import Bbdft
from tests.helpers.serving import same_result, serving, words

BUDGET = 1200


def number(path: Path) -> int:
    """The number in a file that another process is writing."""
    try:
        return int(path.read_text() or 0)
    except FileNotFoundError:
        return 0


def touched(path: Path) -> int:
    """When it was last written to; its size does not show that, as a log starts again at its beginning."""
    try:
        return path.stat().st_mtime_ns
    except FileNotFoundError:
        return 0


def moment(chance: random.Random, most: int, run: Path, count: Path) -> Callable[[], bool]:
    """When to kill next: after up to ``most`` more images, or while the ledger or the result is being written."""
    if (run / "summary.json").exists():
        return lambda: any(path.name.startswith(".tuning") for path in run.iterdir())
    more = number(count) + chance.randint(1, most)
    if chance.random() < 0.5:
        return lambda: number(count) >= more
    log = run / "ledger.sqlite-wal"
    seen = []

    def written() -> bool:
        seen.append(touched(log))
        return number(count) >= more and len(seen) > 1 and seen[-1] != seen[-2]

    return written


@pytest.mark.slow
@pytest.mark.parametrize(("seed", "kills", "late", "in_flight"), [(0, 30, 0, 1), (1, 10, 0.03, 1), (2, 10, 0, 4)])
def test_killed_at_random_moments_it_ends_the_same(
    seed: int, kills: int, late: float, in_flight: int, bbdft: Bbdft, tiny: Path, tmp_path: Path
) -> None:
    chance = random.Random(seed)
    run, count, said = tmp_path / "run", tmp_path / "count", tmp_path / "said"
    options = {"batch": 2, "concurrency": 4, "budget": BUDGET, "reserve": 0.3}
    options["in_flight"] = in_flight
    with serving(tmp_path / "undisturbed") as url:
        bbdft(*words(url, tiny, tmp_path / "whole", **options), "--yes", code=0)
    faults = {"fault": "late", "share": late, "silence": 0.2} if late else {}
    killed = finished = 0
    with serving(count, delay=0.004, **faults) as url:
        first, again = [*words(url, tiny, run, **options), "--yes"], ["resume", run, "--yes"]
        # A finished run is killed a few times more while it writes its result again; it may be too fast for that.
        while finished < 4:
            line = again if (run / "config.json").exists() else first
            now = moment(chance, BUDGET // (kills + 20), run, count) if finished < 3 else lambda: False
            said.unlink(missing_ok=True)
            # Real processes and real SIGKILLs; forked from one that has read the package, so that they die at work.
            process = forked.start(line, None, said, said)
            while process.exitcode is None and not now():
                time.sleep(0 if finished else 0.0005)
            if process.exitcode is None and (killed < kills or finished):
                process.kill()
            process.join()
            finished += process.exitcode == 0 or finished > 0
            killed += process.exitcode == -9
            if process.exitcode not in (0, -9):
                # Killed before the folder held a run: begin again.
                assert "is not empty" in said.read_text(), said.read_text()
                for file in run.iterdir():
                    file.unlink()
    summary = json.loads((run / "summary.json").read_text())
    assert killed >= kills
    assert number(count) <= summary["queries"]["total"] <= BUDGET
    same_result(tmp_path / "whole", run)


PAID = """
import os, signal
from pathlib import Path
import numpy as np
counter = Path(os.environ.get("COUNTER", "counter"))
def score(images):
    scored = int(counter.read_text() or 0) if counter.exists() else 0
    counter.write_text(str(scored + len(images)))
    if scored <= int(os.environ.get("DIES_AT", -1)) < scored + len(images):
        os.kill(os.getpid(), signal.SIGKILL)
    p = 1 / (1 + np.exp(-80 * (images.mean((1, 2, 3)) / 255 - 0.5)))
    return np.stack([1 - p, p], 1)
score.classes = ["dark", "bright"]
score.batch = 16
"""
"""A function that counts what it is given, and is killed before it answers."""


@pytest.mark.parametrize(
    ("options", "counts"),
    [
        (["--price", 0.01], True),
        (["--price", 0.01, "--in-doubt", "free"], False),
        ([], False),
    ],
    ids=["price", "price, but free", "no price"],
)
def test_what_a_function_did_not_answer_counts_if_it_is_paid_for(
    options: list[object], counts: bool, bbdft: Bbdft, tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "paid_function.py").write_text(PAID)
    line = ["optimize", "paid_function:score", "--data", tiny / "labels.csv", "--space", "color", "--budget", 700]
    line += ["--yes", "--evaluate", "enough", *options]
    bbdft(*line, "--out", "whole", cwd=tmp_path, code=0, fresh=True)
    monkeypatch.setenv("COUNTER", "of the killed run")
    monkeypatch.setenv("DIES_AT", "120")
    bbdft(*line, "--out", "run", cwd=tmp_path, code=-9, fresh=True)
    monkeypatch.delenv("DIES_AT")
    # Given only now, a price does not change the plan.
    bbdft("resume", "run", "--price", 0.01, "--yes", cwd=tmp_path, code=0, fresh=True)
    queries = json.loads((tmp_path / "run/summary.json").read_text())["queries"]
    sent = number(tmp_path / "of the killed run")
    if counts:
        assert queries["in_doubt"] > 0
        assert queries["total"] == sent <= 700
    else:
        # What costs nothing may be sent before it is recorded, so that it need not be in doubt afterwards.
        assert queries["total"] < sent
    same_result(tmp_path / "whole", tmp_path / "run")
