"""Evaluation of a finished run on other images than it was learned, chosen and tested on, or part by part."""

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
from blackbox_dft.data.dataset import Dataset
from blackbox_dft.deploy.tuning import Tuning
from blackbox_dft.errors import InputError
from blackbox_dft.evaluation.metric import Metric, make_metric, require_images, require_probabilities
from blackbox_dft.evaluation.metric_names import check_metric
from blackbox_dft.evaluation.proof import Verdict
from blackbox_dft.evaluation.threshold import Calibration
from blackbox_dft.objectives.joined_map import JoinedMap
from blackbox_dft.objectives.outputs import LABELS_ONLY
from blackbox_dft.run.experiment import Experiment
from blackbox_dft.run.first_look import require_first_scores
from blackbox_dft.run.paths import require_files
from blackbox_dft.run.predictions import FILE, Predictions
from blackbox_dft.run.record import RunRecord, with_cluster
from blackbox_dft.run.side_ledger import UNLIMITED, replace_ledger, reserve_for, within_reserve
from blackbox_dft.run.summary import (
    Accuracy,
    Document,
    Interval,
    Measured,
    NoScore,
    accuracy,
    compared,
    measured,
    no_score,
    rounded,
    scored,
    verdict,
)
from blackbox_dft.scoring.ledger import LEDGER, Ledger
from blackbox_dft.scoring.scorer import Scorer
from blackbox_dft.scoring.views import score_views
from blackbox_dft.search.progress import NoProgress, Progress
from blackbox_dft.spaces.base import Space
from blackbox_dft.spaces.composed import Composed
from blackbox_dft.targets.base import Target

SCORES = "evaluations.sqlite"
"""Ledger of all evaluations of a run, in its folder."""
FRESH = "evaluations.fresh.sqlite"
"""Ledger of an evaluation with ``fresh`` that is not finished yet."""


@dataclass(frozen=True, eq=False)
class Evaluation:
    """A finished run and the images to evaluate it on; ``open_evaluation`` makes it."""

    run: Path
    experiment: Experiment
    tuning: Tuning
    summary: dict[str, Any]
    """What ``RUN/summary.json`` holds."""
    split: str
    indices: Ints
    """``(N,)``: the images of the split."""
    batch: int
    metric: Metric
    """What the verdict is about: that of the run, or another one."""
    fresh: bool = False
    """Whether to score all images again, whatever is recorded."""
    warnings: tuple[str, ...] = ()
    """What may be wrong with the result."""

    @property
    def queries(self) -> int:
        """What it costs at most."""
        return len(self.candidates) * self.experiment.config.repeats * len(self.indices)

    @property
    def candidates(self) -> list[Floats]:
        """What the images are scored under: the identity ``(k,)``, and the run's z or its views."""
        return [self.experiment.space.initial(), *self.tuning.scored_views]

    @property
    def part_candidates(self) -> list[Floats]:
        """The same for ``evaluate_parts``: the identity, selections of the parts, and all of them."""
        space, z = self.experiment.space, self.tuning.z
        if not isinstance(space, Composed):
            raise InputError(f"{self.run} has the space {space.spec}, which has one part only: leave out --parts.")
        return [space.initial(), *(space.rest(z, but) for _, but in part_choices(space)), z]

    def unspent(self, *, parts: bool = False) -> int:
        """Queries that ``evaluate``, or ``evaluate_parts``, still has to send, as their scores are not recorded."""
        with _scorer(self, NoProgress(), parts=parts) as scorer:
            return scorer.unrecorded(self.indices, self.part_candidates if parts else self.candidates)

    def reserve(self, queries: int) -> int:
        """Of ``queries`` to be sent, how many may be sent again because their responses get lost."""
        return reserve_for(self.experiment, self.batch, queries)


@dataclass(frozen=True)
class EvaluationQueries:
    """Queries of an evaluation."""

    total: int
    """Images sent now."""
    cached: int
    """Scores taken from ``RUN/evaluations.sqlite``, at no cost."""


@dataclass(frozen=True)
class EvaluationResult(Document):
    """A run evaluated on one split of its own or other data."""

    run: str
    target: str
    data: str
    split: str
    queries: EvaluationQueries
    accuracy: dict[str, Accuracy]
    """Of the split, by its name."""
    threshold: dict[str, float]
    """Accuracy of unchanged images with the run's own free threshold."""
    mcnemar_p: float
    verdict: Verdict
    no_score: NoScore
    scored: Accuracy | None
    """Of the images with a score both before and after, if there are others."""
    metric: Measured
    """What the verdict is about."""


@dataclass(frozen=True)
class PartAccuracy:
    """Accuracy with some parts of a space only, whatever the metric of the run."""

    name: str
    accuracy: float
    ci95: Interval
    """Of after - before."""


