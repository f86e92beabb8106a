"""A scoring URL for tests (the fault server in a process of its own), and runs of it."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from blackbox_dft import Tuning
from tests import fault_server
from tests.forked import FORKS

BUDGET = 900
"""Enough to find the change, and to be disturbed on the way."""


@contextmanager
def serving(count: Path, **options: object) -> Iterator[str]:
    """URL of a fault server's model; it responds without a pause, unless ``swift=0``."""
    flags = [part for name, value in {"swift": 1, **options}.items() for part in (f"--{name}", str(value))]
    ours, theirs = FORKS.Pipe()
    line = ["--count", str(count), *flags]
    process = FORKS.Process(target=fault_server.main, args=(line, theirs.send), daemon=True)
    process.start()
    theirs.close()
    try:
        yield f"http://127.0.0.1:{ours.recv()}/v2/models/tone"
    finally:
        process.kill()
        process.join()


def words(url: str, tiny: Path, out: Path, **options: object) -> list[object]:
    """The command line of a run of ``url`` that writes to ``out``."""
    settings = {"data": tiny / "labels.csv", "out": out, "space": "color", "budget": BUDGET, **options}
    return [
        "optimize",
        url,
        *[part for name, value in settings.items() for part in (f"--{name.replace('_', '-')}", value)],
    ]


def same_result(one: Path, two: Path) -> None:
    """Asserts that two runs end in the same z and accuracy."""
    np.testing.assert_array_equal(Tuning.load(one).z, Tuning.load(two).z)
    first, second = (json.loads((run / "summary.json").read_text()) for run in (one, two))
    assert first["accuracy"] == second["accuracy"]
