"""What ``--early-stop`` saves and what it costs, on the three tasks.

    python benchmarks/early_stop.py [--seeds 3] [--queries 20000] [--spaces affine+color,affine+color+dct:8]

``surface`` runs to the limit and is also evaluated where it would have stopped. Test accuracies are of the mean of the
last quarter of the trajectory up to there, without a choice on val.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from pathlib import Path

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).parents[1]))
import numpy as np

from benchmarks.tasks import TASKS, experiment, search, unchanged
from blackbox_dft.objectives import make_objective
from blackbox_dft.objectives.losses import decide
from blackbox_dft.scoring.ledger import Ledger
from blackbox_dft.search.loop import Task

ESTIMATOR = "surface"


def measure(task: str, space: str, seed: int, limit: int) -> list[tuple[int, float, float]]:
    """Queries, test accuracy and test loss: unchanged, where it would stop, at the limit."""
    here = experiment(task, space)
    early = experiment(task, space, (("early_stop", True),))
    data, identity = here.data, here.space.initial()
    held, labels = data.splits["test"], data.labels[data.splits["test"]]
    found = []
    with tempfile.TemporaryDirectory() as folder, Ledger(Path(folder) / "l.sqlite", budget=2**62) as ledger:
        ledger.reuse(unchanged(task))
        scorer = here.scorer(ledger)
        decoder = here.decoder(scorer.score("select", data.splits["val"], identity))
        run = Task(scorer, decoder, make_objective("sigmoid"), data.labels)
        courses = [search(run, one, ESTIMATOR, seed, limit) for one in (early, here)]
        ends = [(0, identity), *((trajectory.points[-1].queries, trajectory.average(1 / 4)) for trajectory in courses)]
        for queries, z in ends:
            answers = run.probabilities("evaluate", held, z)
            accuracy = float(np.mean(decide(answers) == labels))
            found.append((queries, accuracy, float(run.objective(answers, labels).mean())))
        scorer.close()
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--queries", type=int, default=20_000)
    parser.add_argument("--spaces", default="affine+color,affine+color+dct:8")
    options = parser.parse_args()
    print(
        f"| task, space | stops after | accuracy, loss there | at {options.queries:,} | before |\n|---|---|---|---|---|"
    )
    for space in options.spaces.split(","):
        for task in TASKS:
            seeds = [measure(task, space, seed, options.queries) for seed in range(options.seeds)]
            before, there, end = np.median(np.array(seeds), axis=0)
            stops = ", ".join(f"{seed[1][0]:,}" for seed in seeds)
            cells = [f"{one[1]:.3f}, {one[2]:.3f}" for one in (there, end, before)]
            print(f"| {task}, {space} | {stops} | " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    main()
