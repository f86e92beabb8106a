"""Check of a finished run: a few of its labelled images scored again, to notice that the model behind it has changed.

Three rules look for a change: the scores of single images, those of all in the mean, and the accuracy over all checks
so far. The first two know the noise of the scores from the first check, which scores the images twice. What seems to
have moved is scored twice more, and counts by the least movement of the three: a single odd response is no drift.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from blackbox_dft._utils.files import write_text
from blackbox_dft._utils.types import Bools, Floats, Ints, Scores
from blackbox_dft.data.dataset import Dataset
from blackbox_dft.errors import InputError
from blackbox_dft.evaluation.proof import Proof
from blackbox_dft.objectives.losses import decide
from blackbox_dft.objectives.outputs import LABELS_ONLY, rows_with_scores
from blackbox_dft.objectives.repeats import merge_repeats
from blackbox_dft.run.evaluate import Evaluation, open_evaluation
from blackbox_dft.run.record import RunRecord
from blackbox_dft.run.side_ledger import UNLIMITED, within_reserve
from blackbox_dft.scoring.ledger import LEDGER, Ledger, recorded_scores
from blackbox_dft.scoring.movement import CONFIRMATIONS, CONFIRMED, Moved, Tolerance, confirmed, movement
from blackbox_dft.scoring.scorer import Scorer
from blackbox_dft.search.minibatches import StratifiedSampler
from blackbox_dft.search.progress import NoProgress, Progress
from blackbox_dft.targets.base import Target

CHECKS = "checks.json"
"""Record of all checks, in the folder of the run."""
UNFINISHED = "check.{}.sqlite"
"""Ledger of the check of a number, counted from 1, while it is not finished."""
IMAGES, MIN_IMAGES = 60, 10
MIN_LOSS = 0.02
"""Accuracy that may be lost without being a finding: the run's own scores may have been lucky ones."""


@dataclass(frozen=True, eq=False)
class Check:
    """A finished run and the images to score again; ``open_check`` makes it."""

    evaluation: Evaluation
    indices: Ints
    """``(N,)``: into the run's images."""
    then: Scores
    """Raw outputs ``(N, V * K)`` recorded in the run."""
    record: Mapping[str, Any]
    """What ``RUN/checks.json`` holds; empty before the first check."""
    notes: tuple[str, ...] = ()

    @property
    def run(self) -> Path:
        """Its folder."""
        return self.evaluation.run

    @property
    def first(self) -> bool:
        """Whether it is the first check, which scores all images twice."""
        return not self.record

    @property
    def _per_image(self) -> int:
        return self.evaluation.tuning.queries_per_image * self.evaluation.experiment.config.repeats

    @property
    def queries(self) -> int:
        """What it costs if nothing has moved."""
        return len(self.indices) * self._per_image * (1 + self.first)

    @property
    def most(self) -> int:
        """What it costs at most, lost responses included."""
        queries = self.queries + CONFIRMATIONS * min(CONFIRMED, len(self.indices)) * self._per_image
        return queries + self.evaluation.reserve(queries)


@dataclass(frozen=True)
class CheckResult:
    """What a check found."""

    at: str
    """Time of the check, UTC."""
    images: int
    queries: int
    """Images sent now."""
    moved: Moved
    tolerance: Tolerance
    files: tuple[str, ...]
    """Images that moved further than is tolerated, those that moved most first."""
    labels: Mapping[str, float]
    """Mean movement of the images of each label, the largest first; without those that lost their scores."""
    accuracy: Mapping[str, float]
    """Of these images, ``then`` and ``now``."""
    checks: int
    """Checks so far."""
    change: Mapping[str, Any]
    """Of the accuracy of these images, over all checks: ``mean``, ``ci95`` (valid at any time) and ``tolerated``."""
    reasons: tuple[str, ...]
    """What says that the model has changed; empty if nothing does."""
    notes: tuple[str, ...] = field(default=())

    @property
    def drift(self) -> bool:
        """Whether the model has changed."""
        return bool(self.reasons)

    def to_json(self) -> dict[str, Any]:
        """The result as it is printed."""
        return {"drift": self.drift, **asdict(self)}


