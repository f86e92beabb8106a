"""The scripts of examples/ run as they are, from any folder, on what comes with the package."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.helpers.markdown import ROOT

EXAMPLES = ROOT / "examples"


def run(script: str, folder: Path) -> str:
    command = [sys.executable, str(EXAMPLES / script)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, capture_output=True, text=True, cwd=folder, env=environment, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.slow
def test_digits(tmp_path: Path) -> None:
    printed = run("digits.py", tmp_path)
    assert printed.startswith("improved: test accuracy 0.748 -> ")
    assert "affine zoom +" in printed
    assert len(list((tmp_path / "digits-run/changed").iterdir())) == 8


@pytest.mark.slow
def test_even_or_odd(tmp_path: Path) -> None:
    printed = run("even_or_odd.py", tmp_path).splitlines()
    assert [line.partition(":")[0] for line in printed] == ["dct", "affine+color"]
    assert "improved, 0.858 -> " in printed[1]


def test_no_example_needs_files_that_are_not_here() -> None:
    for path in (path for path in EXAMPLES.rglob("*") if path.suffix in (".py", ".md", ".toml", ".ipynb")):
        assert "../shared" not in path.read_text(encoding="utf-8"), path


def test_every_example_is_listed() -> None:
    text = (EXAMPLES / "README.md").read_text(encoding="utf-8")
    assert all(path.name in text for path in EXAMPLES.iterdir() if path.name not in ("README.md", "__pycache__"))
