"""Runner: ``optimize`` starts a run and takes it from configuration to summary, ``resume`` continues it."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from blackbox_dft._utils.files import write_text
from blackbox_dft._utils.types import Ints
from blackbox_dft.data.dataset import Dataset
from blackbox_dft.data.decoding import page_releaser
from blackbox_dft.errors import BudgetError, InputError
from blackbox_dft.run.config import Config
from blackbox_dft.run.experiment import Experiment
from blackbox_dft.run.fingerprint import changed, check_inputs, file_digests, fingerprint, input_digests
from blackbox_dft.run.folder import check_free, clear, clear_if_unsent
from blackbox_dft.run.input_phase import find_form
from blackbox_dft.run.larger_budget import require_longer_search, spent_earlier
from blackbox_dft.run.paths import require_files
from blackbox_dft.run.phases import run_phases
from blackbox_dft.run.provenance import made
from blackbox_dft.run.record import RunRecord, versions, with_cluster
from blackbox_dft.run.result import Result
from blackbox_dft.scoring import autotune
from blackbox_dft.scoring.concurrency import ConcurrencySearch
from blackbox_dft.scoring.dispatcher import ConcurrencyPolicy, FixedConcurrency
from blackbox_dft.scoring.ledger import LEDGER, Ledger, ReplayError
from blackbox_dft.scoring.scorer import Scorer
from blackbox_dft.scoring.speed import remember_speed
from blackbox_dft.search.progress import NoProgress, Progress
from blackbox_dft.targets.base import ConcurrentTarget, Target


def optimize(config: Config, out: str | Path, progress: Progress | None = None, *, overwrite: bool = False) -> Result:
    """Runs ``config`` from the start into the new folder ``out``.

    >>> result = optimize(Config("model.onnx", "labels.csv", budget=6000), "run")  # doctest: +SKIP
    >>> result.summary.verdict, result.summary.accuracy["test"].after  # doctest: +SKIP
    ('improved', 0.949107)
    >>> changed = result.tuning(images)  # doctest: +SKIP

    Args:
        config: target, data and options.
        out: folder of the run; it must be empty, not exist, or hold a run that got no score.
        progress: notified of phases, queries and steps.
        overwrite: replace the run that ``out`` holds.

    Raises:
        InputError: bad data, model, option or folder; nothing is written then.
        BudgetError: the budget cannot cover the job; nothing is written then.
        TargetError: the target failed for good; ``resume`` continues from there.
    """
    check_free(Path(out), overwrite=overwrite)
    return start(Experiment(config), out, progress, overwrite=overwrite)


def start(
    experiment: Experiment,
    out: str | Path,
    progress: Progress | None = None,
    *,
    reuse: Sequence[str | Path] = (),
    overwrite: bool = False,
) -> Result:
    """``optimize`` for an open experiment; ``reuse`` names ledgers of other runs, whose scores are free here."""
    out = Path(out)
    check_free(out, overwrite=overwrite)
    _ = experiment.plan, experiment.path  # If they fail, nothing is written yet.
    if own := [path for path in reuse if Path(path).resolve() == (out / LEDGER).resolve()]:
        raise InputError(f"--reuse {own[0]} is of the run that is replaced: copy it to another place first.")
    try:
        if out.exists():
            clear(out)
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"cannot make the folder {out} ({error.strerror}): take another --out.") from error
    try:
        return _begin(experiment, out, progress or NoProgress(), reuse)
    except (InputError, BudgetError):
        clear_if_unsent(out)
        raise


def _begin(experiment: Experiment, out: Path, progress: Progress, reuse: Sequence[str | Path] = ()) -> Result:
    """Takes a run from its folder, in which no phase but that of ``--find-input`` has begun, to its result."""
    if experiment.finds_input:
        counts = experiment.counts_in_doubt
        digests = input_digests(experiment)
        RunRecord(experiment.config, experiment.target.batch, digests, counts_in_doubt=counts).write(out)
        found_config, found = find_form(experiment, out, progress)
        experiment = Experiment(found_config, found_input=found, counts_in_doubt=counts)
        _ = experiment.plan, experiment.path
    # The run keeps its path, as the last bits of the other one's scores differ, and its kind of proof.
    config = experiment.config = replace(
        experiment.config,
        path="fused" if experiment.fused else "array",
        evaluate="enough" if experiment.sequential else experiment.config.evaluate.replace("auto", "all"),
    )
    step = experiment.proposal * config.repeats
    ahead = experiment.fused is None or experiment.fused.has_outer_part
    plan = autotune.default_plan(experiment.target)
    # A request holds one photo.
    untuned = autotune.can_autotune(experiment.target) and not experiment.data.fitting.keeps_sizes
    if untuned and ahead and config.in_flight == 1:
        plan = autotune.plan_ahead(experiment.target, step, min(experiment.data.images.shape[1:3]))
    if untuned and (remembered := autotune.load_plan(experiment.target, step, ahead, plan)):
        plan, untuned = remembered, False
        experiment.set_call_plan(plan.workers, plan.threads)
    record = RunRecord(
        config,
        plan.batch,
        input_digests(experiment),
        plan.threads,
        found_input=experiment.found_input,
        counts_in_doubt=experiment.counts_in_doubt,
    )
    record.write(out)

    def find_call_plan(scorer: Scorer, images: Ints) -> None:
        fastest = autotune.find_plan(scorer, images, experiment.space.initial(), step, ahead, default=plan)
        if fastest:
            autotune.save_plan(experiment.target, step, ahead, plan, fastest)
        fastest = fastest or plan
        experiment.set_call_plan(fastest.workers, fastest.threads)
        # A resumed run has to cut the remaining images into the same requests.
        replace(record, batch=fastest.batch, threads=fastest.threads).write(out)
        scorer.set_call_plan(fastest.batch, fastest.workers + 1)
        progress.note(f"model: {fastest}")

    return _run(experiment, out, plan.batch, progress, reuse, find_call_plan if untuned else None)


def resume(out: str | Path, budget: int | None = None, progress: Progress | None = None) -> Result:
    """Continues the run in ``out``: recorded scores are replayed, only missing ones are queried.

    ``budget`` raises the cap: the run makes the same proposals as before, and then more.

    Raises:
        InputError: no run there, or its data, model or configuration changed.
        BudgetError: the budget cannot cover the job.
        TargetError: the target failed for good; call it again to continue.
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
    price: float | None = None,
    evaluate: str | None = None,
    precision: float | None = None,
    target: Target | None = None,
    data: Dataset | None = None,
) -> tuple[Experiment, Callable[[Progress | None], Result]]:
    """``resume`` in two steps: returns the run's experiment, opened and checked, and a function that continues it.

    ``cluster`` and ``workers`` say where the model runs from now on, as for ``with_cluster``; ``price`` is the new
    cost of one image scored; ``evaluate`` and ``precision`` say how far the proof goes from now on; ``target`` and
    ``data`` are those of a run that was given Python objects.
    """
    out = Path(out)
    recorded = RunRecord.read(out)
    require_files(recorded.config, out)
    record = replace(recorded, config=with_cluster(recorded.config, cluster, workers))
    if budget == record.config.budget and not _finished(out, budget):
        # The same command again after it was stopped: what its choice has used is not lost.
        budget = None
    if budget is not None:
        if budget < record.config.budget:
            raise InputError(
                f"--budget {budget} is less than the {record.config.budget} that {out} has: a budget only grows."
            )
        # A larger budget is given to be spent: on the proof if there is a sequential one.
        stop = record.config.early_stop and record.config.evaluate == "enough"
        record = replace(record, config=replace(record.config, budget=budget, early_stop=stop))
    if evaluate is not None and evaluate != "auto":
        record = replace(record, config=replace(record.config, evaluate=evaluate))
    if precision is not None:
        record = replace(record, config=replace(record.config, precision=precision))
    if accept_drift:
        record = replace(record, config=replace(record.config, accept_drift=True))
    if price is not None:
        record = replace(record, config=replace(record.config, price=price))
    further = record.config.evaluate != recorded.config.evaluate or record.config.precision != recorded.config.precision
    if budget is not None or further or not _finished(out, record.config.budget):
        # Another result, or the first one: no verdict is there to be kept.
        record = replace(record, widened_intervals=True)
    experiment = Experiment(
        record.config,
        spent_earlier=record.spent_earlier,
        found_input=record.found_input,
        counts_in_doubt=record.counts_in_doubt,
        widened_intervals=record.widened_intervals,
        target=target,
        data=data,
    )

    def recorded_files() -> dict[str, str]:
        if not (out / LEDGER).exists():
            return {}
        with experiment.ledger(out / LEDGER) as ledger:
            return dict(json.loads(ledger.note("files") or "{}"))

    check_inputs(experiment, record.inputs, out, recorded_files)
    others = record.config.evaluate != recorded.config.evaluate and (out / LEDGER).exists()
    if (budget is not None or others) and not experiment.sequential:
        record = replace(record, spent_earlier=spent_earlier(experiment, out, record.batch))
        experiment.spent_earlier = record.spent_earlier
    if budget is not None and not experiment.sequential:
        require_longer_search(experiment, out)
    _ = experiment.plan

    def go(progress: Progress | None) -> Result:
        if experiment.finds_input:
            return _begin(experiment, out, progress or NoProgress())
        if record != recorded:
            record.write(out)
        experiment.set_call_plan(max(1, experiment.target.workers // record.threads), record.threads)
        return _run(experiment, out, record.batch, progress or NoProgress())

    return experiment, go


def unspent(experiment: Experiment, out: str | Path) -> int:
    """Queries that the run in ``out`` may still send: what its plan leaves, and none if it is finished."""
    out = Path(out)
    if not (out / LEDGER).exists():
        return experiment.plan.total
    if _finished(out, experiment.config.budget):
        recorded = RunRecord.read(out).config
        if (recorded.evaluate, recorded.precision) == (experiment.config.evaluate, experiment.config.precision):
            return 0
    with experiment.ledger(out / LEDGER) as ledger:
        return max(0, experiment.plan.total - ledger.total)


def _finished(out: Path, budget: int) -> bool:
    """Whether the run in ``out`` has a result for this budget."""
    with suppress(OSError, ValueError, KeyError, TypeError):
        return bool(json.loads((out / "summary.json").read_text(encoding="utf-8"))["budget"] == budget)
    return False


def _run(
    experiment: Experiment,
    out: Path,
    batch: int,
    progress: Progress,
    reuse: Sequence[str | Path] = (),
    find_call_plan: Callable[[Scorer, Ints], None] | None = None,
) -> Result:
    """Runs all phases on the ledger in ``out`` and writes the result beside it."""
    with experiment.opened(), experiment.ledger(out / LEDGER) as ledger:
        for other in reuse:
            progress.note(f"{ledger.reuse(other):,} scores of {other} can be used again")
        _check_config(experiment, ledger, out)
        release = page_releaser(experiment.data.images)

        def scored(images: int, paid: int) -> None:
            release(images)
            progress.scored(images, paid)

        concurrency = _concurrency(experiment, ledger, batch)
        scorer = experiment.scorer(ledger, batch=batch, concurrency=concurrency, progress=scored)
        started, before, known = time.perf_counter(), float(ledger.note("seconds") or 0), ledger.total
        try:
            result = run_phases(experiment, scorer, progress, find_call_plan)
        except ReplayError as error:
            raise _with_versions(error, ledger) from error
        finally:
            scorer.close()
            seconds = time.perf_counter() - started
            ledger.set_note("seconds", str(before + seconds))
        rate = round((ledger.total - known) / seconds, 1)
        if rate:
            ledger.set_note("images_per_second", str(rate))
        else:
            # All scores were in the ledger: how fast the target is was measured when they were paid for.
            rate = float(ledger.note("images_per_second") or 0)
        remember_speed(experiment.target, ledger.total - known, seconds)
        summary = replace(result.summary, seconds=round(before + seconds, 3), images_per_second=rate)
        made_of = made(experiment.config, input_digests(experiment), summary)
        result = replace(result, summary=summary, tuning=replace(result.tuning, made=made_of))
        result.tuning.save(out / "tuning.npz")
        result.predictions().write(out)
        write_text(out / "summary.json", json.dumps(summary.to_json(), indent=2) + "\n")
        return result


def _check_config(experiment: Experiment, ledger: Ledger, out: Path) -> None:
    """Compares the fingerprint with the one in the ledger; the first time, records it there.

    Raises:
        InputError: names the key that differs.
    """
    current = fingerprint(experiment.config)
    if (recorded := ledger.note("config")) is None:
        ledger.set_note("config", json.dumps(current))
        ledger.set_note("versions", json.dumps(versions()))
        ledger.set_note("files", json.dumps(file_digests(experiment)))
    elif change := changed(json.loads(recorded), current):
        raise InputError(
            f"{out / 'config.json'}: {change.key!r} is {json.dumps(change.current)}, and was "
            f"{json.dumps(change.recorded)} when the run was started: restore it, or start a new one."
        )


def _with_versions(error: ReplayError, ledger: Ledger) -> ReplayError:
    """The error with the versions that differ from the recorded ones."""
    before, now = json.loads(ledger.note("versions") or "{}"), versions()
    different = [f"{name} {before[name]}, now {now[name]}" for name in now if before.get(name, now[name]) != now[name]]
    return ReplayError(f"{str(error).rstrip('.')} (begun with {'; '.join(different)}).") if different else error


def _concurrency(experiment: Experiment, ledger: Ledger, batch: int) -> ConcurrencyPolicy | None:
    """How many requests to send at once if the user gave no number: as recorded, or searched on the first images.

    Which images travel together does not depend on it, so a resumed run may take another number.
    """
    target = experiment.target
    if not isinstance(target, ConcurrentTarget) or target.max_workers <= target.workers:
        return None
    if recorded := ledger.note("concurrency"):
        return FixedConcurrency(max(1, int(recorded) >> ledger.halvings))
    most = target.max_workers
    if ledger.counts_in_doubt:
        # Half of the reserve is left even if the run dies again and again, with half as many requests each time.
        most = min(most, max(target.workers, experiment.plan.reserve // (4 * batch)))
    return ConcurrencySearch(target, max(1, most >> ledger.halvings))
