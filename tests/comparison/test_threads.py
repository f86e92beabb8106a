"""Runs of a comparison side by side in threads: the results of one after the other, to the bit."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from blackbox_dft.comparison.grid import Grid
from blackbox_dft.comparison.runner import Comparison
from blackbox_dft.errors import TargetError
from blackbox_dft.run.config import Config
from blackbox_dft.search.progress import NoProgress
from blackbox_dft.targets.callable import CallableTarget

ROOT = Path(__file__).parents[2]
GRID = Grid(("color", "affine"), ("nes:pairs=8",), (70, 100), (0, 1))
SMALL = Grid(("color",), ("nes:pairs=8",), (80,), (0, 1, 2, 3))


def config(tiny: Path, target: object = "device") -> Config:
    return Config(str(target), str(tiny / "labels.csv"))


def results(out: Path) -> dict[str, Any]:
    """All that a comparison found: each run's arrays, to the bit."""
    found: dict[str, Any] = {"table": (out / "compare.csv").read_bytes()}
    for path in sorted((out / "runs").glob("*.npz")):
        with np.load(path) as arrays:
            found |= {f"{path.name} {name}": arrays[name].tobytes() for name in arrays.files}
    return found


class Device:
    """A function that scores one call at a time, in no processor time, as a GPU does; it knows how many wait for it."""

    classes, image_size, batch, workers = ("dark", "bright"), (16, 16), 64, 2

    def __init__(self, fails_at: int | None = None, gathers: int = 0) -> None:
        self.fails_at, self.gathers = fails_at, gathers
        self.calls = self.here = self.most = 0
        self._lock, self._counting = threading.Lock(), threading.Lock()
        self._gathered = threading.Event()

    def __call__(self, images: np.ndarray) -> np.ndarray:
        with self._counting:
            self.calls += 1
            self.here += 1
            self.most = max(self.most, self.here)
            if self.most >= self.gathers:
                self._gathered.set()
            failing = self.calls == self.fails_at
        try:
            # Calls are long until enough have met, so that a busy machine does not keep them apart.
            self._gathered.wait(0.3)
            with self._lock:
                time.sleep(0.001 + 1e-5 * len(images))
        finally:
            with self._counting:
                self.here -= 1
        if failing:
            raise RuntimeError("out of memory")
        p = 1 / (1 + np.exp(-80 * (images.mean((1, 2, 3)) / 255 - 0.5)))
        return np.stack([1 - p, p], 1)


class Watched(NoProgress):
    """Remembers which threads reported, and may stop the comparison."""

    def __init__(self, stop_after: int | None = None) -> None:
        self.threads: set[int] = set()
        self.images, self.stop_after = 0, stop_after

    def scored(self, images: int, paid: int) -> None:
        self.threads.add(threading.get_ident())
        self.images += images
        if self.stop_after is not None and self.images > self.stop_after:
            raise KeyboardInterrupt


@pytest.fixture(scope="module")
def serial(tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A comparison of the model on the processor, one run after the other."""
    out = tmp_path_factory.mktemp("serial") / "out"
    Comparison(config(tiny, tiny / "model.onnx"), GRID, out).execute(processes=1)
    return out


@pytest.mark.parametrize("path", ["fused", "array"])
def test_runs_in_threads_end_as_one_after_the_other(path: str, serial: Path, tiny: Path, tmp_path: Path) -> None:
    settings = config(tiny, tiny / "model.onnx")
    before = serial
    if path == "array":
        settings = Config(settings.target, settings.data, path="array")
        before = tmp_path / "serial"
        Comparison(settings, SMALL, before).execute(processes=1)
    progress = Watched()
    Comparison(settings, GRID if path == "fused" else SMALL, tmp_path / "out").execute(progress, threads=4)
    assert results(tmp_path / "out") == results(before)
    assert progress.threads == {threading.get_ident()}


def test_the_device_has_calls_of_several_runs(tiny: Path, tmp_path: Path) -> None:
    devices, found = {}, {}
    for count in (1, 4):
        devices[count] = Device(gathers=4 if count == 4 else 0)
        target = CallableTarget("device", function=devices[count])
        Comparison(config(tiny), SMALL, tmp_path / str(count), target=target).execute(threads=count)
        found[count] = results(tmp_path / str(count))
    # One run sends one call more than there are workers; several wait for the device together.
    assert devices[1].most <= 3 < devices[4].most
    assert found[4] == found[1]
    assert devices[4].calls == devices[1].calls


def test_a_stopped_comparison_continues(serial: Path, tiny: Path, tmp_path: Path) -> None:
    settings = config(tiny, tiny / "model.onnx")
    with pytest.raises(KeyboardInterrupt):
        Comparison(settings, GRID, tmp_path / "out").execute(Watched(300), threads=4)
    assert not (tmp_path / "out/compare.csv").exists()
    Comparison(settings, GRID, tmp_path / "out").execute(threads=3)
    assert results(tmp_path / "out") == results(serial)


def test_a_failed_run_ends_the_others_and_all_continue(tiny: Path, tmp_path: Path) -> None:
    whole = CallableTarget("device", function=Device())
    Comparison(config(tiny), SMALL, tmp_path / "whole", target=whole).execute(threads=1)
    failing = CallableTarget("device", function=Device(fails_at=30))
    with pytest.raises(TargetError, match="out of memory"):
        Comparison(config(tiny), SMALL, tmp_path / "out", target=failing).execute(threads=4)
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("run_")]
    again = CallableTarget("device", function=Device())
    Comparison(config(tiny), SMALL, tmp_path / "out", target=again).execute(threads=4)
    assert results(tmp_path / "out") == results(tmp_path / "whole")


SCRIPT = """
import sys
from pathlib import Path
from tests.comparison.test_threads import SMALL, Comparison, Device, CallableTarget, config
tiny, out = map(Path, sys.argv[1:])
Comparison(config(tiny), SMALL, out, target=CallableTarget("device", function=Device())).execute(threads=4)
"""


def test_a_killed_comparison_continues(tiny: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    command = [sys.executable, "-c", SCRIPT, str(tiny), str(out)]
    process = subprocess.Popen(command, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)})
    # Killed once all four runs have begun, wherever they are then.
    while len(list((out / "runs").glob("*.sqlite"))) < 4 and process.poll() is None:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    subprocess.run(command, cwd=ROOT, check=True, env={**os.environ, "PYTHONPATH": str(ROOT)})
    Comparison(config(tiny), SMALL, tmp_path / "whole", target=CallableTarget("device", function=Device())).execute()
    assert results(out) == results(tmp_path / "whole")
