"""Nothing spends unasked: what is sent to a real server without a yes, with one, and below ``--confirm-above``."""

import json
import os
import pty
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import Bbdft
from tests.helpers.serving import serving, words

ROOT = Path(__file__).parents[2]


class Server:
    """A fault server's URL, and the images it counted."""

    def __init__(self, url: str, count: Path) -> None:
        self.url, self._count = url, count

    @property
    def scored(self) -> int:
        return int(self._count.read_text()) if self._count.exists() else 0


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with serving(tmp_path / "count") as url:
        yield Server(url, tmp_path / "count")


@pytest.mark.parametrize("price", [[], ["--price", 0.01]], ids=["no price", "price"])
@pytest.mark.parametrize("command", ["optimize", "compare"])
def test_above_the_limit_nothing_is_sent_without_a_terminal(
    command: str, price: list[object], server: Server, bbdft: Bbdft, tiny: Path, tmp_path: Path
) -> None:
    line = words(server.url, tiny, tmp_path / "run", budget=1500)
    if command == "compare":
        line = ["compare", server.url, "--data", tiny / "labels.csv", "--out", tmp_path / "run"]
        line += ["--estimator", "nes", "--space", "color", "--budgets", "500", "--seeds", 4]
    done = bbdft(*line, *price, code=2)
    assert "no terminal to ask for a yes: give --yes, or --confirm-above" in done.stderr
    assert ("for up to" in done.stderr) == bool(price)
    assert server.scored == 0
    assert not (tmp_path / "run").exists()


def test_a_run_remembers_its_price_and_every_command_on_it_asks(
    server: Server, bbdft: Bbdft, tiny: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    done = bbdft(*words(server.url, tiny, run, budget=450, price=0.5), code=0)
    summary = json.loads((run / "summary.json").read_text())
    spent = summary["queries"]["total"]
    assert server.scored == spent
    assert summary["price"] == {"per_image": 0.5, "spent": 0.5 * spent}
    assert f"{0.5 * spent:.2f} paid" in done.stdout
    # More budget is asked for, a finished run is not.
    refused = bbdft("resume", run, "--budget", 1200, code=2)
    assert f"for up to {0.5 * (1200 - spent):,.2f}" in refused.stderr or "for up to" in refused.stderr
    assert "--confirm-above 1200" in refused.stderr
    assert json.loads((run / "config.json").read_text())["config"]["budget"] == 450
    bbdft("resume", run, "--confirm-above", 0, code=0)
    # Every image twice, and an eighth of them again if their responses get lost.
    refused = bbdft("evaluate", run, "--split", "all", "--confirm-above", 449, code=2)
    assert "up to 450 images" in refused.stderr
    assert "for up to 225.00" in refused.stderr
    assert server.scored == spent
    bbdft("evaluate", run, "--split", "all", "--confirm-above", 450, "--price", 2, code=0)
    assert server.scored == spent + 400
    # What is recorded costs nothing.
    bbdft("evaluate", run, "--split", "all", "--confirm-above", 0, code=0)
    assert server.scored == spent + 400
    assert f"{0.5 * spent:.2f}" in (bbdft("report", run, code=0).stdout, (run / "report.txt").read_text())[1]
    bbdft("resume", run, "--budget", 1200, "--yes", "--price", 0.25, code=0)
    assert json.loads((run / "config.json").read_text())["config"]["price"] == 0.25


def test_a_stopped_run_asks_when_it_is_resumed(server: Server, bbdft: Bbdft, tiny: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    bbdft(*words(server.url, tiny, run, budget=450, evaluate="all"), code=0)
    (run / "summary.json").unlink()
    before = server.scored
    assert "give --yes" in bbdft("resume", run, "--confirm-above", 100, code=2).stderr
    assert server.scored == before
    bbdft("resume", run, code=0)


def test_inspect_keeps_to_the_same_limit(server: Server, bbdft: Bbdft) -> None:
    assert "give --yes" in bbdft("inspect", server.url, "--confirm-above", 10, code=2).stderr
    assert server.scored == 0
    bbdft("inspect", server.url, code=0)


def test_a_terminal_is_asked_and_no_means_no(server: Server, tiny: Path, tmp_path: Path) -> None:
    line = [sys.executable, "-m", "blackbox_dft", *map(str, words(server.url, tiny, tmp_path / "run", budget=450))]
    said = {}
    for answer in ("n", "y"):
        ours, theirs = pty.openpty()
        os.write(ours, f"{answer}\n".encode())
        command = [*line, "--confirm-above", "100", "--quiet"]
        said[answer] = subprocess.run(command, stdin=theirs, capture_output=True, text=True, cwd=ROOT, timeout=100)
        os.close(ours)
        os.close(theirs)
        assert (server.scored > 0) == (answer == "y")
    assert (said["n"].returncode, said["y"].returncode) == (2, 0)
    # The plan is shown once, also if it would be left out.
    assert said["y"].stderr.count("plan:") == 1
    assert "images will be sent to http://127.0.0.1" in said["n"].stderr
    assert "nothing was sent" in said["n"].stderr


def test_a_function_with_a_price_asks_and_one_without_does_not(bbdft: Bbdft, tiny: Path, tmp_path: Path) -> None:
    (tmp_path / "paid.py").write_text(
        "import numpy as np\ndef score(images):\n    p = images.mean((1, 2, 3)) / 255\n"
        "    return np.stack([1 - p, p], 1)\nscore.classes = ['dark', 'bright']\n"
    )
    line = ["optimize", "paid:score", "--data", tiny / "labels.csv", "--space", "color", "--budget", 1001]
    assert "give --yes" in bbdft(*line, "--out", "run", "--price", 1, cwd=tmp_path, code=2).stderr
    bbdft(*line, "--out", "run", cwd=tmp_path, code=0)
