"""Standard streams: JSON alone on stdout whatever a target prints, closed streams, readers that are gone."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import Bbdft
from tests.helpers.main_job import words

ROOT = Path(__file__).parents[2]
TALKATIVE = """
import atexit, os, subprocess, sys
import numpy as np
print("imported")
atexit.register(print, "at exit")
def score(images):
    print("1/1 [====] - 0s 20ms/step")
    sys.stdout.write("no end of line")
    os.write(1, b"from C\\n")
    subprocess.run(["echo", "from a child"], check=True)
    p = 1 / (1 + np.exp(-80 * (images.mean((1, 2, 3)) / 255 - 0.5)))
    return np.stack([1 - p, p], 1)
score.classes = ["dark", "bright"]
def ends(images):
    sys.exit(3)
ends.classes = score.classes
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a target that prints, and one that ends the program."""
    (tmp_path / "talkative.py").write_text(TALKATIVE)
    (tmp_path / "ends.py").write_text("import sys\nsys.exit(3)\n")
    return tmp_path


def target_words(tiny: Path, name: str, *more: object) -> list[object]:
    return ["optimize", name, *words(tiny, Path("run"), budget=500)[2:], *more]


def test_json_is_alone_on_stdout(bbdft: Bbdft, tiny: Path, folder: Path) -> None:
    line = target_words(tiny, "talkative:score", "--json")
    assert json.loads(bbdft(*line, "--dry-run", cwd=folder, code=0).stdout)["budget"] == 500
    done = bbdft(*line, cwd=folder, code=0, fresh=True)
    assert json.loads(done.stdout)["verdict"] == "improved"
    for text in ("imported", "20ms/step", "from C", "from a child", "at exit"):
        assert text in done.stderr
    for command in (["resume", "run"], ["evaluate", "run"], ["inspect", "talkative:score"]):
        json.loads(bbdft(*command, "--json", cwd=folder, code=0).stdout)
    compare = ["compare", "talkative:score", "--data", tiny / "labels.csv", "--out", "all", "--processes", 2]
    compare += ["--estimator", "nes", "--space", "color", "--budgets", "100,200", "--seeds", 2, "--json"]
    assert json.loads(bbdft(*compare, "--dry-run", cwd=folder, code=0).stdout)["runs"] == 2
    assert json.loads(bbdft(*compare, cwd=folder, code=0, fresh=True).stdout)["queries"]


@pytest.mark.parametrize("closed", ["2>&-", "<&-", "<&- >&- 2>&-"])
def test_closed_streams(closed: str, tiny: Path, tmp_path: Path) -> None:
    line = [sys.executable, "-m", "blackbox_dft", *map(str, words(tiny, tmp_path / "run", budget=500))]
    command = ["sh", "-c", f'"$@" {closed}', "sh", *line]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=200)
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    assert json.loads((tmp_path / "run/summary.json").read_text())["verdict"] == "improved"
    # A refusal without a stream to say it on still has its exit code.
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=200)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr


def test_a_run_goes_on_if_what_reads_its_progress_is_gone(tiny: Path, tmp_path: Path) -> None:
    line = [sys.executable, "-m", "blackbox_dft", *map(str, words(tiny, tmp_path / "run", budget=500))]
    subprocess.run(["sh", "-c", '"$@" 2>&1 | head -1', "sh", *line], capture_output=True, cwd=ROOT, timeout=200)
    assert (tmp_path / "run/summary.json").exists()


@pytest.mark.parametrize("reader", ["| head -1", ">/dev/full"])
def test_a_reader_that_takes_no_more(reader: str, tiny: Path) -> None:
    line = [sys.executable, "-m", "blackbox_dft", "inspect", str(tiny / "model.onnx")]
    done = subprocess.run(
        ["bash", "-c", f'set -o pipefail; "$@" {reader}', "bash", *line],
        capture_output=True,
        text=True,
        cwd=ROOT,
        timeout=100,
    )
    assert done.returncode == (2 if "full" in reader else 0), done.stderr
    assert "Traceback" not in done.stderr
    assert "Exception ignored" not in done.stderr


def test_the_exit_code_of_a_target_is_not_that_of_the_command(bbdft: Bbdft, tiny: Path, folder: Path) -> None:
    done = bbdft(*target_words(tiny, "talkative:ends", "--quiet"), cwd=folder, code=4)
    assert "ended with sys.exit(3)" in done.stderr
    assert "resume" not in done.stderr
    done = bbdft(*target_words(tiny, "ends:score"), cwd=folder, code=2)
    assert "importing the module ended with sys.exit(3)" in done.stderr


def test_values_that_should_be_quoted_and_folders_are_named(bbdft: Bbdft, tiny: Path, tmp_path: Path) -> None:
    line = ["optimize", tiny / "model.onnx", "--data", tiny / "labels.csv", "--out", tmp_path / "run"]
    assert "put a value with spaces or '*' in quotes" in bbdft(*line, "--map", "dark=night", "sky", code=2).stderr
    for command in (["optimize", tiny, *line[2:]], ["inspect", tiny]):
        assert "is a folder: give the path of an ONNX file in it (model.onnx)" in bbdft(*command, code=2).stderr
    assert "is a folder: give an ONNX file" in bbdft("serve", tiny, "--port", 0, code=2).stderr
    assert f"{tmp_path} holds no run" in bbdft(*line, "--reuse", tmp_path, code=2).stderr
