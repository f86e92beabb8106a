"""What the distance term trades: PSNR, distance and test accuracy against its weight, on one task.

    python benchmarks/distance.py [--task lfw-gender] [--queries 5000] [--spaces dct:8,tanh] [--weights 0,10,...]

Measured at the mean of the last half of the search, significant gain or not, which is where a run would choose from.
Nothing but the term bounds ``tanh`` (epsilon 1); the others have epsilon 16/255, also their unit, and change brightness
alone.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))
from benchmarks.tasks import TASKS, config
from blackbox_dft.evaluation import psnr, ssim
from blackbox_dft.job import Job
from blackbox_dft.ledger import Ledger
from blackbox_dft.objectives import decide, make_objective
from blackbox_dft.tuner import Task, tune


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--task", choices=TASKS, default="lfw-gender")
    parser.add_argument("--queries", type=int, default=5_000, help="of the search")
    parser.add_argument("--spaces", default="dct:8,tanh")
    parser.add_argument("--weights", default="0,10,30,100,300,1000")
    parser.add_argument("--objective", default="sigmoid")
    options = parser.parse_args()

    print("| space | weight | PSNR, dB | SSIM | root mean square, levels | test accuracy |\n|---|---|---|---|---|---|")
    for space in options.spaces.split(","):
        bounds = ("1", "rgb") if space == "tanh" else ("16/255", "luma")
        for weight in map(float, options.weights.split(",")):
            job = Job(config(options.task, space=space, epsilon=bounds[0], channels=bounds[1], distance_weight=weight))
            data, test = job.data, job.data.splits["test"]
            with tempfile.TemporaryDirectory() as folder, Ledger(Path(folder) / "l.sqlite", budget=2**62) as ledger:
                scorer = job.scorer(ledger)
                reading = job.reading(scorer.score("select", data.splits["val"], job.space.initial()))
                task = Task(scorer, reading, make_objective(options.objective), data.labels, job.penalty)
                course = tune(task, job.estimator(), data.splits["train"], limit=options.queries, seed=0)
                z = course.average(1 / 2)
                after = np.mean(decide(task.probabilities("evaluate", test, z)) == data.labels[test])
                scorer.close()
            tuning = job.tuning(z)
            images = data.images[test[:256]]
            changed = tuning(images)
            level = 255 * float(job.distance(z[None])[0]) ** 0.5
            decibels = psnr(images, changed)
            shown = "unchanged" if decibels is None else f"{decibels:.1f}"
            row = f"| {space} | {weight:g} | {shown} | {ssim(images, changed):.3f} | {level:.2f} | {after:.3f} |"
            print(row, flush=True)


if __name__ == "__main__":
    main()
