"""A larger budget: refused before the first query if it is used up before the end."""

import json
import re
import shutil
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from blackbox_dft.run.experiment import Experiment
from blackbox_dft.run.larger_budget import spent_earlier
from blackbox_dft.run.record import RunRecord
from tests.conftest import Bbdft

BRIGHT = """
import numpy as np
from pathlib import Path

left = [int(Path("left").read_text()) if Path("left").exists() else 10**6]

def score(images):
    left[0] -= len(images)
    if left[0] < 0:
        raise RuntimeError("out of order")
    p = 1 / (1 + np.exp(-80 * (images.mean((1, 2, 3)) / 255 - 0.5)))
    return np.stack([1 - p, p], 1)

score.classes, score.batch = ["dark", "bright"], 16
"""


def test_a_budget_that_is_a_little_larger_is_refused_with_the_least_that_does(copied: Path, bbdft: Bbdft) -> None:
    before = json.loads((copied / "run/summary.json").read_text())
    refused = bbdft("resume", "run", "--budget", 1020, cwd=copied, code=3).stderr
    found = re.search(
        r"--budget 1020 leaves the search (\d+) queries, and it has used (\d+), .* give --budget (\d+)", refused
    )
    assert found
    left, used, least = map(int, found.groups())
    assert (left < used) == (used == before["queries"]["tune"])
    assert json.loads((copied / "run/config.json").read_text())["config"]["budget"] == 1000
    bbdft("resume", "run", "--budget", least - 1, cwd=copied, code=3)
    bbdft("resume", "run", "--budget", least, cwd=copied, code=0)
    after = json.loads((copied / "run/summary.json").read_text())
    assert before["queries"]["total"] < after["queries"]["total"] <= least
    assert after["queries"]["tune"] > used


@pytest.mark.parametrize("budget", [1000, 1001])
def test_a_run_that_was_stopped_during_the_search_takes_any_budget(budget: int, copied: Path, bbdft: Bbdft) -> None:
    (copied / "stops.py").write_text(
        "import numpy as np\nfrom pathlib import Path\nleft = [150]\n\ndef score(images):\n"
        "    left[0] -= len(images)\n    if left[0] < 0 and not Path('well').exists():\n        raise RuntimeError\n"
        "    p = 1 / (1 + np.exp(-80 * (images.mean((1, 2, 3)) / 255 - 0.5)))\n    return np.stack([1 - p, p], 1)\n\n"
        "score.classes = ['dark', 'bright']\n"
    )
    line = ["optimize", "stops:score", "--data", "labels.csv", "--out", "stopped", "--space", "color"]
    bbdft(*line, "--budget", 1000, cwd=copied, code=4)
    (copied / "well").touch()
    bbdft("resume", "stopped", "--budget", budget, cwd=copied, code=0)


@pytest.fixture
def many_val(tmp_path: Path) -> Path:
    """A job whose choice takes fewer validation images under a larger budget, as much is spent already."""
    rng = np.random.default_rng(0)
    lines = ["file,label,split"]
    for number in range(400):
        level = 107 + 15 * (number % 2) + rng.normal(0, 4)
        image = (level + rng.normal(0, 5, (16, 16, 3))).clip(0, 255).astype(np.uint8)
        cv2.imwrite(str(tmp_path / f"{number}.png"), image)
        split = ("train", "val", "val", "test")[number // 2 % 4]
        lines.append(f"{number}.png,{('dark', 'bright')[number % 2]},{split}")
    (tmp_path / "labels.csv").write_text("\n".join(lines) + "\n")
    (tmp_path / "bright.py").write_text(BRIGHT)
    return tmp_path


LINE = ["optimize", "bright:score", "--data", "labels.csv", "--space", "color", "--evaluate", "all", "--out", "run"]


def test_unchanged_images_that_are_not_chosen_on_again_are_no_queries_left(
    many_val: Path, bbdft: Bbdft, monkeypatch: pytest.MonkeyPatch
) -> None:
    bbdft(*LINE, "--budget", 1200, cwd=many_val, code=0)
    monkeypatch.chdir(many_val)
    monkeypatch.syspath_prepend(many_val)
    record = RunRecord.read(Path("run"))
    experiment = Experiment(replace(record.config, budget=1210))
    queries = json.loads(Path("run/summary.json").read_text())["queries"]
    experiment.spent_earlier = lost = spent_earlier(experiment, Path("run"), record.batch)
    chosen_on, tested = experiment.plan.select_images, len(experiment.test_images)
    assert 2 * chosen_on < queries["select"]
    assert lost == queries["select"] + queries["evaluate"] - chosen_on - tested


def test_known_scores_are_not_counted_as_paid_ones(many_val: Path, bbdft: Bbdft) -> None:
    table = ["file,dark,bright"]
    for number in range(400):
        level = cv2.imread(str(many_val / f"{number}.png")).mean() / 255
        bright = 1 / (1 + np.exp(-80 * (level - 0.5)))
        table.append(f"{number}.png,{1 - bright},{bright}")
    (many_val / "known.csv").write_text("\n".join(table) + "\n")
    bbdft(*LINE, "--budget", 500, "--known", "known.csv", "--no-early-stop", cwd=many_val, code=0)
    refused = bbdft("resume", "run", "--budget", 501, cwd=many_val, code=3).stderr
    least = int(refused.rpartition("give --budget ")[2].split()[0])
    bbdft("resume", "run", "--budget", least, cwd=many_val, code=0)
    assert json.loads((many_val / "run/summary.json").read_text())["queries"]["total"] <= least


def test_the_same_command_goes_on_after_it_was_stopped(many_val: Path, bbdft: Bbdft) -> None:
    bbdft(*LINE, "--budget", 1000, "--no-early-stop", cwd=many_val, code=0)
    shutil.copytree(many_val / "run", many_val / "whole")
    bbdft("resume", "whole", "--budget", 1600, cwd=many_val, code=0)
    # In the choice or the evaluation of the new z.
    (many_val / "left").write_text(str(600 - 60))
    bbdft("resume", "run", "--budget", 1600, cwd=many_val, code=4, fresh=True)
    (many_val / "left").unlink()
    bbdft("resume", "run", "--budget", 1600, cwd=many_val, code=0, fresh=True)
    stopped, whole = (json.loads((many_val / name / "summary.json").read_text()) for name in ("run", "whole"))
    assert stopped["accuracy"] == whole["accuracy"]
    assert stopped["queries"]["total"] == whole["queries"]["total"]


def test_a_search_that_stopped_is_the_same_under_any_budget(tiny: Path, bbdft: Bbdft, tmp_path: Path) -> None:
    line = ["optimize", tiny / "model.onnx", "--data", tiny / "labels.csv", "--space", "affine+color"]
    bbdft(*line, "--evaluate", "enough", "--budget", 60_000, "--out", "run", cwd=tmp_path, code=0)
    before = dict(np.load(tmp_path / "run/tuning.npz"))
    queries = json.loads((tmp_path / "run/summary.json").read_text())["queries"]["total"]
    bbdft("resume", "run", "--budget", 600_000, cwd=tmp_path, code=0)
    after = dict(np.load(tmp_path / "run/tuning.npz"))
    for name in before.keys() - {"made", "about"}:
        np.testing.assert_array_equal(before[name], after[name])
    assert json.loads((tmp_path / "run/summary.json").read_text())["queries"]["total"] == queries
