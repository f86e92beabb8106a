"""``bbdft resume``: a run that was stopped ends as an undisturbed one, and a larger budget continues it."""

import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from functools import partial
from pathlib import Path

import cv2
import numpy as np

from blackbox_dft import Tuning
from tests.conftest import Bbdft
from tests.helpers.main_job import words

HELD = """
import os, time
from pathlib import Path
import numpy as np
scored = 0
def score(images):
    global scored
    scored += len(images)
    # In the middle of the search, until the process was sent its signal.
    while scored > 400 and "HELD_UNTIL" in os.environ and not Path(os.environ["HELD_UNTIL"]).exists():
        time.sleep(0.01)
    p = 1 / (1 + np.exp(-80 * (images.mean((1, 2, 3)) / 255 - 0.5)))
    return np.stack([1 - p, p], 1)
score.classes = ["dark", "bright"]
score.batch = 16
"""


def ledger_steps(run: Path) -> list[bytes]:
    with closing(sqlite3.connect(run / "ledger.sqlite")) as db:
        return [row[0] for row in db.execute("SELECT digest FROM proposals ORDER BY id")]


def test_more_budget_makes_the_same_proposals_and_then_more(bbdft: Bbdft, tiny: Path, tmp_path: Path) -> None:
    bbdft(*words(tiny, tmp_path / "grown", budget=700), code=0)
    shutil.copytree(tmp_path / "grown", tmp_path / "short")
    bbdft("resume", tmp_path / "grown", "--budget", 1000, code=0, fresh=True)
    summary = json.loads((tmp_path / "grown" / "summary.json").read_text())
    assert summary["budget"] == 1000
    assert summary["queries"]["total"] <= 1000
    first, longer = (ledger_steps(tmp_path / name) for name in ("short", "grown"))
    assert len(longer) > len(first) > 0
    assert longer[: len(first)] == first
    bbdft("resume", tmp_path / "grown", "--budget", 1600, code=0)
    assert json.loads((tmp_path / "grown" / "summary.json").read_text())["queries"]["total"] <= 1600
    assert "a budget only grows" in bbdft("resume", tmp_path / "grown", "--budget", 900, code=2).stderr


def test_ctrl_c_and_resume_give_the_undisturbed_result(bbdft: Bbdft, tiny: Path, tmp_path: Path) -> None:
    (tmp_path / "held_model.py").write_text(HELD)
    settings = ["--data", tiny / "labels.csv", "--space", "color", "--budget", 1500]
    bbdft("optimize", "held_model:score", *settings, "--out", "whole", cwd=tmp_path, code=0)
    command = [sys.executable, "-m", "blackbox_dft", "optimize", "held_model:score", *settings, "--out", "cut"]
    stopped = tmp_path / "stopped"
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2]), "HELD_UNTIL": str(stopped)}
    process = subprocess.Popen(
        [*map(str, command)],
        cwd=tmp_path,
        env=environment,
        stderr=subprocess.PIPE,
        text=True,
        # A background process of a shell ignores SIGINT, and its children inherit that.
        preexec_fn=partial(signal.signal, signal.SIGINT, signal.SIG_DFL),
    )
    assert process.stderr
    for line in process.stderr:
        if line.startswith("tuning: "):
            break
    process.send_signal(signal.SIGINT)
    stopped.touch()
    said = process.stderr.read()
    assert process.wait(60) == 130
    assert "bbdft resume cut" in said
    assert not (tmp_path / "cut" / "summary.json").exists()
    bbdft("resume", "cut", cwd=tmp_path, code=0)
    np.testing.assert_array_equal(Tuning.load(tmp_path / "whole").z, Tuning.load(tmp_path / "cut").z)
    whole, cut = (json.loads((tmp_path / name / "summary.json").read_text()) for name in ("whole", "cut"))
    assert whole["accuracy"] == cut["accuracy"]
    assert whole["queries"] == cut["queries"]


def test_resume_names_what_changed(bbdft: Bbdft, tiny: Path, tmp_path: Path) -> None:
    shutil.copytree(tiny, tmp_path / "data")
    bbdft(*words(tmp_path / "data", tmp_path / "run"), code=0)
    cv2.imwrite(str(tmp_path / "data/images/000.png"), np.zeros((16, 16, 3), np.uint8))
    assert "the images changed" in bbdft("resume", tmp_path / "run", code=2).stderr
