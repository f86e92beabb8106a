"""One run from configuration to summary: ``optimize`` starts it, ``resume`` goes on with it."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from blackbox_dft._utils.files import write_text
from blackbox_dft._utils.types import Floats, Ints
from blackbox_dft.data.dataset import Dataset
from blackbox_dft.data.decoding import releaser
from blackbox_dft.deploy.tuning import Tuning
from blackbox_dft.errors import BudgetError, InputError
from blackbox_dft.estimators.base import SupportsDelayedTell
from blackbox_dft.objectives import make_objective
from blackbox_dft.objectives.outputs import MEANING
from blackbox_dft.run.config import Config
from blackbox_dft.run.experiment import Experiment
from blackbox_dft.run.predictions import Predictions
from blackbox_dft.run.record import RunRecord, determining, placed, versions
from blackbox_dft.run.summary import summarize
from blackbox_dft.scoring import autotune
from blackbox_dft.scoring.concurrency import ConcurrencySearch
from blackbox_dft.scoring.dispatcher import ConcurrencyPolicy, FixedConcurrency
from blackbox_dft.scoring.drift import DriftCheck
from blackbox_dft.scoring.ledger import LEDGER, Ledger, ReplayError
from blackbox_dft.scoring.scorer import Scorer
from blackbox_dft.search.early_stopping import EarlyStopping
from blackbox_dft.search.loop import Task, Trajectory, tune
from blackbox_dft.search.minibatches import StratifiedSampler
from blackbox_dft.search.progress import NoProgress, Progress
from blackbox_dft.search.selection import Choice, PartGain, part_by_part, select
from blackbox_dft.spaces.composed import Composed
from blackbox_dft.targets.base import ConcurrentTarget


@dataclass(frozen=True, eq=False)
class Result:
    """A finished run."""

    summary: dict[str, Any]
    tuning: Tuning
    choice: Choice
    trajectory: Trajectory
    data: Dataset
    before: Floats
    """Probabilities of the labels ``(N, L)`` on the test split, unchanged images."""
    after: Floats

    def answers(self) -> Predictions:
        """What a report is made from."""
        data, test = self.data, self.data.splits["test"]
        return Predictions(
            classes=data.classes,
            files=tuple(data.files[i] for i in test),
            labels=data.labels[test],
            before=self.before,
            after=self.after,
            points=np.array([(p.queries, p.loss, p.accuracy) for p in self.trajectory.points], np.float64).reshape(
                -1, 3
            ),
            groups=data.groups_of(test),
            traits={name: tuple(values[i] for i in test) for name, values in data.traits.items()},
        )


def optimize(config: Config, out: str | Path, progress: Progress | None = None) -> Result:
    """Runs ``config`` from the start into the new folder ``out``.

    ::

        result = optimize(Config("model.onnx", "labels.csv", space="affine+color", budget=6000), "run")
        print(result.summary["verdict"])

    Raises:
        InputError: bad data, model, option or folder; nothing is written then.
        BudgetError: the budget cannot cover the job.
        TargetError: the target failed for good; ``resume`` goes on from there.
    """
    check_free(Path(out))
    return start(Experiment(config), out, progress)


def check_free(out: Path) -> None:
    """Whether a run may be written to ``out``.

    Raises:
        InputError: it holds another run or other files.
    """
    if (out / "config.json").exists() or (out / LEDGER).exists():
        raise InputError(f"{out} already holds a run: go on with 'bbdft resume {out}', or take another --out.")
    if out.exists() and not out.is_dir():
        raise InputError(f"{out} is a file: take another --out.")
    # What a process killed while it wrote its first file leaves behind is nobody's.
    if out.exists() and any(not path.name.startswith(".config.json.") for path in out.iterdir()):
        raise InputError(f"{out} is not empty: take another --out.")


def start(
    experiment: Experiment, out: str | Path, progress: Progress | None = None, *, reuse: Sequence[str | Path] = ()
) -> Result:
    """``optimize`` for a job already opened; ``reuse`` names other runs' ledgers, whose answers are free here."""
    out = Path(out)
    check_free(out)
    _ = experiment.plan, experiment.path  # Refused here, nothing is written yet.
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"cannot make the folder {out} ({error.strerror}): take another --out.") from error
    # The path is kept, as the other one's scores differ in the last bits.
    config = experiment.config = replace(experiment.config, path="fused" if experiment.fused else "array")
    step = experiment.proposal * config.repeats
    ahead = experiment.fused is None or experiment.fused.has_outer_part
    way = autotune.usual(experiment.target)
    wanted = autotune.open_to(experiment.target)
    if wanted and (found := autotune.recall(experiment.target, step, ahead)):
        way, wanted = found, False
        experiment.arrange(way.workers, way.threads)
    record = RunRecord(config, way.batch, experiment.inputs(), way.threads)
    record.write(out)

    def arrange(scorer: Scorer, images: Ints) -> None:
        found = autotune.find(scorer, images, experiment.space.initial(), step, ahead)
        if found:
            autotune.remember(experiment.target, step, ahead, found)
        found = found or way
        experiment.arrange(found.workers, found.threads)
        # What is scored from here on is cut as a resumed run will cut it.
        replace(record, batch=found.batch, threads=found.threads).write(out)
        scorer.set_call_plan(found.batch, found.workers + 1)
        if progress:
            progress.note(f"model: {found}")

    return _go(experiment, out, way.batch, progress or NoProgress(), reuse, arrange if wanted else None)


