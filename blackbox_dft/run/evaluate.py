"""Measuring a tuning on other images than those it was learned, chosen and tested on."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from blackbox_dft._utils.files import write_text
from blackbox_dft._utils.types import Floats, Ints
from blackbox_dft.deploy.tuning import Tuning
from blackbox_dft.errors import InputError
from blackbox_dft.evaluation.threshold import Calibration
from blackbox_dft.run.experiment import Experiment
from blackbox_dft.run.record import RunRecord, placed
from blackbox_dft.run.summary import accuracy, compared, ends, verdict
from blackbox_dft.scoring.ledger import LEDGER, Ledger
from blackbox_dft.scoring.scorer import Scorer
from blackbox_dft.search.progress import NoProgress, Progress
from blackbox_dft.spaces.base import Space
from blackbox_dft.spaces.composed import Composed


@dataclass(frozen=True, eq=False)
class Measurement:
    """A finished run, and images to measure its tuning on."""

    run: Path
    experiment: Experiment
    tuning: Tuning
    summary: dict[str, Any]
    split: str
    indices: Ints
    batch: int

    @property
    def queries(self) -> int:
        """What it will cost at most."""
        return 2 * self.experiment.config.repeats * len(self.indices)


def open_measurement(
    run: str | Path,
    data: str | None = None,
    split: str | None = None,
    label: str | None = None,
    *,
    cluster: str | None = None,
    workers: int | None = None,
) -> Measurement:
    """Opens the finished ``run`` to measure it on ``split`` of ``data`` (by default the test split of its own).

    ``label`` says where other data has its labels, as for ``load``; where the run's has them unless given. ``cluster``
    and ``workers`` say where the model runs now, as in ``config.placed``.

    Raises:
        InputError: the run is not finished, or the data does not suit it.
    """
    run = Path(run)
    record = RunRecord.read(run)
    try:
        summary = json.loads((run / "summary.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{run} is not finished: go on with 'bbdft resume {run}'.") from error
    tuning = Tuning.load(run)
    config = placed(record.config, cluster, workers)
    config = config if data is None else replace(config, data=data)
    config = config if label is None else replace(config, label=label)
    experiment = Experiment(config, size=tuning.shape[:2])
    split = split or ("test" if data is None else "all")
    splits = experiment.data.splits
    if split != "all" and split not in splits:
        raise InputError(f"{config.data} has no split {split!r}: it has {', '.join(splits)}.")
    indices = np.arange(len(experiment.data.labels)) if split == "all" else splits[split]
    return Measurement(run, experiment, tuning, summary, split, indices, record.batch)


def evaluate(measurement: Measurement, progress: Progress | None = None) -> dict[str, Any]:
    """Scores the images before and after and compares; the free threshold is the run's own, fitted there."""
    experiment, data, indices = measurement.experiment, measurement.experiment.data, measurement.indices
    watcher = progress or NoProgress()
    watcher.phase("evaluate", measurement.queries)
    with _scorer(measurement, watcher) as scorer:
        before, after = _answers(measurement, scorer, [experiment.space.initial(), measurement.tuning.z])
    found = compared(data, indices, before, after)
    calibration = Calibration(np.asarray(measurement.summary["threshold"]["bias"]))
    shifted = compared(data, indices, before, calibration(before))
    return {
        "run": str(measurement.run),
        "target": experiment.config.target,
        "data": experiment.config.data,
        "split": measurement.split,
        "queries": {"total": sum(scorer.paid.values()), "cached": scorer.cached},
        "accuracy": {measurement.split: accuracy(found)},
        "threshold": {measurement.split: round(shifted.after, 6)},
        "mcnemar_p": found.mcnemar_p,
        "verdict": verdict(found.ci95),
    }


def part_choices(space: Space) -> list[tuple[str, tuple[int, ...]]]:
    """Which parts of a composition to leave at work to see what each does: each alone, and all but each."""
    if not isinstance(space, Composed):
        return []
    numbers = range(len(space.parts))
    names = [part.spec for part in space.parts]
    choices: list[tuple[str, tuple[int, ...]]] = [(f"{names[number]} alone", (number,)) for number in numbers]
    if len(names) > 2:
        # Of two parts, one alone is all but the other.
        choices += [(f"all but {names[out]}", tuple(n for n in numbers if n != out)) for out in numbers]
    return choices


def evaluate_parts(measurement: Measurement, progress: Progress | None = None) -> dict[str, Any]:
    """Accuracy on the run's own test images with some parts of its space at rest; kept in ``RUN/parts.json``.

    What the run itself was answered is free.

    Raises:
        InputError: the space has one part only.
    """
    experiment, data, indices = measurement.experiment, measurement.experiment.data, measurement.indices
    space, z = experiment.space, measurement.tuning.z
    choices = part_choices(space)
    if not isinstance(space, Composed) or not choices:
        raise InputError(f"{measurement.run} has the space {space.spec}, which is one part: there is nothing to part.")
    watcher = progress or NoProgress()
    watcher.phase("evaluate", (2 + len(choices)) * experiment.config.repeats * len(indices))
    with _scorer(measurement, watcher) as scorer:
        scorer.ledger.reuse(measurement.run / LEDGER)
        every = [space.initial(), *(space.rest(z, but) for _, but in choices), z]
        before, *rest = _answers(measurement, scorer, every)
        paid = sum(scorer.paid.values())
    rows = []
    for name, after in zip([*(name for name, _ in choices), "all"], rest, strict=True):
        found = compared(data, indices, before, after)
        rows.append({"name": name, "accuracy": round(found.after, 6), "ci95": ends(found.ci95)})
    document = {"split": measurement.split, "n": len(indices), "before": round(found.before, 6), "rows": rows}
    write_text(measurement.run / "parts.json", json.dumps(document, indent=2) + "\n")
    return {**document, "queries": paid}


@contextmanager
def _scorer(measurement: Measurement, watcher: Progress) -> Iterator[Scorer]:
    experiment = measurement.experiment
    path = measurement.run / "evaluations.sqlite"
    with experiment.opened(), Ledger(path, budget=2**62, in_doubt="count") as ledger:
        scorer = experiment.scorer(ledger, batch=measurement.batch, progress=watcher.scored)
        try:
            yield scorer
        finally:
            scorer.close()


def _answers(measurement: Measurement, scorer: Scorer, every: Sequence[Floats]) -> list[Floats]:
    """Probabilities ``(N, L)`` of the images under each z."""
    raw = [scorer.score("evaluate", measurement.indices, z) for z in every]
    decoder = measurement.experiment.decoder(raw[0], measurement.summary["scores"])
    return [decoder(answers) for answers in raw]
