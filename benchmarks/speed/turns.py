"""Threads that change images in turn beside threads that do so at once: images/s of geometry and tone with a model.

    python benchmarks/speed/turns.py [--models small-cnn-64,small-cnn-112,mobilenet-112] [--spaces affine+color]

Each round calls a model as a run does, with one thread a core, each image under its own z: with turns and without, in
alternation. The table has medians over rounds, and the processor time of all threads.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Iterator
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

POOL = 256


@contextmanager
def without_turns(threads: int) -> Iterator[None]:
    kept, turns._turns = turns._turns, Semaphore(threads)
    yield
    turns._turns = kept


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", default="small-cnn-64,small-cnn-112,mobilenet-112")
    parser.add_argument("--spaces", default="affine+color,affine+color+dct:8")
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--calls", type=int, default=120)
    parser.add_argument("--rounds", type=int, default=9)
    options = parser.parse_args()
    print(f"{'':<36}images/s in turn, at once; processor time, us an image")
    for name in options.models.split(","):
        with tempfile.TemporaryDirectory() as folder:
            model = build(name, Path(folder), SHARED)
            target = OnnxTarget(model, TargetOptions(output=OUTPUTS.get(name), provider="cpu"))
            assert target.image_size
            pool = smooth_images(POOL, target.image_size)
            for spec in options.spaces.split(","):
                space = make_space(spec, (*target.image_size, 3))
                path = FusedPath(pool, space, target, Encoding())
                rng = np.random.default_rng(0)
                z = rng.normal(size=(options.calls, options.batch, space.size)) / 2
                shown = rng.integers(0, POOL, (options.calls, options.batch))

                def call(n: int, path: FusedPath = path, shown: np.ndarray = shown, z: np.ndarray = z) -> object:
                    return path(shown[n], z[n])

                took: dict[bool, list[np.ndarray]] = {True: [], False: []}
                for _ in range(options.rounds):
                    took[True].append(timed(call, options.calls, target.workers))
                    with without_turns(target.workers):
                        took[False].append(timed(call, options.calls, target.workers))
                images = options.calls * options.batch
                rates = ", ".join(f"{images / median(t[0] for t in took[way]):,.0f}" for way in (True, False))
                cpu = ", ".join(f"{1e6 * median(t[1] for t in took[way]) / images:.0f}" for way in (True, False))
                print(f"{name:<16}{spec:<20}{rates}; {cpu}", flush=True)


if __name__ == "__main__":
    main()
