"""PSNR, distance and test accuracy against its weight, on one task.

    python benchmarks/distance.py [--task lfw-gender] [--queries 5000] [--spaces dct:8,tanh] [--weights 0,10,...]

Means of some seeds, with the least and the greatest PSNR and accuracy. Measured at the mean of the last half of the
search, whether its gain is significant or not. Nothing but the term bounds ``tanh`` (epsilon
1); the others have epsilon 16/255, also their unit, and change brightness alone.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))
from benchmarks.tasks import TASKS, config
from blackbox_dft.images.similarity import psnr, ssim
from blackbox_dft.objectives import make_objective
from blackbox_dft.objectives.losses import decide
from blackbox_dft.run.experiment import Experiment
from blackbox_dft.scoring.ledger import Ledger
from blackbox_dft.search.loop import Task, tune


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--task", choices=TASKS, default="lfw-gender")
    parser.add_argument("--queries", type=int, default=5_000, help="of the search")
    parser.add_argument("--spaces", default="dct:8,tanh")
    parser.add_argument("--weights", default="0,10,30,100,300,1000")
    parser.add_argument("--objective", default="sigmoid")
    parser.add_argument("--seeds", type=int, default=3)
    options = parser.parse_args()

    print("| space | weight | PSNR, dB | SSIM | root mean square, levels | test accuracy |\n|---|---|---|---|---|---|")
    for space in options.spaces.split(","):
        for weight in map(float, options.weights.split(",")):
            runs = [measure(options, space, weight, seed) for seed in range(options.seeds)]
            decibels, likeness, level, accuracy = zip(*runs, strict=True)
            shown = spread([one for one in decibels if one is not None], 1) or "unchanged"
            numbers = f"{np.mean(likeness):.3f} | {np.mean(level):.2f} | {spread(accuracy, 3)}"
            print(f"| {space} | {weight:g} | {shown} | {numbers} |", flush=True)


def measure(
    options: argparse.Namespace, space: str, weight: float, seed: int
) -> tuple[float | None, float, float, float]:
    """PSNR, SSIM, root mean square in levels, test accuracy."""
    epsilon, channels = ("1", "rgb") if space == "tanh" else ("16/255", "luma")
    options_of_run = {"space": space, "epsilon": epsilon, "channels": channels, "distance_weight": weight, "seed": seed}
    experiment = Experiment(config(options.task, **options_of_run))
    data, test = experiment.data, experiment.data.splits["test"]
    with tempfile.TemporaryDirectory() as folder, Ledger(Path(folder) / "l.sqlite", budget=2**62) as ledger:
        scorer = experiment.scorer(ledger)
        decoder = experiment.decoder(scorer.score("select", data.splits["val"], experiment.space.initial()))
        task = Task(scorer, decoder, make_objective(options.objective), data.labels, experiment.penalty)
        trajectory = tune(task, experiment.estimator(), data.splits["train"], limit=options.queries, seed=seed)
        z = trajectory.average(1 / 2)
        after = np.mean(decide(task.probabilities("evaluate", test, z)) == data.labels[test])
        scorer.close()
    images = data.images[test[:256]]
    changed = experiment.tuning(z)(images)
    return (
        psnr(images, changed),
        ssim(images, changed),
        255 * float(experiment.distance(z[None])[0]) ** 0.5,
        float(after),
    )


def spread(values: Sequence[float], digits: int) -> str:
    """The mean, and from the least to the greatest; nothing of no values."""
    if not len(values):
        return ""
    low, high = min(values), max(values)
    return f"{np.mean(values):.{digits}f}" + (f" ({low:.{digits}f} to {high:.{digits}f})" if len(values) > 1 else "")


if __name__ == "__main__":
    main()