@dataclass(frozen=True)
class PartsResult(Document):
    """Test accuracy of a run with each part of its space alone, and without each."""

    split: str
    n: int
    """Images."""
    before: float
    rows: tuple[PartAccuracy, ...]
    """The last one is of all parts together."""
    queries: int
    """Images sent now."""


def open_evaluation(
    run: str | Path,
    data: str | None = None,
    split: str | None = None,
    label: str | None = None,
    *,
    fresh: bool = False,
    cluster: str | None = None,
    workers: int | None = None,
    price: float | None = None,
    allow_outside: bool = False,
    metric: str | None = None,
    target: Target | None = None,
    images: Dataset | None = None,
) -> Evaluation:
    """Opens the finished ``run`` to evaluate it; nothing is scored yet.

    >>> evaluation = open_evaluation("run", "other.csv")  # doctest: +SKIP
    >>> evaluation.queries, evaluate(evaluation).verdict  # doctest: +SKIP
    (2240, 'improved')

    Args:
        run: its folder.
        data: other images; by default the run's own.
        split: of the data, or ``all``; by default ``test`` of the run's own data, and all of other data.
        label: name of the attribute or column with the labels of other data; by default as in the run.
        fresh: score all images again, to notice whether the model behind a URL has changed.
        cluster: where the model runs now, as for ``with_cluster``.
        workers: calls, or actors, side by side.
        price: of one image scored; by default as in the run.
        allow_outside: send a URL images outside the folder of other data too.
        metric: what the verdict is about; by default that of the run.
        target: of a run that was given a Python object as its target.
        images: the images that ``data`` names, if they are loaded already.

    Raises:
        InputError: the run is not finished, or the data does not suit it.
    """
    run = Path(run)
    record = RunRecord.read(run)
    try:
        summary = json.loads((run / "summary.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{run} is not finished: continue it with 'bbdft resume {run}'.") from error
    tuning = Tuning.load(run)
    require_files(record.config, run, ("target",) if data else ("target", "data"))
    config = with_cluster(record.config, cluster, workers)
    config = config if data is None else replace(config, data=data)
    config = config if label is None else replace(config, label=label)
    config = config if price is None else replace(config, price=price)
    config = replace(config, allow_outside=True) if allow_outside else config
    # Other data may lack some of the run's labels; earlier versions wrote no predictions.
    classes = Predictions.read(run).classes if (run / FILE).exists() else None
    # What ``auto`` stands for follows from the images of the run, not from these.
    config = replace(config, space=tuning.space)
    experiment = Experiment(config, size=tuning.shape[:2], splits=False, classes=classes, data=images, target=target)
    split = split or ("test" if data is None else "all")
    splits = experiment.data.splits
    if split != "all" and split not in splits:
        raise InputError(f"{config.data} has no split {split!r}: it has {', '.join(splits)}.")
    if split != "all" and not len(splits[split]):
        raise InputError(f"{config.data} has no image in split {split!r}: give --split all, or none.")
    indices = np.arange(len(experiment.data.labels)) if split == "all" else splits[split]
    data_set, judge = experiment.data, experiment.metric
    if metric is not None:
        try:
            judge = make_metric(check_metric(metric), data_set.classes)
        except ValueError as error:
            raise InputError(f"--metric {metric!r}: {error}.") from error
    which = f"the images of {config.data}" if split == "all" else f"the images of split {split!r}"
    require_images(judge, data_set.labels[indices], data_set.classes, which)
    require_probabilities(judge, labels_only=tuning.scores in LABELS_ONLY)
    change = record.change_of(experiment.target)
    warnings = (f"{change}: 'bbdft check {run}' says how its scores moved",) if change else ()
    return Evaluation(run, experiment, tuning, summary, split, indices, record.batch, judge, fresh, warnings)


def evaluate(evaluation: Evaluation, progress: Progress | None = None) -> EvaluationResult:
    """Scores the images before and after, and compares both with each other and with the run's free threshold.

    New scores are kept in ``RUN/evaluations.sqlite``; those recorded there are used again unless it is a fresh one.
    """
    experiment, data, indices = evaluation.experiment, evaluation.experiment.data, evaluation.indices
    watcher = progress or NoProgress()
    for text in evaluation.warnings:
        watcher.warning(text)
    watcher.phase("evaluate", evaluation.queries)
    with experiment.opened(), _scorer(evaluation, watcher) as scorer:
        spent, missing = scorer.ledger.total, scorer.unrecorded(indices, evaluation.candidates)
        with within_reserve(experiment, scorer, missing):
            before, after = _probabilities(evaluation, scorer, [evaluation.candidates[1:]])
        sent = scorer.ledger.total - spent
    if evaluation.fresh:
        replace_ledger(evaluation.run / SCORES, evaluation.run / FRESH)
    result = compared(data, indices, before, after)
    free = Calibration(np.asarray(evaluation.summary["threshold"]["bias"]))(before)
    judged = measured(data, evaluation.metric, indices, (before, after), free)
    return EvaluationResult(
        run=str(evaluation.run),
        target=experiment.config.target,
        data=experiment.config.data,
        split=evaluation.split,
        queries=EvaluationQueries(sent, evaluation.queries - missing),
        accuracy={evaluation.split: accuracy(result)},
        threshold={evaluation.split: round(compared(data, indices, before, free).after, 6)},
        mcnemar_p=result.mcnemar_p,
        verdict=verdict(judged.ci95),
        no_score=no_score(before, after),
        scored=scored(data, indices, before, after),
        metric=judged,
    )


def part_choices(space: Space) -> list[tuple[str, tuple[int, ...]]]:
    """Selections of a composed space's parts that show what each does: each alone, and all but each.

    >>> from blackbox_dft.spaces import make_space
    >>> part_choices(make_space("affine+color", (8, 8, 3)))
    [('affine alone', (0,)), ('color alone', (1,))]
    """
    if not isinstance(space, Composed):
        return []
    numbers = range(len(space.parts))
    names = [part.spec for part in space.parts]
    choices: list[tuple[str, tuple[int, ...]]] = [(f"{names[number]} alone", (number,)) for number in numbers]
    if len(names) > 2:
        # Of two parts, one alone is all but the other.
        choices += [(f"all but {names[out]}", tuple(n for n in numbers if n != out)) for out in numbers]
    return choices


def evaluate_parts(evaluation: Evaluation, progress: Progress | None = None) -> PartsResult:
    """Test accuracy with some parts of the run's space only; the result is kept in ``RUN/parts.json``.

    Of several views, the first is taken. Scores in the run's ledger are free.

    Raises:
        InputError: the space has one part only.
    """
    experiment, data, indices = evaluation.experiment, evaluation.experiment.data, evaluation.indices
    choices, every = part_choices(experiment.space), evaluation.part_candidates
    watcher = progress or NoProgress()
    for text in evaluation.warnings:
        watcher.warning(text)
    watcher.phase("evaluate", len(every) * experiment.config.repeats * len(indices))
    with experiment.opened(), _scorer(evaluation, watcher, parts=True) as scorer:
        spent, missing = scorer.ledger.total, scorer.unrecorded(indices, every)
        with within_reserve(experiment, scorer, missing):
            before, *rest = _probabilities(evaluation, scorer, [[z] for z in every[1:]])
        sent = scorer.ledger.total - spent
    if evaluation.fresh:
        replace_ledger(evaluation.run / SCORES, evaluation.run / FRESH)
    rows = []
    for name, after in zip([*(name for name, _ in choices), "all"], rest, strict=True):
        result = compared(data, indices, before, after)
        rows.append(PartAccuracy(name, round(result.after, 6), rounded(result.ci95)))
    found = PartsResult(evaluation.split, len(indices), round(result.before, 6), tuple(rows), sent)
    document = found.to_json()
    del document["queries"]
    write_text(evaluation.run / "parts.json", json.dumps(document, indent=2) + "\n")
    return found


@contextmanager
def _scorer(evaluation: Evaluation, watcher: Progress, *, parts: bool = False) -> Iterator[Scorer]:
    """A scorer on ``RUN/evaluations.sqlite``; with ``parts``, the scores in the run's own ledger are free, too.

    A fresh evaluation has a ledger of its own, so that an interrupted one goes on where it stopped.
    """
    experiment, run = evaluation.experiment, evaluation.run
    path = run / (FRESH if evaluation.fresh else SCORES)
    with Ledger(path, budget=UNLIMITED, in_doubt="count", durable=experiment.paid) as ledger:
        if parts and not evaluation.fresh:
            ledger.reuse(run / LEDGER)
        scorer = experiment.scorer(ledger, batch=evaluation.batch, progress=watcher.scored)
        try:
            yield scorer
        finally:
            scorer.close()


def _probabilities(evaluation: Evaluation, scorer: Scorer, changes: Sequence[Sequence[Floats]]) -> list[Floats]:
    """Probabilities ``(N, L)`` of the images as they are, without an output map, and under each of ``changes``.

    A change is one z, or all views of the run.
    """
    experiment, indices, identity = evaluation.experiment, evaluation.indices, evaluation.candidates[0]
    require_first_scores(experiment, scorer, "evaluate", indices, identity)
    raw = scorer.score("evaluate", indices, identity)
    decoder = experiment.decoder(raw, evaluation.summary["scores"], evaluation.tuning.heads)
    found = evaluation.tuning.map_to(experiment.data.classes)
    of_one = found.of_one if isinstance(found, JoinedMap) else found
    after = (
        decoder.with_map(found if len(views) > 1 else of_one)(score_views(scorer, "evaluate", indices, views))
        for views in changes
    )
    return [decoder(raw), *after]
