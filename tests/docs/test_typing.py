"""A user's script that uses the public API passes ``mypy --strict``, and a wrong one does not."""

import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.helpers.markdown import ROOT

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(find_spec("mypy") is None, reason="needs pip install -e '.[lint]'"),
]

SCRIPT = """
from typing import Any

import numpy as np
from numpy.typing import NDArray

import blackbox_dft
from blackbox_dft import Callback, Config, InputError, Options, Point, Result, Tuning, plots


def model(images: NDArray[np.uint8]) -> NDArray[np.float32]:
    return np.asarray(images.mean(axis=(1, 2)), np.float32)


class Print(Callback):
    def step(self, point: Point) -> None:
        print(point.queries, point.accuracy)

    def done(self, result: Result) -> None:
        print(result.verdict)


def run(images: NDArray[np.uint8], labels: list[str]) -> float:
    options: Options = {"budget": 1000, "early_stop": False, "map": {"smile": ["happy", "glad"]}}
    result = blackbox_dft.optimize(model, (images, labels), callbacks=[Print()], progress=False, **options)
    again = blackbox_dft.optimize(Config("model.onnx", "labels.csv"), "run")
    longer = blackbox_dft.resume(again, budget=2000, evaluate="all")
    verdict: str = blackbox_dft.load_run("run").verdict
    gain: float = longer.accuracy.after - result.summary.accuracy["test"].before
    tuning: Tuning = result.tuning
    changed: NDArray[np.uint8] = tuning(images)
    probabilities: NDArray[np.float64] = tuning.predict(changed, model)
    found: dict[str, Any] = blackbox_dft.inspect("model.onnx", channel_order="bgr")
    drift: bool = blackbox_dft.check(result).drift
    blackbox_dft.predict(result, images).table.write("labels.csv")
    blackbox_dft.fuse_onnx(result, "model.onnx", "tuned.onnx")
    plots.trajectory(result).savefig("trajectory.png")
    try:
        blackbox_dft.plan(model, (images, labels), budget=5)
    except InputError as error:
        print(error, verdict, probabilities, found, drift)
    return gain
"""
WRONG = """
from blackbox_dft import load_run, optimize

optimize("model.onnx", "labels.csv", bugdet=1000)
optimize("model.onnx", "labels.csv", budget="many")
load_run("run").accuracy.no_such_thing
"""


def mypy(script: str, folder: Path) -> subprocess.CompletedProcess[str]:
    (folder / "script.py").write_text(script)
    # What the package's own imports lack is its own affair, as for an installed one.
    words = ["--strict", "--follow-imports=silent", "--cache-dir", ROOT / ".mypy_cache", folder / "script.py"]
    command = [sys.executable, "-m", "mypy", "--config-file", str(ROOT / "pyproject.toml"), *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=600)


def test_a_users_script_is_typed(tmp_path: Path) -> None:
    done = mypy(SCRIPT, tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr


def test_wrong_names_and_types_are_found(tmp_path: Path) -> None:
    done = mypy(WRONG, tmp_path)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "bugdet" in done.stdout
    assert "script.py:5" in done.stdout
    assert "no_such_thing" in done.stdout
