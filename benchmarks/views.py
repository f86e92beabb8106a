"""What further views add: test accuracy of z with its output map under one view, and under up to two, three and four.

    python benchmarks/views.py --queries 400,1600 --seeds 5

"queries" are those of the search and of the choice of two views together; three and four cost 64 and 160 more. z and
its map are kept in any case, so that views alone are measured. Medians over seeds, on the whole test split; beside them
how many views were kept on average.
"""

from __future__ import annotations

import argparse
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np

from benchmarks.output_map import config
from benchmarks.tasks import MIN_SELECT_IMAGES
from blackbox_dft.estimators import make_estimator
from blackbox_dft.objectives import make_objective
from blackbox_dft.objectives.losses import decide
from blackbox_dft.run.budget import MIN_VIEW_IMAGES
from blackbox_dft.run.experiment import Experiment
from blackbox_dft.scoring.ledger import Ledger
from blackbox_dft.scoring.views import score_views
from blackbox_dft.search.loop import Task, tune
from blackbox_dft.search.mapped_selection import fit_search_map
from blackbox_dft.search.minibatches import StratifiedSampler
from blackbox_dft.search.views import choose_views, view_queries

MOST = (1, 2, 3, 4)


def measure(task: str, space: str, seed: int, queries: int) -> tuple[list[float], list[int]]:
    """Test accuracy with up to each of ``MOST`` views, and how many were kept."""
    here = Experiment(replace(config(task, space), seed=seed, views=max(MOST)))
    data, limit = here.data, queries - view_queries(MIN_VIEW_IMAGES, 2)
    with tempfile.TemporaryDirectory() as folder, Ledger(Path(folder) / "l.sqlite", budget=2**62) as ledger:
        scorer = here.scorer(ledger)
        images = min(max(MIN_SELECT_IMAGES, limit // 6), len(data.splits["val"]))
        val = StratifiedSampler(data.splits["val"], data.labels, seed)(images)
        decoder = here.decoder(scorer.score("select", val, here.space.initial()))
        run = Task(scorer, decoder, make_objective("sigmoid"), data.labels)
        estimator = make_estimator("auto", here.search_space, seed=seed)
        trajectory = tune(run, estimator, data.splits["train"], limit=limit, seed=seed)
        z = trajectory.average(1 / 4)
        fitted = fit_search_map(run, trajectory, z, "auto", seed)
        accuracies, counts = [], []
        for most in MOST:
            given = {"images": MIN_VIEW_IMAGES, "most": most, "seed": seed}
            found = choose_views(run, here.view_space, data.splits["train"], z, fitted, "auto", **given)
            raw = score_views(scorer, "evaluate", data.splits["test"], found.sent)
            right = decide(decoder.with_map(found.output_map)(raw)) == data.labels[data.splits["test"]]
            accuracies.append(float(right.mean()))
            counts.append(len(found.sent))
        scorer.close()
    return accuracies, counts


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--queries", default="1600")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--space", default="affine+color")
    parser.add_argument("--tasks", default="lfw-gender,smile-mini,smile-faceapi,usps-mnist")
    options = parser.parse_args()
    print(f"| task, queries | {' | '.join(f'up to {most}' for most in MOST)} |\n|---|{'---|' * len(MOST)}", flush=True)
    for task in options.tasks.split(","):
        for queries in map(int, options.queries.split(",")):
            found = [measure(task, options.space, seed, queries) for seed in range(options.seeds)]
            accuracy = np.median([accuracies for accuracies, _ in found], axis=0)
            kept = np.mean([counts for _, counts in found], axis=0)
            cells = (f"{right:.3f} ({count:.1f})" for right, count in zip(accuracy, kept, strict=True))
            print(f"| {task}, {queries:,} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