def open_check(
    run: str | Path,
    images: int | None = None,
    *,
    cluster: str | None = None,
    workers: int | None = None,
    price: float | None = None,
    target: Target | None = None,
    data: Dataset | None = None,
) -> Check:
    """Opens the finished ``run`` to check its target; nothing is scored yet.

    >>> check = open_check("run")  # doctest: +SKIP
    >>> run_check(check).drift  # doctest: +SKIP
    False

    Args:
        run: its folder.
        images: how many images to score, with each label in proportion; 60 by default, later those of the first check.
        cluster: where the model runs now, as for ``with_cluster``.
        workers: calls, or actors, side by side.
        price: of one image scored; by default as in the run.
        target: of a run that was given a Python object as its target; ``data`` alike.
        data: the run's images, if they were given from Python.

    Raises:
        InputError: the run is not finished, its images changed, or it has no scores to compare with.
    """
    run = Path(run)
    evaluation = open_evaluation(
        run, split="all", cluster=cluster, workers=workers, price=price, target=target, images=data
    )
    experiment, recorded = evaluation.experiment, RunRecord.read(run)
    notes = []
    if change := recorded.change_of(experiment.target):
        notes.append(change)
        # Its scores are compared with those of the target at that time.
        experiment.target.fingerprint = recorded.inputs["target"]
    record = _read(run / CHECKS)
    if record and images not in (None, len(record["images"])):
        raise InputError(
            f"{run} is checked with the {len(record['images'])} images of its first check: leave --images out, or move "
            f"{run / CHECKS} away to begin again."
        )
    known = _recorded(evaluation)
    if record:
        indices = _positions(evaluation, record["images"], known)
    else:
        indices = _choose(evaluation, images or IMAGES, known)
        if len(indices) < (images or IMAGES):
            notes.append(
                f"the run holds the scores of {len(indices)} images under its tuning, and not of {images or IMAGES}"
            )
    return Check(evaluation, indices, np.stack([known[index] for index in indices.tolist()]), record, tuple(notes))


def run_check(check: Check, progress: Progress | None = None) -> CheckResult:
    """Scores the images again, compares, and adds the result to ``RUN/checks.json``.

    A check that was interrupted goes on where it stopped.

    Raises:
        TargetError: the target failed for good.
    """
    evaluation, tuning, watcher = check.evaluation, check.evaluation.tuning, progress or NoProgress()
    experiment, views = evaluation.experiment, tuning.scored_views
    watcher.phase("check", check.queries)
    path = check.run / UNFINISHED.format(len(check.record.get("checks", ())) + 1)
    with experiment.opened(), Ledger(path, budget=UNLIMITED, in_doubt="count", durable=experiment.paid) as ledger:
        scorer = experiment.scorer(ledger, batch=evaluation.batch, progress=watcher.scored)
        with _closing(scorer), within_reserve(experiment, scorer, check.queries + _confirming(check)):

            def score(again: int, indices: Ints = check.indices) -> Scores:
                return np.hstack([scorer.score("check", indices, view, again=again) for view in views])

            now = score(1)
            record = dict(check.record) or _first_record(check, now, score(2))
            noise, labels_only = Moved.from_json(record["noise"]), _labels_only(check)
            tolerance = Tolerance.of(
                _spread(_own(check, check.then)), noise, len(check.indices), labels_only=labels_only
            )

            def again(number: int, images: Ints) -> Floats:
                return _moved(check, check.then[images], score(3 + number, check.indices[images]))

            each = confirmed(_moved(check, check.then, now), tolerance, again)
        queries = ledger.total
    result = _result(check, record, each, tolerance, now, queries)
    write_text(check.run / CHECKS, json.dumps(record, indent=1) + "\n")
    for rest in check.run.glob(UNFINISHED.format("*") + "*"):
        rest.unlink()
    return result


def accuracy_change(right_then: Bools, right_now: Sequence[Bools]) -> Proof:
    """The proof of a change of accuracy, by paired differences of the same images in all checks, in random order.

    >>> right = np.ones(60, bool)
    >>> accuracy_change(right, [right, right]).verdict, accuracy_change(right, [~right]).verdict
    ('no significant change', 'worse')
    """
    proof = Proof()
    for number, right in enumerate(right_now):
        order = np.random.default_rng(number).permutation(len(right))
        proof.add((right.astype(np.float64) - right_then)[order])
    return proof


@contextmanager
def _closing(scorer: Scorer) -> Iterator[None]:
    try:
        yield
    finally:
        scorer.close()


def _confirming(check: Check) -> int:
    return check.most - check.evaluation.reserve(check.queries) - check.queries


def _recorded(evaluation: Evaluation) -> dict[int, Scores]:
    """Raw outputs ``(V * K,)`` of the images that the run scored under all views, by index."""
    experiment, indices = evaluation.experiment, evaluation.indices
    with Ledger(Path(":memory:"), budget=0) as nothing:
        scorer = experiment.scorer(nothing, batch=evaluation.batch)
        keys = [scorer.keys(indices, view) for view in evaluation.tuning.scored_views]
        scorer.close()
    known = recorded_scores(evaluation.run / LEDGER, {key for each in keys for key in each})
    found: dict[int, Scores] = {}
    for number, index in enumerate(indices.tolist()):
        # Those of the repeats follow those of all images.
        own = [each[number :: len(indices)] for each in keys]
        if all(key in known for each in own for key in each):
            rows = [merge_repeats(np.stack([known[key] for key in each])[:, None])[0] for each in own]
            found[index] = np.concatenate(rows)
    return found


def _choose(evaluation: Evaluation, count: int, known: Mapping[int, Scores]) -> Ints:
    views = evaluation.tuning.queries_per_image
    scored = [index for index, row in known.items() if rows_with_scores(row.reshape(views, -1)).all()]
    if len(scored) < MIN_IMAGES:
        raise InputError(
            f"{evaluation.run} holds the scores of {len(scored)} images under its tuning, and a check needs "
            f"{MIN_IMAGES}: let it score more, 'bbdft resume {evaluation.run} --precision 3' with a larger --budget."
        )
    data = evaluation.experiment.data
    draw = StratifiedSampler(np.array(sorted(scored)), data.labels, evaluation.experiment.config.seed)
    return np.sort(draw(min(count, len(scored))))


