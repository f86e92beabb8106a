"""What the output map adds: test accuracy of the image change, the map and both, for the same tuning queries.

    python benchmarks/output_map.py --queries 400,1600 --seeds 3

Scores of the search are all that the map of z is fitted on; the map alone is fitted on the unchanged validation images
that a run of this size has. "chosen" is what a run keeps. Medians over seeds, on the whole test split.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from benchmarks import tasks
from benchmarks.tasks import MIN_SELECT_IMAGES, SHARED
from blackbox_dft.objectives import make_objective
from blackbox_dft.objectives.losses import decide
from blackbox_dft.run.config import Config
from blackbox_dft.run.experiment import Experiment
from blackbox_dft.scoring.ledger import Ledger
from blackbox_dft.search.loop import Task, tune
from blackbox_dft.search.mapped_selection import BOTH, LAST_QUARTER, MAP_ALONE, fit_search_map, select_with_map
from blackbox_dft.search.minibatches import StratifiedSampler
from blackbox_dft.search.selection import IDENTITY
from blackbox_dft.targets.options import TargetOptions

ROWS = ("before", "map alone", "z", "z and map", "chosen")


def config(task: str, space: str) -> Config:
    if task == "usps-mnist":
        return Config(str(SHARED / "models/digits_mnist.onnx"), str(SHARED / "data/usps/labels.csv"), space=space)
    options = TargetOptions(output="gender") if task == "lfw-gender" else TargetOptions()
    return replace(tasks.config(task, space=space), target_options=options)


def measure(task: str, space: str, seed: int, limit: int) -> Iterator[float]:
    """Test accuracies in the order of ``ROWS``."""
    return measured(Experiment(replace(config(task, space), seed=seed)), limit)


def measured(here: Experiment, limit: int, unchanged: Path | None = None) -> Iterator[float]:
    """The same for a run that is opened, but not started; ``unchanged`` is a ledger of scores of unchanged images."""
    seed = here.config.seed
    data, identity = here.data, here.space.initial()
    test = data.splits["test"]
    with tempfile.TemporaryDirectory() as folder, Ledger(Path(folder) / "l.sqlite", budget=2**62) as ledger:
        if unchanged:
            ledger.reuse(unchanged)
        scorer = here.scorer(ledger)
        images = max(MIN_SELECT_IMAGES, limit // 6)
        val = StratifiedSampler(data.splits["val"], data.labels, seed)(min(images, len(data.splits["val"])))
        decoder = here.decoder(scorer.score("select", val, identity))
        run = Task(scorer, decoder, make_objective(here.objective(decoder)), data.labels)
        trajectory = tune(run, here.estimator(), data.splits["train"], limit=limit, seed=seed)
        chosen, alone = select_with_map(run, trajectory, val, identity, "auto", seed)
        z = trajectory.average(1 / 4)
        fitted = fit_search_map(run, trajectory, z, "auto", seed)
        raw = {name: scorer.score("evaluate", test, where) for name, where in (("before", identity), ("z", z))}
        kept = {IDENTITY: ("before", None), MAP_ALONE: ("before", alone)}
        kept |= {LAST_QUARTER: ("z", None), BOTH: ("z", fitted)}
        of = {name: decoder.with_map(found)(raw[which]) for name, (which, found) in kept.items()}
        of["kept"] = decoder.with_map(chosen.output_map)(raw[kept[chosen.name][0]])
        for name in (IDENTITY, MAP_ALONE, LAST_QUARTER, BOTH, "kept"):
            yield float((decide(of[name]) == data.labels[test]).mean())
        scorer.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--queries", default="400,1600")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--space", default="affine+color")
    parser.add_argument("--tasks", default="lfw-gender,smile-mini,smile-faceapi,usps-mnist")
    options = parser.parse_args()
    print(f"| task, tuning queries | {' | '.join(ROWS)} |\n|---|{'---|' * len(ROWS)}", flush=True)
    for task in options.tasks.split(","):
        for limit in map(int, options.queries.split(",")):
            found = [list(measure(task, options.space, seed, limit)) for seed in range(options.seeds)]
            print(f"| {task}, {limit:,} | {' | '.join(f'{x:.3f}' for x in np.median(found, axis=0))} |", flush=True)


if __name__ == "__main__":
    main()
