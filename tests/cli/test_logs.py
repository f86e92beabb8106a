"""Logs on stderr, and errors as JSON."""

import json
import logging
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Bbdft
from tests.helpers.main_job import words

FAILS = """
def score(images):
    raise ValueError("broken")
score.classes = ["dark", "bright"]
"""


def records(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def test_verbose_logs_phases(bbdft: Bbdft, tiny: Path, tmp_path: Path) -> None:
    said = bbdft(*words(tiny, tmp_path / "run", budget=500), "-v", "--quiet", code=0).stderr
    assert [line for line in said.splitlines() if line.startswith("INFO blackbox_dft.")]
    assert "phase tune: up to" in said
    assert "images scored" not in said
    more = bbdft(*words(tiny, tmp_path / "more", budget=500), "-vv", "-q", code=0).stderr
    assert "DEBUG blackbox_dft" in more
    assert "images scored" in more


def test_a_run_without_it_logs_nothing(bbdft: Bbdft, tiny: Path, tmp_path: Path) -> None:
    assert "phase tune" not in bbdft(*words(tiny, tmp_path / "run", budget=500), code=0).stderr


def test_every_line_is_json(bbdft: Bbdft, tiny: Path, tmp_path: Path) -> None:
    done = bbdft(*words(tiny, tmp_path / "run", budget=500), "--log-json", "-v", "--json", code=0)
    found = records(done.stderr)
    assert {"at", "level", "event"} <= set(found[0])
    assert any(record["event"].startswith("phase tune") for record in found)
    assert json.loads(done.stdout)["verdict"] == "improved"
    shown = records(bbdft(*words(tiny, tmp_path / "two", budget=500), "--log-json", code=0).stderr)
    assert any(record["event"] == "plan:" for record in shown)
    for order in (["--log-json", "-v"], ["-v", "--log-json"]):
        failed = records(bbdft("inspect", tmp_path / "no.onnx", *order, code=2).stderr)
        assert [record["level"] for record in failed] == ["error"]
        assert "no.onnx" in failed[0]["event"]


def test_the_package_is_silent_as_a_library() -> None:
    assert not logging.getLogger("blackbox_dft").handlers


@pytest.mark.parametrize(
    ("more", "code", "exit_code"),
    [
        (["--space", "colour"], "input", 2),
        (["--no-such-option"], "usage", 2),
        (["--budget", "few"], "usage", 2),
        (["--budget", "20"], "budget", 3),
    ],
)
def test_errors_are_json_too(
    more: list[str], code: str, exit_code: int, bbdft: Bbdft, tiny: Path, tmp_path: Path
) -> None:
    line = ["optimize", tiny / "model.onnx", "--data", tiny / "labels.csv", "--out", tmp_path / "run", *more]
    done = bbdft(*line, "--json", code=exit_code)
    error = json.loads(done.stdout)["error"]
    assert (error["code"], error["exit_code"]) == (code, exit_code)
    assert f"bbdft: {error['message']}" in done.stderr.splitlines()
    without = bbdft(*line, code=exit_code)
    assert without.stdout == ""


def test_the_error_of_a_target_is_json(bbdft: Bbdft, tiny: Path, tmp_path: Path) -> None:
    (tmp_path / "fails.py").write_text(
        "def score(images):\n    raise ValueError('broken')\nscore.classes = ['dark', 'bright']\n"
    )
    line = ["optimize", "fails:score", *words(tiny, Path("run"), budget=500)[2:], "--json"]
    error = json.loads(bbdft(*line, cwd=tmp_path, code=4).stdout)["error"]
    assert error["code"] == "target"
    assert "broken" in error["message"]
