"""Learning curve of one run: the metric on the test images at each of several tuning budgets.

Each budget is a search of its own, replayed from the scores in the run's ledger. An estimator that does not know its
budget takes the same steps in all of them, so that all but the longest search are free.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from blackbox_dft._utils.types import Floats
from blackbox_dft.comparison.cost import cost, val_images, whole_budget
from blackbox_dft.comparison.grid import GridRun
from blackbox_dft.comparison.judged import Judged
from blackbox_dft.comparison.run_result import RunResult
from blackbox_dft.errors import BudgetError
from blackbox_dft.evaluation.metric import require_probabilities
from blackbox_dft.evaluation.threshold import fit_threshold
from blackbox_dft.objectives import make_objective
from blackbox_dft.run.experiment import Experiment
from blackbox_dft.run.first_look import require_first_scores
from blackbox_dft.scoring.drift import DriftCheck
from blackbox_dft.search.loop import Task, tune
from blackbox_dft.search.mapped_selection import choose
from blackbox_dft.search.minibatches import StratifiedSampler

Scored = Callable[[int, int], None]


def varied(experiment: Experiment, run: GridRun, limit: int) -> Experiment:
    """``experiment`` with the space, estimator and seed of ``run``, and ``limit`` tuning queries."""
    variant = run.variant
    return experiment.varied(
        space=variant.space, estimator=variant.estimator, seed=run.seed, budget=whole_budget(experiment, limit)
    )


def unchanged(experiment: Experiment, shared: Path, batch: int, scored: Scored) -> tuple[Judged, Judged, int]:
    """Scores the unchanged validation and test images into the ledger ``shared``.

    Returns:
        The test images as they are ``(N,)``, the same with the threshold fitted on all validation images, and the
        number of images scored.

    Raises:
        InputError: the target returns labels without scores, and the metric needs probabilities.
    """
    val, test = (experiment.data.splits[split] for split in ("val", "test"))
    held = experiment.config.repeats * (len(val) + len(test))
    budget = int(np.ceil(held / (1 - experiment.config.reserve))) if experiment.counts_in_doubt else held
    with experiment.ledger(shared, budget) as ledger:
        scorer = experiment.scorer(ledger, batch=batch, progress=scored)
        try:
            identity = experiment.space.initial()
            require_first_scores(experiment, scorer, "select", val, identity)
            raw = scorer.score("select", val, identity)
            decoder, metric, labels = experiment.decoder(raw), experiment.metric, experiment.data.labels
            require_probabilities(metric, labels_only=decoder.labels_only)
            before = decoder(scorer.score("evaluate", test, identity))
            shifted = fit_threshold(decoder(raw), labels[val], metric.image_weights(labels[val]))(before)
        finally:
            scorer.close()
        return Judged.of(metric, before, labels[test]), Judged.of(metric, shifted, labels[test]), ledger.total


def learning_curve(
    experiment: Experiment,
    run: GridRun,
    budgets: Sequence[int],
    cap: Sequence[int],
    out: Path,
    batch: int,
    scored: Scored,
) -> RunResult:
    """Tunes ``run`` to each of ``budgets`` with one ledger in ``out/runs`` and saves the result beside it.

    Args:
        experiment: data and target; its space, estimator and seed are replaced by those of ``run``.
        budgets: tuning queries, ascending.
        cap: budgets whose cost is the most that this run may spend, over all calls.
        out: folder of the comparison; ``shared.sqlite`` holds the scores of the unchanged images.
        batch: images a request.
        scored: called with the images scored and those of them paid for, as they come.

    Raises:
        BudgetError: more responses were lost than the reserve covers.
        TargetError: the target failed; the scores so far are kept.
    """
    experiment = varied(experiment, run, max(budgets))
    data, metric, identity = experiment.data, experiment.metric, experiment.space.initial()
    val, test = data.splits["val"], data.splits["test"]
    repeats = experiment.config.repeats
    measured: dict[int, tuple[int, int, Judged, Floats, str]] = {}
    with experiment.ledger(out / "runs" / f"{run.file_name}.sqlite", cost(experiment, cap, 1).each.total) as ledger:
        ledger.reuse(out / "shared.sqlite")
        scorer = experiment.scorer(ledger, batch=batch, progress=scored)
        try:
            raw = scorer.score("select", val, identity)
            decoder = experiment.decoder(raw)
            with_score = val[decoder.has_score(raw)]
            task = Task(scorer, decoder, make_objective(experiment.objective(decoder)), data.labels)
            # The longest first, and only it with drift checks, as the others send no queries.
            for limit in sorted(budgets, reverse=True):
                ledger.trajectory = limit
                some = StratifiedSampler(val, data.labels, run.seed)(val_images(limit, len(val), repeats))
                watched = experiment.watched and not measured
                watch = (
                    DriftCheck(
                        scorer,
                        some[np.isin(some, with_score)],
                        identity,
                        limit,
                        accept=experiment.config.accept_drift,
                    )
                    if watched
                    else None
                )
                estimator = varied(experiment, run, limit).estimator()
                trajectory = tune(
                    task,
                    estimator,
                    data.splits["train"],
                    limit=limit,
                    seed=run.seed,
                    check_drift=watch or (lambda spent: None),
                    check_scores=watch.check_scores if watch else (lambda spent, keys: None),
                )
                choice = choose(task, trajectory, some, identity, experiment.config.output_map, run.seed, metric)[0]
                mapped = replace(task, decoder=decoder.with_map(choice.output_map))
                scores = mapped.probabilities("evaluate", test, choice.z)
                spent = trajectory.points[-1].queries if trajectory.points else 0
                decided = Judged.of(metric, scores, data.labels[test])
                measured[limit] = (spent, len(some), decided, choice.z, choice.name)
        except BudgetError as error:
            raise BudgetError(
                f"{run}: {ledger.in_doubt:,} images were sent and never answered, more than are kept back for that: "
                "give the same command with a larger --reserve."
            ) from error
        finally:
            scorer.close()
        queries, images, judged, z, chosen = zip(*(measured[limit] for limit in budgets), strict=True)
        outcome = RunResult(
            np.array(budgets),
            np.array(queries),
            np.array(images),
            Judged.stacked(judged),
            np.array(z),
            chosen,
            ledger.total,
        )
    outcome.save(out / "runs" / f"{run.file_name}.npz")
    return outcome
