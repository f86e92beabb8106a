"""A comparison's runs side by side on a simulated device: one call at a time, of 1 ms and 10 µs an image.

    python benchmarks/speed/side_by_side.py [--counts 1,2,4,8,16] [--estimators surface] [--budget 600] [--call 1]

The device takes no processor time, as a GPU does not: it waits. 16 runs in ``affine+color`` on 400 images of 16 x 16;
the table of results has to be the same for every count.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import threading
import time
from pathlib import Path

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("OPENCV_FOR_THREADS_NUM", "1")

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[2]))
from benchmarks.throughput import write_images
from blackbox_dft._utils.types import Array, ImageBytes
from blackbox_dft.comparison.grid import Grid
from blackbox_dft.comparison.runner import Comparison
from blackbox_dft.run.config import Config
from blackbox_dft.targets.callable import CallableTarget

IMAGE = 1e-5
"""Seconds of an image of a call."""
RUNS = 16


class Device:
    """Scores by brightness, one call at a time."""

    classes, image_size, batch, workers = ("c0", "c1"), (16, 16), 256, 2

    def __init__(self, call: float) -> None:
        self._call = call
        self.busy, self.images = 0.0, 0
        self._one = threading.Lock()

    def __call__(self, images: ImageBytes) -> Array:
        with self._one:
            seconds = self._call + IMAGE * len(images)
            time.sleep(seconds)
            self.busy += seconds
            self.images += len(images)
        p = 1 / (1 + np.exp(-80 * (images.mean((1, 2, 3), dtype=np.float64) / 255 - 0.5)))
        return np.stack([1 - p, p], 1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--counts", default="1,2,4,8,16", help="runs side by side")
    parser.add_argument("--estimators", default="surface,nes:pairs=8")
    parser.add_argument("--call", type=float, default=1.0, help="milliseconds of a call")
    parser.add_argument("--budget", type=int, default=600)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        data = write_images(Path(folder) / "images", 16, 400)
        for estimator in given.estimators.split(","):
            first: tuple[float, bytes] | None = None
            for count in map(int, given.counts.split(",")):
                device, out = Device(given.call / 1000), Path(folder) / f"{estimator.partition(':')[0]}-{count}"
                grid = Grid(("affine+color",), (estimator,), (given.budget,), tuple(range(RUNS)))
                target = CallableTarget("device", function=device)
                comparison = Comparison(Config("device", str(data), map=("c0=c0", "c1=c1")), grid, out, target=target)
                began, spent = time.perf_counter(), time.process_time()
                comparison.execute(threads=count)
                took, spent = time.perf_counter() - began, time.process_time() - spent
                table = (out / "compare.csv").read_bytes()
                first = first or (took, table)
                print(
                    f"{estimator:<14}{count:>3} side by side: {took:6.2f} s, {first[0] / took:.2f} times as fast, "
                    f"{device.images / took:,.0f} images/s, device busy {device.busy / took:.0%}, "
                    f"processor {1e6 * spent / device.images:.0f} µs an image, "
                    f"results {'the same' if table == first[1] else 'DIFFERENT'}",
                    flush=True,
                )


if __name__ == "__main__":
    main()
