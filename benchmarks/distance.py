"""What the distance term trades: PSNR and test accuracy against its weight, on one task.

    python benchmarks/distance.py [--task lfw-gender] [--queries 10000] [--spaces tanh,dct:8] [--weights 0,1,3,...]

Nothing but the term bounds the perturbation (epsilon 1 in ``tanh``; in the others epsilon 32/255, which is also their
unit).
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))
from benchmarks.tasks import TASKS, config
from blackbox_dft.config import Config
from blackbox_dft.data import load
from blackbox_dft.job import Job
from blackbox_dft.plan import CANDIDATES, SELECT_SHARE
from blackbox_dft.run import start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--task", choices=TASKS, default="lfw-gender")
    parser.add_argument("--queries", type=int, default=10_000, help="of the search")
    parser.add_argument("--spaces", default="tanh,dct:8")
    parser.add_argument("--weights", default="0,1,3,10,30,100")
    parser.add_argument("--objective", default="sigmoid")
    options = parser.parse_args()
    weights = [float(part) for part in options.weights.split(",")]

    print("| space | weight | psnr, dB | test | before | kept |\n|---|---|---|---|---|---|")
    for space in options.spaces.split(","):
        for weight in weights:
            first = config(
                options.task,
                space=space,
                epsilon="1" if space == "tanh" else "32/255",
                objective=options.objective,
                distance_weight=weight,
            )
            job = Job(replace(first, budget=budget_for(first, options.queries)))
            with tempfile.TemporaryDirectory() as folder:
                found = start(job, Path(folder) / "run").summary
            test = found["accuracy"]["test"]
            psnr = "unchanged" if found["psnr_db"] is None else f"{found['psnr_db']:.1f}"
            kept = found["chosen"]
            print(
                f"| {space} | {weight:g} | {psnr} | {test['after']:.3f} | {test['before']:.3f} | {kept} |", flush=True
            )


def budget_for(config: Config, queries: int) -> int:
    """The budget of a run whose search has so many queries."""
    splits = load(config.data, label=config.label, size=(8, 8), seed=config.seed).splits
    choice = min(CANDIDATES * len(splits["val"]), round(queries * SELECT_SHARE / (1 - SELECT_SHARE)))
    return queries + choice + 2 * len(splits["test"])


if __name__ == "__main__":
    main()
