"""Threads that change images in turn beside threads that do so at once: images/s of geometry and tone with a model.

    python benchmarks/speed/turns.py [--models small-cnn-64,small-cnn-112,mobilenet-112] [--spaces affine+color]

Each round calls a model as a run does, with one thread a core, each image under its own z: with turns and without, in
alternation. The table has medians over rounds, and the processor time of all threads. ``--steps`` compares steps of a
search that waits for each: 16 images as two calls of 8, and as four of 4.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from threading import Semaphore

# As the command line does.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("OPENCV_FOR_THREADS_NUM", "1")

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[2]))
from benchmarks.models import OUTPUTS, build
from benchmarks.tasks import SHARED
from benchmarks.throughput import timed
from blackbox_dft._utils import turns
from blackbox_dft.fusion.fused_path import FusedPath
from blackbox_dft.images.encoding import Encoding
from blackbox_dft.spaces import make_space
from blackbox_dft.targets import TargetOptions
from blackbox_dft.targets.inspection import smooth_images
from blackbox_dft.targets.onnx.target import OnnxTarget

POOL, STEP = 256, 16


@contextmanager
def without_turns(threads: int) -> Iterator[None]:
    kept, turns._turns.free = turns._turns.free, Semaphore(threads)
    yield
    turns._turns.free = kept


class Called:
    """A model with a change, called by ``batch`` images each under its own z."""

    def __init__(self, target: OnnxTarget, spec: str, batch: int, calls: int) -> None:
        assert target.image_size
        space = make_space(spec, (*target.image_size, 3))
        self._path = FusedPath(smooth_images(POOL, target.image_size), space, target, Encoding())
        rng = np.random.default_rng(0)
        self._z = rng.normal(size=(calls, batch, space.size)) / 2
        self._shown = rng.integers(0, POOL, (calls, batch))

    def __call__(self, n: int) -> object:
        return self._path(self._shown[n], self._z[n])


def in_turn_and_at_once(target: OnnxTarget, spec: str, options: argparse.Namespace) -> str:
    call = Called(target, spec, options.batch, options.calls)
    took: dict[bool, list[np.ndarray]] = {True: [], False: []}
    for _ in range(options.rounds):
        took[True].append(timed(call, options.calls, target.workers))
        with without_turns(target.workers):
            took[False].append(timed(call, options.calls, target.workers))
    images = options.calls * options.batch
    rates = ", ".join(f"{images / median(t[0] for t in took[way]):,.0f}" for way in (True, False))
    cpu = ", ".join(f"{1e6 * median(t[1] for t in took[way]) / images:.0f}" for way in (True, False))
    return f"{rates}; {cpu}"


def by_step(target: OnnxTarget, spec: str, options: argparse.Namespace) -> str:
    ways = {batch: Called(target, spec, batch, STEP // batch) for batch in (8, 4)}
    took: dict[int, list[float]] = {batch: [] for batch in ways}
    with ThreadPoolExecutor(target.workers) as threads:
        for _ in range(options.rounds):
            for batch, call in ways.items():
                began = time.perf_counter()
                for _ in range(options.calls * options.batch // STEP):
                    list(threads.map(call, range(STEP // batch)))
                took[batch].append(time.perf_counter() - began)
    images = options.calls * options.batch
    return ", ".join(f"{images / median(times):,.0f}" for times in took.values())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", default="small-cnn-64,small-cnn-112,mobilenet-112")
    parser.add_argument("--spaces", default="affine+color,affine+color+dct:8")
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--calls", type=int, default=120)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--steps", action="store_true", help="compare steps of 16 images cut into calls of 8 and of 4")
    options = parser.parse_args()
    columns = "two calls of 8, four of 4" if options.steps else "in turn, at once; processor time, us an image"
    print(f"{'':<36}images/s {columns}")
    for name in options.models.split(","):
        with tempfile.TemporaryDirectory() as folder:
            model = build(name, Path(folder), SHARED)
            target = OnnxTarget(model, TargetOptions(output=OUTPUTS.get(name), provider="cpu"))
            for spec in options.spaces.split(","):
                found = (by_step if options.steps else in_turn_and_at_once)(target, spec, options)
                print(f"{name:<16}{spec:<20}{found}", flush=True)


if __name__ == "__main__":
    main()
