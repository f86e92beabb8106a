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
from blackbox_dft._utils.types import Floats, Ints, Scores
from blackbox_dft.data.dataset import Dataset
from blackbox_dft.data.decoding import releaser
from blackbox_dft.deploy.tuning import Tuning
from blackbox_dft.errors import BudgetError, InputError
from blackbox_dft.estimators.base import Patient
from blackbox_dft.objectives import make_objective
from blackbox_dft.objectives.outputs import MEANING
from blackbox_dft.run.config import Config
from blackbox_dft.run.experiment import Job
from blackbox_dft.run.predictions import Answers
from blackbox_dft.run.record import Record, determining, placed, versions
from blackbox_dft.run.summary import summarize
from blackbox_dft.scoring import autotune, hedging
from blackbox_dft.scoring.concurrency import Probe
from blackbox_dft.scoring.drift import Canaries
from blackbox_dft.scoring.ledger import LEDGER, Ledger, ReplayError
from blackbox_dft.scoring.scorer import Scorer
from blackbox_dft.search.early_stopping import Stillness
from blackbox_dft.search.loop import Course, Task, tune
from blackbox_dft.search.minibatches import Draw
from blackbox_dft.search.progress import Progress, Silent
from blackbox_dft.search.selection import Choice, Part, part_by_part, select
from blackbox_dft.spaces.composed import Composed
from blackbox_dft.targets.base import Elastic