def _positions(evaluation: Evaluation, files: Sequence[str], known: Mapping[int, Scores]) -> Ints:
    index_of = {file: index for index, file in enumerate(evaluation.experiment.data.files)}
    for file in files:
        if index_of.get(file) not in known:
            raise InputError(
                f"{file} was changed or removed since the first check of {evaluation.run}: restore it, or move "
                f"{evaluation.run / CHECKS} away to begin again."
            )
    return np.array([index_of[file] for file in files])


def _moved(check: Check, then: Scores, now: Scores) -> Floats:
    if then.shape == now.shape:
        then, now = _own(check, then), _own(check, now)
    views = check.evaluation.tuning.queries_per_image
    return movement(then, now, views=views, labels_only=_labels_only(check))


def _own(check: Check, raw: Scores) -> Scores:
    """Without further outputs, such as an age in years, which are on other scales than the scores."""
    decoder = check.evaluation.tuning.decoder
    return decoder.own_scores(raw) if decoder else raw


def _spread(then: Scores) -> float:
    finite = then[np.isfinite(then)]
    return float(np.ptp(finite)) if len(finite) else 0.0


def _labels_only(check: Check) -> bool:
    return check.evaluation.tuning.scores in LABELS_ONLY


def _right(check: Check, raw: Scores) -> Bools:
    """Which of the images are decided rightly, ``(N,)``; none if there is another number of scores than in the run."""
    tuning, data = check.evaluation.tuning, check.evaluation.experiment.data
    if raw.shape != check.then.shape:
        return np.zeros(len(raw), np.bool_)
    views = tuning.queries_per_image
    decided = decide(tuning.decide(raw.reshape(len(raw), views, -1) if views > 1 else raw))
    names = [data.classes[label] for label in data.labels[check.indices]]
    return np.array([n >= 0 and tuning.labels[n] == name for n, name in zip(decided.tolist(), names, strict=True)])


def _first_record(check: Check, now: Scores, again: Scores) -> dict[str, Any]:
    files = check.evaluation.experiment.data.files
    flips = float(np.mean(_right(check, now) != _right(check, again)))
    return {
        "images": [files[index] for index in check.indices.tolist()],
        "right": _text(_right(check, check.then)),
        "noise": asdict(Moved.of(_moved(check, now, again))) | {"flips": flips},
        "checks": [],
    }


def _result(
    check: Check, record: dict[str, Any], each: Floats, tolerance: Tolerance, now: Scores, queries: int
) -> CheckResult:
    """The result of this check, which is added to ``record``."""
    moved, right, data = Moved.of(each), _right(check, now), check.evaluation.experiment.data
    then, earlier = _flags(record["right"]), [_flags(one["right"]) for one in record["checks"]]
    proof = accuracy_change(then, [*earlier, right])
    tolerated = MIN_LOSS + float(record["noise"]["flips"])
    reasons = list(tolerance.exceeded(moved))
    if proof.interval[1] < -tolerated:
        reasons.append(f"accuracy over all checks is lower by {-100 * proof.interval[1]:.1f} points at least")
    far = 0.0 if _labels_only(check) else tolerance.largest
    order = [n for n in np.argsort(-each, kind="stable").tolist() if each[n] > far]
    labels = data.labels[check.indices]
    finite = {
        data.classes[label]: float(np.mean(some))
        for label in np.unique(labels).tolist()
        if len(some := each[(labels == label) & np.isfinite(each)])
    }
    at = datetime.now(UTC).isoformat(timespec="seconds")
    result = CheckResult(
        at=at,
        images=len(check.indices),
        queries=queries,
        moved=moved,
        tolerance=tolerance,
        files=tuple(record["images"][n] for n in order),
        labels=dict(sorted(finite.items(), key=lambda item: -item[1])),
        accuracy={"then": round(float(then.mean()), 6), "now": round(float(right.mean()), 6)},
        checks=len(earlier) + 1,
        change={"mean": proof.mean, "ci95": list(proof.interval), "tolerated": -tolerated},
        reasons=tuple(reasons),
        notes=check.notes,
    )
    entry = {"at": at, "queries": queries, **asdict(moved), "right": _text(right), "reasons": reasons}
    record["checks"] = [*record["checks"], entry]
    return result


def _text(flags: Bools) -> str:
    return "".join("1" if flag else "0" for flag in flags.tolist())


def _flags(text: str) -> Bools:
    return np.array([flag == "1" for flag in text], np.bool_)


def _read(path: Path) -> dict[str, Any]:
    if not path.exists():
        return {}
    try:
        record: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        texts = [record["right"], *(one["right"] for one in record["checks"])]
        if {len(text) for text in texts} != {len(record["images"])}:
            raise ValueError("its parts do not belong together")
        Moved.from_json(record["noise"])
        return record
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{path} cannot be read ({error}): restore it, or move it away to begin again.") from error
