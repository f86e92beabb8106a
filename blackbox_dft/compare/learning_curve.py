"""One run to the largest budget, read off at every budget.

Each budget has a course of its own, replayed from the answers at hand. An estimator that does not know its budget takes
the same steps in all of them, so that everything but the longest course is free.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from blackbox_dft._utils.types import Array, Floats
from blackbox_dft.compare.cost import cost, val_images, whole_budget
from blackbox_dft.compare.grid import GridRun
from blackbox_dft.compare.run_result import RunResult
from blackbox_dft.errors import BudgetError
from blackbox_dft.evaluation.threshold import fit_threshold
from blackbox_dft.objectives import make_objective
from blackbox_dft.objectives.losses import decide
from blackbox_dft.run.experiment import Experiment
from blackbox_dft.scoring.drift import DriftCheck
from blackbox_dft.search.loop import Task, tune
from blackbox_dft.search.minibatches import StratifiedSampler
from blackbox_dft.search.selection import select

Scored = Callable[[int, int], None]


def varied(experiment: Experiment, run: GridRun, limit: int) -> Experiment:
    """``experiment`` searched as ``run`` says, with ``limit`` tuning queries."""
    way = run.way
    return experiment.varied(
        space=way.space, estimator=way.estimator, seed=run.seed, budget=whole_budget(experiment, limit)
    )


def unchanged(experiment: Experiment, shared: Path, batch: int, scored: Scored) -> tuple[Array, Array, int]:
    """Scores the validation and test images as they are into the ledger ``shared``.

    Returns:
        Which test images are right ``(N,)`` before, and with the threshold fitted on all validation images; and the
        images asked about.
    """
    val, test = (experiment.data.splits[split] for split in ("val", "test"))
    held = experiment.config.repeats * (len(val) + len(test))
    budget = int(np.ceil(held / (1 - experiment.config.reserve))) if experiment.counts_in_doubt else held
    with experiment.ledger(shared, budget) as ledger:
        scorer = experiment.scorer(ledger, batch=batch, progress=scored)
        try:
            identity = experiment.space.initial()
            raw = scorer.score("select", val, identity)
            decoder = experiment.decoder(raw)
            before = decoder(scorer.score("evaluate", test, identity))
            shifted = fit_threshold(decoder(raw), experiment.data.labels[val])(before)
        finally:
            scorer.close()
        truth = experiment.data.labels[test]
        return decide(before) == truth, decide(shifted) == truth, ledger.total


def learning_curve(
    experiment: Experiment,
    run: GridRun,
    budgets: Sequence[int],
    cap: Sequence[int],
    out: Path,
    batch: int,
    scored: Scored,
) -> RunResult:
    """Tunes ``run`` on the data and target of ``experiment`` to each of ``budgets``, on one ledger in ``out/runs``.

    It never asks more than all budgets of ``cap`` would cost.

    Raises:
        BudgetError: more answers got lost than the reserve covers.
        TargetError: the target failed; what it answered is kept.
    """
    experiment = varied(experiment, run, max(budgets))
    data, identity = experiment.data, experiment.space.initial()
    val, test = data.splits["val"], data.splits["test"]
    repeats = experiment.config.repeats
    found: dict[int, tuple[int, int, Array, Floats, str]] = {}
    with experiment.ledger(out / "runs" / f"{run.folder}.sqlite", cost(experiment, cap, 1).each.total) as ledger:
        ledger.reuse(out / "shared.sqlite")
        scorer = experiment.scorer(ledger, batch=batch, progress=scored)
        try:
            decoder = experiment.decoder(scorer.score("select", val, identity))
            task = Task(scorer, decoder, make_objective(experiment.objective(decoder)), data.labels)
            # The longest first: it alone is watched, as only it asks anything new.
            for limit in sorted(budgets, reverse=True):
                ledger.trajectory = limit
                some = StratifiedSampler(val, data.labels, run.seed)(val_images(limit, len(val), repeats))
                watched = experiment.watched and not found
                watch = (
                    DriftCheck(scorer, some, identity, limit, accept=experiment.config.accept_drift)
                    if watched
                    else _idle
                )
                estimator = varied(experiment, run, limit).estimator()
                trajectory = tune(task, estimator, data.splits["train"], limit=limit, seed=run.seed, check_drift=watch)
                choice = select(task, trajectory, some, identity)
                answers = task.probabilities("evaluate", test, choice.z)
                asked = trajectory.points[-1].queries if trajectory.points else 0
                found[limit] = (asked, len(some), decide(answers) == data.labels[test], choice.z, choice.name)
        except BudgetError as error:
            raise BudgetError(
                f"{run}: {ledger.in_doubt:,} images were sent and never answered, more than are kept back for that: "
                "give the same command with a larger --reserve."
            ) from error
        finally:
            scorer.close()
        spent, images, right, z, chosen = zip(*(found[limit] for limit in budgets), strict=True)
        outcome = RunResult(
            np.array(budgets), np.array(spent), np.array(images), np.array(right), np.array(z), chosen, ledger.total
        )
    outcome.save(out / "runs" / f"{run.folder}.npz")
    return outcome


def _idle(spent: int) -> None:
    """Watches nothing."""
