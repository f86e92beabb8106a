"""A larger budget: refused before the first query if it is used up before the end."""

import json
import re
from pathlib import Path

import pytest

from tests.conftest import Bbdft


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