def resume(out: str | Path, budget: int | None = None, progress: Progress | None = None) -> Result:
    """Goes on with the run in ``out``: what was answered is replayed, the rest is asked.

    ``budget`` raises the cap; the course is the same, only longer.

    Raises:
        InputError: no run there, or its data, model or configuration changed.
    """
    _, go = reopen(out, budget)
    return go(progress)


def reopen(
    out: str | Path,
    budget: int | None = None,
    *,
    accept_drift: bool = False,
    cluster: str | None = None,
    workers: int | None = None,
) -> tuple[Experiment, Callable[[Progress | None], Result]]:
    """``resume`` in two steps: the run's job, opened and checked, and what goes on with it.

    ``cluster`` and ``workers`` say where the model runs from here on, as in ``config.placed``.
    """
    out = Path(out)
    record = RunRecord.read(out)
    begun = record
    record = replace(record, config=placed(record.config, cluster, workers))
    if budget is not None:
        if budget < record.config.budget:
            raise InputError(
                f"--budget {budget} is less than the {record.config.budget} that {out} has: a budget only grows."
            )
        # Who gives more wants it spent.
        record = replace(record, config=replace(record.config, budget=budget, early_stop=False))
    if accept_drift:
        record = replace(record, config=replace(record.config, accept_drift=True))
    experiment = Experiment(record.config, sunk=record.sunk)
    experiment.check_inputs(dict(record.inputs), out)
    if budget is not None:
        record = replace(record, sunk=_sunk(experiment, out, record.batch))
        experiment.sunk = record.sunk
    _ = experiment.plan

    def go(progress: Progress | None) -> Result:
        if record != begun:
            record.write(out)
        experiment.arrange(max(1, experiment.target.workers // record.threads), record.threads)
        return _go(experiment, out, record.batch, progress or NoProgress())

    return experiment, go


def _sunk(experiment: Experiment, out: Path, batch: int) -> int:
    """What was spent on choosing and evaluating, except on unchanged images, whose answers serve again."""
    with experiment.ledger(out / LEDGER) as ledger:
        scorer = experiment.scorer(ledger, batch=batch)
        held = np.concatenate([experiment.data.splits["val"], experiment.data.splits["test"]])
        spent = ledger.spent("select") + ledger.spent("evaluate")
        return spent - scorer.known(held, experiment.space.initial())


def _go(
    experiment: Experiment,
    out: Path,
    batch: int,
    progress: Progress,
    reuse: Sequence[str | Path] = (),
    arrange: Callable[[Scorer, Ints], None] | None = None,
) -> Result:
    with experiment.opened(), experiment.ledger(out / LEDGER) as ledger:
        for other in reuse:
            progress.note(f"{ledger.reuse(other):,} answers of {other} at hand")
        _check_config(experiment, ledger, out)
        release = releaser(experiment.data.images)

        def scored(images: int, paid: int) -> None:
            release(images)
            progress.scored(images, paid)

        concurrency = _concurrency(experiment, ledger, batch)
        scorer = experiment.scorer(ledger, batch=batch, concurrency=concurrency, progress=scored)
        began, earlier, known = time.perf_counter(), float(ledger.note("seconds") or 0), ledger.total
        try:
            result = _phases(experiment, scorer, progress, arrange)
        except ReplayError as error:
            raise _explained(error, ledger) from error
        finally:
            scorer.close()
            seconds = time.perf_counter() - began
            ledger.set_note("seconds", str(earlier + seconds))
        result.summary["seconds"] = round(earlier + seconds, 3)
        result.summary["images_per_second"] = round((ledger.total - known) / seconds, 1)
        result.tuning.save(out / "tuning.npz")
        result.answers().write(out)
        write_text(out / "summary.json", json.dumps(result.summary, indent=2) + "\n")
        return result


def _check_config(experiment: Experiment, ledger: Ledger, out: Path) -> None:
    """Compares what determines the course with what the ledger was begun with, and notes that at the beginning.

    Raises:
        InputError: names the key that differs.
    """
    current = determining(experiment.config)
    if (recorded := ledger.note("config")) is None:
        ledger.set_note("config", json.dumps(current))
        ledger.set_note("versions", json.dumps(versions()))
        ledger.set_note("files", json.dumps(experiment.files()))
        return
    before = json.loads(recorded)
    for key, value in current.items():
        if before.get(key, value) != value:
            raise InputError(
                f"{out / 'config.json'}: {key!r} is {json.dumps(value)}, and was {json.dumps(before[key])} when the "
                "run was started: restore it, or start a new one."
            )


def _explained(error: ReplayError, ledger: Ledger) -> ReplayError:
    """With the versions that differ, where some do."""
    before, now = json.loads(ledger.note("versions") or "{}"), versions()
    changed = [f"{name} {before[name]}, now {now[name]}" for name in now if before.get(name, now[name]) != now[name]]
    return ReplayError(f"{str(error).rstrip('.')} (begun with {'; '.join(changed)}).") if changed else error


def _concurrency(experiment: Experiment, ledger: Ledger, batch: int) -> ConcurrencyPolicy | None:
    """How many requests a URL is sent at once if the user gave no number: as recorded, or found on the first images.

    Which images travel together does not depend on it, so a resumed run may find another number.
    """
    target = experiment.target
    if not isinstance(target, ConcurrentTarget) or target.max_workers <= target.workers:
        return None
    if found := ledger.note("concurrency"):
        return FixedConcurrency(max(1, int(found) >> ledger.halvings))
    most = target.max_workers
    if ledger.counts_in_doubt:
        # Even if it dies again and again, with half as many requests under way each time, half the reserve is left.
        most = min(most, max(target.workers, experiment.plan.reserve // (4 * batch)))
    return ConcurrencySearch(target, max(1, most >> ledger.halvings))


def _end_search(scorer: Scorer, progress: Progress) -> None:
    """Ends the search for the best number of requests at once, and records what it found."""
    search, ledger = scorer.concurrency, scorer.ledger
    if not isinstance(search, ConcurrencySearch):
        return
    if search.settled:
        ledger.set_note("concurrency", str(search.limit << ledger.halvings))
    search.end()
    if search.rates:
        progress.note(f"concurrency: {search}")


def _idle(experiment: Experiment, scorer: Scorer) -> str | None:
    """What to say where a step of the search leaves most of the requests that may be under way unused."""
    if not (experiment.cluster or isinstance(experiment.target, ConcurrentTarget)) or not isinstance(
        experiment.estimator(), SupportsDelayedTell
    ):
        return None
    requests = -(-experiment.proposal * experiment.config.repeats // scorer.batch) * experiment.config.in_flight
    times = scorer.concurrency.limit // requests
    if times < 2:
        return None
    return (
        f"a step of the search is {requests} request{'s' if requests > 1 else ''}, and {scorer.concurrency.limit} may "
        f"be under way: --in-flight {times * experiment.config.in_flight} would use them"
    )


def _phases(
    experiment: Experiment, scorer: Scorer, progress: Progress, arrange: Callable[[Scorer, Ints], None] | None = None
) -> Result:
    plan, data, ledger = experiment.plan, experiment.data, scorer.ledger
    identity = experiment.space.initial()
    val = StratifiedSampler(data.splits["val"], data.labels, experiment.config.seed)(plan.select_images)
    test = data.splits["test"]

    # The unchanged validation images come first: they show how the target's answers are to be read.
    first = plan.repeats * plan.select_images
    progress.phase("select", first)
    if arrange:
        arrange(scorer, val)
    raw = scorer.score("select", val, identity)
    _end_search(scorer, progress)
    reading = experiment.reading(raw)
    name = experiment.objective(reading)
    progress.note(f"scores: {MEANING[reading.kind]}; objective: {name}")
    task = Task(scorer, reading, make_objective(name), data.labels, experiment.penalty)

    limit = plan.tune
    if ledger.counts_in_doubt and (short := ledger.in_doubt_of("tune") - plan.reserve) > 0:
        limit -= short
        progress.note(f"{short} more images in doubt than the reserve covers: the search is that much shorter")
        if limit <= 0:
            raise BudgetError(f"{ledger.in_doubt} images in doubt used up the search: give resume a larger --budget.")
    if advice := _idle(experiment, scorer):
        progress.note(advice)
    progress.phase("tune", limit)
    watch = (
        DriftCheck(scorer, val, identity, limit, accept=experiment.config.accept_drift)
        if experiment.watched
        else lambda spent: None
    )
    seed = experiment.config.seed
    trajectory = tune(
        task,
        experiment.estimator(),
        data.splits["train"],
        limit=limit,
        seed=seed,
        in_flight=experiment.config.in_flight,
        early_stopping=EarlyStopping(experiment.space.lower, experiment.space.upper)
        if experiment.config.early_stop
        else None,
        told=progress.told,
        watch=watch,
    )
    if isinstance(watch, DriftCheck) and watch.moved > watch.tolerance:
        progress.note(f"the model changed during the search: fixed images' scores moved by up to {watch.moved:.3g}")
    if trajectory.stopped:
        progress.note(
            f"the search stopped after {trajectory.points[-1].queries:,} queries: going on promised too little"
        )
    progress.phase("select", plan.select + plan.apart - first)
    choice = select(task, trajectory, val, identity)
    progress.note(f"chosen on {len(val)} validation images: {choice.name}")
    parts: list[PartGain] = []
    if plan.apart and isinstance(experiment.space, Composed) and not np.array_equal(choice.z, identity):
        parts = part_by_part(task, experiment.space, choice.z, val[: plan.part_images])
    progress.phase("evaluate", plan.evaluate)
    on_test = (task.probabilities("evaluate", test, identity), task.probabilities("evaluate", test, choice.z))
    progress.phase("done", 0)

    tuning = experiment.tuning(choice.z)
    on_val = (task.probabilities("select", val, identity), task.probabilities("select", val, choice.z))
    summary = summarize(experiment, scorer, choice, tuning, val, on_val, on_test, parts)
    summary |= {"objective": name, "scores": reading.kind, "stopped_early": trajectory.stopped}
    return Result(summary, tuning, choice, trajectory, data, *on_test)
