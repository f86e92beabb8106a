"""Several proposals in flight: what the search loses by late losses, and how much time it saves with a slow target.

    python benchmarks/in_flight.py [--seeds 3] [--queries 500,1000,2000] [--counts 1,2,4,8]

``surface`` in affine+color. *Accuracy*: medians of test accuracy on the three tasks, z chosen on val. *Seconds*: 1,000
tuning queries to a target that serves 16 requests side by side, each of 8 images, in 50 ms.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from statistics import median

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))
from benchmarks.tasks import TASKS, measure, opened
from blackbox_dft._utils.types import Floats, ImageBytes
from blackbox_dft.objectives import make_objective
from blackbox_dft.run.experiment import Experiment
from blackbox_dft.scoring.ledger import Ledger
from blackbox_dft.search.in_flight import FixedInFlight
from blackbox_dft.search.loop import Task, tune
from blackbox_dft.targets.options import TargetOptions

SPACE, ESTIMATOR = "affine+color", "surface"
WAIT, AT_ONCE, BATCH, QUERIES = 0.05, 16, 8, 1_000


def slow(images: ImageBytes) -> Floats:
    """Brightness, after a while."""
    time.sleep(WAIT)
    mean = images.mean(axis=(1, 2, 3)) / 255
    return np.stack([1 - mean, mean], 1)


def seconds(in_flight: int) -> float:
    """Of a search."""
    options = TargetOptions(classes=("male", "female"), size=(32, 32), batch=BATCH, workers=AT_ONCE)
    base = replace(opened("lfw-gender").config, target="benchmarks.in_flight:slow", target_options=options)
    here = Experiment(replace(base, space=SPACE, estimator=ESTIMATOR, in_flight=in_flight))
    with tempfile.TemporaryDirectory() as folder, Ledger(Path(folder) / "l.sqlite", budget=2**62) as ledger:
        scorer = here.scorer(ledger)
        train, val = here.data.splits["train"], here.data.splits["val"][:16]
        decoder = here.decoder(scorer.score("select", val, here.space.initial()))
        task = Task(scorer, decoder, make_objective("sigmoid"), here.data.labels)
        began = time.perf_counter()
        tune(task, here.estimator(), train, limit=QUERIES, seed=0, in_flight=FixedInFlight(in_flight))
        took = time.perf_counter() - began
        scorer.close()
    return took


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--queries", default="500,1000,2000")
    parser.add_argument("--counts", default="1,2,4,8")
    options = parser.parse_args()
    limits = [int(part) for part in options.queries.split(",")]
    counts = [int(part) for part in options.counts.split(",")]
    print("| in flight | " + " | ".join(TASKS) + f" | seconds for {QUERIES:,} |\n" + "|---" * (len(TASKS) + 2) + "|")
    for count in counts:
        cells = []
        for task in TASKS:
            runs = [measure(task, SPACE, ESTIMATOR, seed, limits, in_flight=count) for seed in range(options.seeds)]
            cells.append(" ".join(f"{median(run[place].accuracy for run in runs):.3f}" for place in range(len(limits))))
        print(f"| {count} | " + " | ".join(cells) + f" | {seconds(count):.1f} |", flush=True)


if __name__ == "__main__":
    main()
