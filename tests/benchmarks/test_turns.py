"""The benchmark of turns runs, on its smallest model."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("more", [[], ["--steps"]])
def test_both_ways_of_the_benchmark_are_measured(more: list[str]) -> None:
    command = [sys.executable, str(ROOT / "benchmarks/speed/turns.py"), "--models", "small-cnn-64", *more]
    command += ["--spaces", "affine+color", "--rounds", "1", "--calls", "4"]
    done = subprocess.run(command, capture_output=True, text=True, env=os.environ, check=True)
    (row,) = (line for line in done.stdout.splitlines() if line.startswith("small-cnn-64"))
    rates = row.partition("affine+color")[2].partition(";")[0].split(", ")
    assert all(int(rate.replace(",", "")) > 0 for rate in rates)
