"""The cost of ``optimize`` beside the model: its images a second against bare ONNX Runtime's, in one interleaved run.

    python benchmarks/overhead.py [--task lfw-gender] [--space dct:8] [--budget 6000] [--rounds 5]

Bare ONNX Runtime gets the same number of images, prepared in advance, at its own best batch size, with as many
single-threaded calls side by side as there are cores; the fastest call plan on the CPU that is known here.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

# As the command line does.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("OPENCV_FOR_THREADS_NUM", "1")

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))
from benchmarks.tasks import TASKS, config
from blackbox_dft._utils.types import Array
from blackbox_dft.run.experiment import Experiment
from blackbox_dft.run.runner import start
from blackbox_dft.targets.onnx.target import OnnxTarget

BATCHES = (8, 16, 32, 64, 128)


def bare(target: OnnxTarget, prepared: Array, batch: int, images: int) -> float:
    """Seconds for ``images`` images through the session itself."""
    parts = [np.ascontiguousarray(prepared[i : i + batch]) for i in range(0, len(prepared) - batch + 1, batch)]
    calls = -(-images // batch)

    def call(number: int) -> None:
        target.session.run([target.output.name], {target.input.name: parts[number % len(parts)]})

    with ThreadPoolExecutor(target.workers) as threads:
        began = time.perf_counter()
        list(threads.map(call, range(calls)))
        return (time.perf_counter() - began) * images / (calls * batch)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--task", choices=TASKS, default="lfw-gender")
    parser.add_argument("--space", default="dct:8")
    parser.add_argument("--estimator", default="nes")
    parser.add_argument("--budget", type=int, default=6000)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()

    experiment = Experiment(
        config(options.task, space=options.space, estimator=options.estimator, budget=options.budget, early_stop=False)
    )
    target = experiment.target
    assert isinstance(target, OnnxTarget)
    prepared = target.input_format.prepare(experiment.data.images[:1024])
    tried = {batch: bare(target, prepared, batch, 512) for batch in BATCHES for _ in range(2)}
    batch = min(tried, key=tried.__getitem__)
    print(f"{options.task}, {options.space}, {options.estimator}; bare ONNX Runtime at its best batch, {batch}")
    ratios = []
    for number in range(options.rounds):
        with tempfile.TemporaryDirectory() as folder:
            summary = start(experiment, Path(folder) / "run").summary
        images, seconds = summary.queries.total, summary.seconds
        raw = bare(target, prepared, batch, images)
        ratios.append(seconds / raw)
        print(
            f"round {number + 1}: {images:,} images, optimize {seconds:.2f} s ({images / seconds:,.0f}/s), "
            f"bare {raw:.2f} s ({images / raw:,.0f}/s), overhead {100 * (seconds / raw - 1):+.1f} %"
        )
    print(f"median overhead {100 * (statistics.median(ratios) - 1):+.1f} %")


if __name__ == "__main__":
    main()
