"""The three tasks on real faces that benchmarks measure, and one tuning of one of them.

The images and models lie in ``../shared`` beside the project and are not part of it.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from blackbox_dft.config import Config
from blackbox_dft.evaluation import fit_threshold
from blackbox_dft.job import Job
from blackbox_dft.ledger import Ledger
from blackbox_dft.objectives import decide, make_objective
from blackbox_dft.plan import CANDIDATES, SELECT_SHARE
from blackbox_dft.scoring import Pool, Scorer
from blackbox_dft.tuner import Draw, Task, select, tune

SHARED = Path(__file__).parents[1].parent / "shared"
SMILE = ("smile=happy", "nonsmile=*")
TASKS = {
    "lfw-gender": ("models/age_gender_faceapi.onnx", "data/lfw/labels_gender.csv", ()),
    "smile-mini": ("models/emotion_mini_xception.onnx", "data/smiles/labels.csv", SMILE),
    "smile-faceapi": ("models/expression_faceapi.onnx", "data/smiles/labels.csv", SMILE),
}


def config(task: str, **options: object) -> Config:
    """The task as a run's configuration."""
    if not SHARED.is_dir():
        raise SystemExit(f"the real models and images are not here: put them into {SHARED}")
    model, data, table = TASKS[task]
    return Config(str(SHARED / model), str(SHARED / data), map=table, **options)  # type: ignore[arg-type]


@dataclass(frozen=True)
class Outcome:
    """A tuning read off after so many tuning queries."""

    queries: int
    accuracy: float
    before: float
    threshold: float
    n: int
    chosen: str


def measure(
    task: str, space: str, estimator: str, seed: int, limits: Sequence[int], objective: str = "brier", **options: object
) -> list[Outcome]:
    """Test accuracy after each of ``limits`` tuning queries, z chosen on val as a run does; one run, read off."""
    job = Job(config(task, space=space, estimator=estimator, seed=seed, **options))
    data, identity = job.data, job.space.initial()
    test = data.splits["test"]
    outcomes = []
    with tempfile.TemporaryDirectory() as folder, Ledger(Path(folder) / "l.sqlite", budget=2**62) as ledger:
        for limit in limits:
            scorer = Scorer(
                Pool(data.images, data.digests),
                job.space,
                job.target,
                job.encoding,
                ledger,
                batch=job.target.batch,
                fused=job.fused,
            )
            # As a run's plan has it: selection gets a quarter of what evaluation leaves.
            images = int(limit * SELECT_SHARE / (1 - SELECT_SHARE)) // CANDIDATES
            val = Draw(data.splits["val"], data.labels, seed)(min(len(data.splits["val"]), max(32, images)))
            raw = scorer.score("select", val, identity)
            run = Task(scorer, job.reading(raw), make_objective(objective), data.labels)
            course = tune(run, job.estimator(), data.splits["train"], limit=limit, seed=seed)
            choice = select(run, course, val, identity)
            before = run.probabilities("evaluate", test, identity)
            after = run.probabilities("evaluate", test, choice.z)
            shifted = fit_threshold(run.probabilities("select", val, identity), data.labels[val])(before)
            right = [float(np.mean(decide(p) == data.labels[test])) for p in (after, before, shifted)]
            outcomes.append(Outcome(limit, *right, len(test), choice.name))
            scorer.close()
    return outcomes
