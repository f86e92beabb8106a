"""Measuring a tuning on other images than those it was learned, chosen and tested on."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from blackbox_dft import evaluation
from blackbox_dft.arrays import Ints
from blackbox_dft.config import Record
from blackbox_dft.errors import InputError
from blackbox_dft.job import Job
from blackbox_dft.ledger import Ledger
from blackbox_dft.progress import Progress, Silent
from blackbox_dft.scoring import Pool, Scorer
from blackbox_dft.summary import verdict
from blackbox_dft.tuning import Tuning


@dataclass(frozen=True, eq=False)
class Measurement:
    """A finished run, and images to measure its tuning on."""

    run: Path
    job: Job
    tuning: Tuning
    summary: dict[str, Any]
    split: str
    indices: Ints
    batch: int

    @property
    def queries(self) -> int:
        """What it will cost at most."""
        return 2 * self.job.config.repeats * len(self.indices)


def open_measurement(run: str | Path, data: str | None = None, split: str | None = None) -> Measurement:
    """Opens the finished ``run`` to measure it on ``split`` of ``data`` (by default the test split of its own).

    Raises:
        InputError: the run is not finished, or the data does not suit it.
    """
    run = Path(run)
    record = Record.read(run)
    try:
        summary = json.loads((run / "summary.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{run} is not finished: go on with 'bbdft resume {run}'.") from error
    tuning = Tuning.load(run)
    config = record.config if data is None else replace(record.config, data=data)
    job = Job(config, size=tuning.shape[:2])
    split = split or ("test" if data is None else "all")
    splits = job.data.splits
    if split != "all" and split not in splits:
        raise InputError(f"{config.data} has no split {split!r}: it has {', '.join(splits)}.")
    indices = np.arange(len(job.data.labels)) if split == "all" else splits[split]
    return Measurement(run, job, tuning, summary, split, indices, record.batch)


def evaluate(measurement: Measurement, progress: Progress | None = None) -> dict[str, Any]:
    """Scores the images before and after and compares; the free threshold is the run's own, fitted there."""
    watcher = progress or Silent()
    job, data, indices = measurement.job, measurement.job.data, measurement.indices
    path = measurement.run / "evaluations.sqlite"
    with job.target, Ledger(path, budget=2**62, in_doubt="count") as ledger:
        pool = Pool(data.images, data.digests)
        scorer = Scorer(
            pool,
            job.space,
            job.target,
            job.encoding,
            ledger,
            batch=measurement.batch,
            repeats=job.config.repeats,
            passed=watcher.passed,
            fused=job.fused,
        )
        try:
            watcher.phase("evaluate", measurement.queries)
            raw_before = scorer.score("evaluate", indices, job.space.initial())
            reading = job.reading(raw_before, measurement.summary["scores"])
            before = reading(raw_before)
            after = reading(scorer.score("evaluate", indices, measurement.tuning.z))
        finally:
            scorer.close()
    labels = data.labels[indices]
    groups = None if data.groups is None else data.groups[indices]
    found = evaluation.compare(before, after, labels, groups)
    calibration = evaluation.Calibration(np.asarray(measurement.summary["threshold"]["bias"]))
    shifted = evaluation.compare(before, calibration(before), labels, groups)
    return {
        "run": str(measurement.run),
        "target": job.config.target,
        "data": job.config.data,
        "split": measurement.split,
        "queries": {"total": sum(scorer.paid.values()), "cached": scorer.cached},
        "accuracy": {
            measurement.split: {
                "before": round(found.before, 6),
                "after": round(found.after, 6),
                "n": found.n,
                "ci95": [round(x, 6) for x in found.ci95],
            }
        },
        "threshold": {measurement.split: round(shifted.after, 6)},
        "mcnemar_p": found.mcnemar_p,
        "verdict": verdict(found.ci95),
    }