@dataclass(frozen=True, eq=False)
class Result:
    """A finished run."""

    summary: dict[str, Any]
    tuning: Tuning
    choice: Choice
    course: Course
    data: Dataset
    before: Floats
    """Probabilities of the labels ``(N, L)`` on the test split, unchanged images."""
    after: Floats

    def answers(self) -> Answers:
        """What a report is made from."""
        data, test = self.data, self.data.splits["test"]
        return Answers(
            classes=data.classes,
            files=tuple(data.files[i] for i in test),
            labels=data.labels[test],
            before=self.before,
            after=self.after,
            points=np.array([(p.queries, p.loss, p.accuracy) for p in self.course.points], np.float64).reshape(-1, 3),
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
    return start(Job(config), out, progress)


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


def start(job: Job, out: str | Path, progress: Progress | None = None, *, reuse: Sequence[str | Path] = ()) -> Result:
    """``optimize`` for a job already opened; ``reuse`` names other runs' ledgers, whose answers are free here."""
    out = Path(out)
    check_free(out)
    _ = job.plan, job.path  # Refused here, nothing is written yet.
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"cannot make the folder {out} ({error.strerror}): take another --out.") from error
    # The path is kept, as the other one's scores differ in the last bits.
    config = job.config = replace(job.config, path="fused" if job.fused else "array")
    step = job.proposal * config.repeats
    ahead = job.fused is None or job.fused.ahead
    way = autotune.usual(job.target)
    wanted = autotune.open_to(job.target)
    if wanted and (found := autotune.recall(job.target, step, ahead)):
        way, wanted = found, False
        job.arrange(way.workers, way.threads)
    record = Record(config, way.batch, job.inputs(), way.threads)
    record.write(out)

    def arrange(scorer: Scorer, images: Ints) -> None:
        found = autotune.find(scorer, images, job.space.initial(), step, ahead)
        if found:
            autotune.remember(job.target, step, ahead, found)
        found = found or way
        job.arrange(found.workers, found.threads)
        # What is scored from here on is cut as a resumed run will cut it.
        replace(record, batch=found.batch, threads=found.threads).write(out)
        scorer.batch = found.batch
        scorer.allow(found.workers + 1)
        if progress:
            progress.note(f"model: {found}")

    return _go(job, out, way.batch, progress or Silent(), reuse, arrange if wanted else None)


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
) -> tuple[Job, Callable[[Progress | None], Result]]:
    """``resume`` in two steps: the run's job, opened and checked, and what goes on with it.

    ``cluster`` and ``workers`` say where the model runs from here on, as in ``config.placed``.
    """
    out = Path(out)
    record = Record.read(out)
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
    job = Job(record.config, sunk=record.sunk)
    job.check_inputs(dict(record.inputs), out)
    if budget is not None:
        record = replace(record, sunk=_sunk(job, out, record.batch))
        job.sunk = record.sunk
    _ = job.plan

    def go(progress: Progress | None) -> Result:
        if record != begun:
            record.write(out)
        job.arrange(max(1, job.target.workers // record.threads), record.threads)
        return _go(job, out, record.batch, progress or Silent())

    return job, go


def _sunk(job: Job, out: Path, batch: int) -> int:
    """What was spent on choosing and evaluating, except on unchanged images, whose answers serve again."""
    with job.ledger(out / LEDGER) as ledger:
        scorer = job.scorer(ledger, batch=batch)
        held = np.concatenate([job.data.splits["val"], job.data.splits["test"]])
        spent = ledger.spent("select") + ledger.spent("evaluate")
        return spent - scorer.known(held, job.space.initial())


def _go(
    job: Job,
    out: Path,
    batch: int,
    progress: Progress,
    reuse: Sequence[str | Path] = (),
    arrange: Callable[[Scorer, Ints], None] | None = None,
) -> Result:
    with job.opened(), job.ledger(out / LEDGER) as ledger:
        for other in reuse:
            progress.note(f"{ledger.reuse(other):,} answers of {other} at hand")
        _check_config(job, ledger, out)
        release = releaser(job.data.images)

        def passed(images: int, paid: int) -> None:
            release(images)
            progress.passed(images, paid)

        scorer = job.scorer(ledger, batch=batch, passed=passed)
        if job.plan.hedge and isinstance(job.target, Elastic):
            asked = ledger.spent(hedging.PHASE) + ledger.doubted(hedging.PHASE)
            scorer.dispatcher.hedging = hedging.Hedging(job.target, job.plan.hedge - asked)
        began, earlier, known = time.perf_counter(), float(ledger.recall("seconds") or 0), ledger.total
        try:
            result = _phases(job, scorer, progress, arrange)
        except ReplayError as error:
            raise _explained(error, ledger) from error
        finally:
            scorer.close()
            seconds = time.perf_counter() - began
            ledger.keep("seconds", str(earlier + seconds))
        result.summary["seconds"] = round(earlier + seconds, 3)
        result.summary["images_per_second"] = round((ledger.total - known) / seconds, 1)
        result.tuning.save(out / "tuning.npz")
        result.answers().write(out)
        write_text(out / "summary.json", json.dumps(result.summary, indent=2) + "\n")
        return result


def _check_config(job: Job, ledger: Ledger, out: Path) -> None:
    """Compares what determines the course with what the ledger was begun with, and notes that at the beginning.

    Raises:
        InputError: names the key that differs.
    """
    current = determining(job.config)
    if (recorded := ledger.recall("config")) is None:
        ledger.keep("config", json.dumps(current))
        ledger.keep("versions", json.dumps(versions()))
        ledger.keep("files", json.dumps(job.files()))
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
    before, now = json.loads(ledger.recall("versions") or "{}"), versions()
    changed = [f"{name} {before[name]}, now {now[name]}" for name in now if before.get(name, now[name]) != now[name]]
    return ReplayError(f"{str(error).rstrip('.')} (begun with {'; '.join(changed)}).") if changed else error


def _probed(job: Job, scorer: Scorer, images: Ints, z: Floats, progress: Progress) -> Scores:
    """Scores the first images, and finds out on them how many requests should be under way, where nobody said so.

    Which images travel together does not depend on it, so that a resumed run may find another number.
    """
    target, ledger = job.target, scorer.ledger
    if not isinstance(target, Elastic) or target.most <= target.workers:
        return scorer.score("select", images, z)
    if found := ledger.recall("concurrency"):
        scorer.allow(int(found) >> scorer.halvings)
        return scorer.score("select", images, z)
    most = target.most
    if ledger.counts_in_doubt:
        # Dying again and again, with half as many under way each time, then costs half the reserve.
        most = min(most, max(target.workers, job.plan.reserve // (4 * scorer.batch)))
    probe = scorer.dispatcher.probe = Probe(target, max(1, most >> scorer.halvings))
    scorer.allow(probe.concurrency)
    try:
        scores = scorer.score("select", images, z)
    finally:
        scorer.dispatcher.probe = None
    if probe.settled:
        ledger.keep("concurrency", str(probe.concurrency << scorer.halvings))
    probe.end()
    scorer.allow(probe.concurrency)
    if probe.rates:
        progress.note(f"concurrency: {probe}")
    return scores


def _idle(job: Job, scorer: Scorer) -> str | None:
    """What to say where a step of the search leaves most of the requests that may be under way unused."""
    if not (job.cluster or isinstance(job.target, Elastic)) or not isinstance(job.estimator(), Patient):
        return None
    requests = -(-job.proposal * job.config.repeats // scorer.batch) * job.config.in_flight
    times = scorer.dispatcher.window // requests
    if times < 2:
        return None
    return (
        f"a step of the search is {requests} request{'s' if requests > 1 else ''}, and {scorer.dispatcher.window} may "
        f"be under way: --in-flight {times * job.config.in_flight} would use them"
    )


def _phases(
    job: Job, scorer: Scorer, progress: Progress, arrange: Callable[[Scorer, Ints], None] | None = None
) -> Result:
    plan, data, ledger = job.plan, job.data, scorer.ledger
    identity = job.space.initial()
    val = Draw(data.splits["val"], data.labels, job.config.seed)(plan.select_images)
    test = data.splits["test"]

    # The unchanged validation images come first: they show how the target's answers are to be read.
    first = plan.repeats * plan.select_images
    progress.phase("select", first)
    if arrange:
        arrange(scorer, val)
    reading = job.reading(_probed(job, scorer, val, identity, progress))
    name = job.objective(reading)
    progress.note(f"scores: {MEANING[reading.kind]}; objective: {name}")
    task = Task(scorer, reading, make_objective(name), data.labels, job.penalty)

    limit = plan.tune
    if ledger.counts_in_doubt and (short := ledger.doubted("tune") - plan.reserve) > 0:
        limit -= short
        progress.note(f"{short} more images in doubt than the reserve covers: the search is that much shorter")
        if limit <= 0:
            raise BudgetError(f"{ledger.in_doubt} images in doubt used up the search: give resume a larger --budget.")
    if advice := _idle(job, scorer):
        progress.note(advice)
    progress.phase("tune", limit)
    watch = (
        Canaries(scorer, val, identity, limit, accept=job.config.accept_drift) if job.watched else lambda spent: None
    )
    seed = job.config.seed
    course = tune(
        task,
        job.estimator(),
        data.splits["train"],
        limit=limit,
        seed=seed,
        in_flight=job.config.in_flight,
        stillness=Stillness(job.space.lower, job.space.upper) if job.config.early_stop else None,
        told=progress.told,
        watch=watch,
    )
    if isinstance(watch, Canaries) and watch.moved > watch.tolerance:
        progress.note(f"the model changed during the search: fixed images' scores moved by up to {watch.moved:.3g}")
    if course.stopped:
        progress.note(f"the search stopped after {course.points[-1].queries:,} queries: going on promised too little")
    progress.phase("select", plan.select + plan.apart - first)
    choice = select(task, course, val, identity)
    progress.note(f"chosen on {len(val)} validation images: {choice.name}")
    parts: list[Part] = []
    if plan.apart and isinstance(job.space, Composed) and not np.array_equal(choice.z, identity):
        parts = part_by_part(task, job.space, choice.z, val[: plan.part_images])
    progress.phase("evaluate", plan.evaluate)
    on_test = (task.probabilities("evaluate", test, identity), task.probabilities("evaluate", test, choice.z))
    progress.phase("done", 0)

    tuning = job.tuning(choice.z)
    on_val = (task.probabilities("select", val, identity), task.probabilities("select", val, choice.z))
    summary = summarize(job, scorer, choice, tuning, val, on_val, on_test, parts)
    summary |= {"objective": name, "scores": reading.kind, "stopped_early": course.stopped}
    return Result(summary, tuning, choice, course, data, *on_test)
