"""The phases of a run: first unchanged images, search, choice of what is kept, evaluation or proof."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from blackbox_dft._utils.types import Bools, Floats, Ints, Scores
from blackbox_dft.errors import BudgetError, TargetError
from blackbox_dft.estimators.base import SupportsDelayedTell
from blackbox_dft.evaluation.metric import ProvableMetric, require_probabilities
from blackbox_dft.evaluation.proof import Proof
from blackbox_dft.evaluation.threshold import cross_fitted, fit_threshold
from blackbox_dft.objectives import make_objective
from blackbox_dft.objectives.joined_map import JoinedMap
from blackbox_dft.objectives.losses import lacks_score
from blackbox_dft.objectives.output_map import OutputMap
from blackbox_dft.objectives.outputs import MEANING, OutputDecoder, rows_with_scores
from blackbox_dft.run.experiment import Experiment
from blackbox_dft.run.first_look import (
    chance_warning,
    require_scores,
    require_scores_still,
    stopping_without_scores,
)
from blackbox_dft.run.in_flight import in_flight_advice, proposals_in_flight
from blackbox_dft.run.known import CHECKED, check_known, take_known
from blackbox_dft.run.proving import prove
from blackbox_dft.run.result import Result
from blackbox_dft.run.summary import Evaluated, summarize
from blackbox_dft.scoring.concurrency import ConcurrencySearch
from blackbox_dft.scoring.drift import DriftCheck
from blackbox_dft.scoring.scorer import Scorer
from blackbox_dft.search.early_stopping import (
    WORTH_OF_A_BUDGET,
    WORTH_OF_A_QUERY,
    EarlyStopping,
    make_early_stopping,
)
from blackbox_dft.search.estimate_accuracy import TriedCandidates
from blackbox_dft.search.in_flight import InFlightSearch
from blackbox_dft.search.loop import Task, Trajectory, tune
from blackbox_dft.search.map_images import MapImages, score_map_images
from blackbox_dft.search.mapped_selection import choose, cross_fitted_map, fit_search_map, select_proven
from blackbox_dft.search.minibatches import StratifiedSampler
from blackbox_dft.search.progress import Progress
from blackbox_dft.search.selection import IDENTITY, PartGain, Selection, part_gains
from blackbox_dft.search.views import ViewChoice, choose_views
from blackbox_dft.spaces.composed import Composed

DRIFT_CHECKED = 1000
"""Tuning queries over which drift checks are spread if the search may stop long before its limit."""
MAP_IMAGES = "map_images"
"""The ledger's note of how many images teach the output map after the search."""


@dataclass(frozen=True, eq=False)
class _FirstLook:
    """What the unchanged images that are scored first show."""

    images: Ints
    """Validation images ``(N,)``, as indices into the pool."""
    decoder: OutputDecoder
    scored: Bools
    """``(N,)``: which have a score."""
    warning: str


def run_phases(
    experiment: Experiment,
    scorer: Scorer,
    progress: Progress,
    find_call_plan: Callable[[Scorer, Ints], None] | None = None,
) -> Result:
    """Runs all phases; the times of the summary are still missing."""
    plan, data = experiment.plan, experiment.data
    first = _first_look(experiment, scorer, progress, find_call_plan)
    require_probabilities(experiment.metric, labels_only=first.decoder.labels_only)
    name = experiment.objective(first.decoder)
    progress.note(f"scores: {MEANING[first.decoder.kind]}; objective: {name}")
    if not first.scored.all():
        missing = (~first.scored).sum()
        progress.note(
            f"no score: {missing:,} of {len(first.images):,} unchanged validation images; they count as wrong"
        )
    if first.warning:
        progress.warning(first.warning)
    task = Task(scorer, first.decoder, make_objective(name), data.labels, experiment.penalty)
    trajectory = _search(experiment, task, first, progress)
    finish = _prove if plan.sequential else _evaluate
    choice, views, found, proof = finish(experiment, task, trajectory, first, progress)
    progress.phase("done", 0)
    tuning = experiment.tuning(choice.z, first.decoder.with_map(views.output_map), views.rows)
    summary = summarize(
        experiment,
        scorer,
        choice,
        tuning,
        found,
        proof,
        objective=name,
        scores=first.decoder.kind,
        views=views.names,
        stopped_early=trajectory.stopped,
        warnings=(first.warning,) if first.warning else (),
    )
    return Result(summary, tuning, choice, trajectory, data, *found.on_test, found.test, proof)


def _first_look(
    experiment: Experiment, scorer: Scorer, progress: Progress, find_call_plan: Callable[[Scorer, Ints], None] | None
) -> _FirstLook:
    """Scores unchanged validation images first: they show what kind of scores the target returns."""
    plan, data = experiment.plan, experiment.data
    identity = experiment.space.initial()
    val = StratifiedSampler(data.splits["val"], data.labels, experiment.config.seed)(plan.select_images)
    progress.phase("select", plan.repeats * plan.select_images)
    if known := experiment.known:
        take_known(scorer, known, identity)
        check_known(scorer, known, identity, experiment.target.classes or (), data.files)
        progress.note(f"{len(known.images):,} known scores of unchanged images are free; {CHECKED} were scored again")
    with stopping_without_scores(experiment, scorer, val, identity):
        if find_call_plan:
            find_call_plan(scorer, val)
        raw = scorer.score("select", val, identity)
        require_scores(rows_with_scores(raw))
        decoder = experiment.decoder(raw)
        require_scores(decoder.has_score(raw))
    if not plan.sequential:
        # So few images as a sequential run has here cannot show how many requests at once are best.
        _end_concurrency_search(scorer, progress)
    return _FirstLook(val, decoder, decoder.has_score(raw), chance_warning(decoder(raw), data.labels[val], experiment))


def _search(experiment: Experiment, task: Task, first: _FirstLook, progress: Progress) -> Trajectory:
    plan, config, scorer = experiment.plan, experiment.config, task.scorer
    ledger, limit = scorer.ledger, plan.tune
    if ledger.counts_in_doubt and (short := ledger.in_doubt_of("tune") - plan.reserve) > 0:
        limit -= short
        progress.note(f"{short} more images are in doubt than the reserve covers: the search is shorter by as many")
        if limit <= 0:
            raise BudgetError(f"{ledger.in_doubt} images in doubt used up the search: give resume a larger --budget.")
    if advice := in_flight_advice(experiment, scorer):
        progress.note(advice)
    progress.phase("tune", limit)
    watch = (
        DriftCheck(
            scorer,
            first.images[first.scored],
            experiment.space.initial(),
            min(limit, DRIFT_CHECKED) if plan.sequential else limit,
            accept=config.accept_drift,
        )
        if experiment.watched
        else None
    )
    estimator = experiment.estimator()
    early_stopping: EarlyStopping | None = None
    if config.early_stop and isinstance(estimator, SupportsDelayedTell):
        worth = WORTH_OF_A_QUERY if plan.sequential else WORTH_OF_A_BUDGET / plan.tune
        early_stopping = make_early_stopping(estimator, experiment.search_space, worth / plan.repeats)
    in_flight = proposals_in_flight(experiment, scorer, estimator, early_stopping)
    trajectory = tune(
        task,
        estimator,
        experiment.data.splits["train"],
        limit=limit,
        seed=config.seed,
        in_flight=in_flight,
        early_stopping=early_stopping,
        tried=TriedCandidates(experiment.search_space),
        on_step=progress.step,
        check_drift=watch or (lambda spent: None),
        check_scores=watch.check_scores if watch else (lambda spent, keys: None),
    )
    if plan.sequential:
        _end_concurrency_search(scorer, progress)
    if isinstance(in_flight, InFlightSearch):
        progress.note(f"search: {in_flight}")
    if watch and watch.moved > watch.tolerance:
        progress.note(f"the model changed during the search: fixed images' scores moved by up to {watch.moved:.3g}")
    if trajectory.stopped:
        progress.note(f"the search stopped after {scorer.paid['tune']:,} queries: going on promised too little")
    return trajectory


def _evaluate(
    experiment: Experiment, task: Task, trajectory: Trajectory, first: _FirstLook, progress: Progress
) -> tuple[Selection, ViewChoice, Evaluated, Proof | None]:
    """Chooses on the validation images, and evaluates what is kept on all test images."""
    plan, config, scorer = experiment.plan, experiment.config, task.scorer
    identity, val, test = experiment.space.initial(), first.images, experiment.test_images
    progress.phase("select", plan.select + plan.part_queries - plan.repeats * plan.select_images)
    metric, labels = experiment.metric, task.labels
    choice, map_alone = choose(task, trajectory, val, identity, config.output_map, config.seed, metric)
    progress.note(f"chosen on {len(val)} validation images: {choice.name}")
    mapped = replace(task, decoder=task.decoder.with_map(choice.output_map))
    parts: list[PartGain] = []
    if plan.part_queries and isinstance(experiment.space, Composed) and not np.array_equal(choice.z, identity):
        parts = part_gains(mapped, experiment.space, choice.z, val[: plan.part_images], metric)
    views = _views(experiment, task, choice.z, choice.output_map, progress, val)
    joined = replace(task, decoder=task.decoder.with_map(views.output_map))
    progress.phase("evaluate", (1 + len(views.sent)) * plan.repeats * len(test))
    on_val = (task.probabilities("select", val, identity), mapped.probabilities("select", val, choice.z))

    def evaluated(judged: Task, views: Sequence[Floats], before: Floats) -> Floats:
        raw = []
        for view in views:
            raw.append(scorer.score("evaluate", test, view))
            has_score = task.decoder.has_score(raw[-1])
            require_scores_still(experiment, scorer, ~lacks_score(before), val, has_score, test, view)
        return judged.decoder(np.hstack(raw))

    on_test = (evaluated(task, (identity,), on_val[0]), evaluated(joined, views.sent, on_val[1]))
    # The scores are recorded, so what the change and the map do apart costs nothing; to read them twice saves nothing.
    cached = scorer.cached
    apart = (
        task.probabilities("evaluate", test, choice.z),
        replace(task, decoder=task.decoder.with_map(map_alone)).probabilities("evaluate", test, identity),
    )
    scorer.cached = cached
    weights = metric.image_weights(labels[val])
    threshold = fit_threshold(on_val[0], labels[val], weights)
    again = fit_threshold(on_val[1], labels[val], weights) if config.calibrate else None
    return (
        choice,
        views,
        Evaluated(
            test,
            on_test,
            apart,
            free=(threshold(on_test[0]), threshold.bias),
            calibrated=(again(on_test[1]), again.bias) if again else None,
            val=(val, *on_val),
            parts=parts,
        ),
        None,
    )


def _prove(
    experiment: Experiment, task: Task, trajectory: Trajectory, first: _FirstLook, progress: Progress
) -> tuple[Selection, ViewChoice, Evaluated, Proof | None]:
    """Proves the gain of z and its map on held-out images, and keeps them if that speaks for them."""
    plan, config, scorer = experiment.plan, experiment.config, task.scorer
    identity, z, seed = experiment.space.initial(), trajectory.average(1 / 4), experiment.config.seed
    metric = experiment.metric
    assert isinstance(metric, ProvableMetric)  # Else the plan is not sequential.
    fitted = None
    if config.output_map != "none" and trajectory.scored:
        further = _map_images(experiment, task, trajectory, z, progress)
        fitted = fit_search_map(task, trajectory, z, config.output_map, seed, further, metric)
    views = _views(experiment, task, z, fitted, progress)
    mapped = replace(task, decoder=task.decoder.with_map(views.output_map))
    progress.phase("evaluate", plan.evaluate)

    def check(images: Ints, before: Scores, after: Scores) -> None:
        try:
            require_scores_still(
                experiment, scorer, first.scored, first.images, task.decoder.has_score(before), images, identity
            )
        except TargetError:
            # What the service did not score then was not the fault of z either.
            for view in views.sent:
                scorer.ledger.forget_scoreless(scorer.keys(images, view))
            raise

    proven = prove(
        task,
        mapped,
        identity,
        views.sent,
        experiment.proof_draws,
        precision=config.precision,
        metric=metric,
        whole=experiment.proof_round,
        check=check,
    )
    proof, test = proven.proof, proven.images
    raw = (proven.before, proven.after)
    found = views.output_map if isinstance(views.output_map, JoinedMap) else None
    choice = select_proven(task, fitted, (identity, z), raw, test, proof.verdict, seed, found, metric)
    progress.note(f"proof on {proof.draws:,} of {len(experiment.proof_draws):,} draws: {proof.verdict}; {choice.name}")
    before = task.decoder(proven.before)
    kept = choice.name != IDENTITY
    if not kept:
        views = ViewChoice.single(identity, None)
    after = mapped.decoder(proven.after) if kept else before
    labels = task.labels[test]
    weights = metric.image_weights(labels)
    output = before
    if config.output_map != "none":
        output = cross_fitted_map(task, proven.before, test, config.output_map, seed, metric)
    again = fit_threshold(after, labels, weights) if config.calibrate else None
    return (
        choice,
        views,
        Evaluated(
            test,
            (before, after),
            (task.decoder(proven.after[:, : proven.before.shape[1]]) if kept else before, output),
            free=(cross_fitted(before, labels, seed, weights), fit_threshold(before, labels, weights).bias),
            calibrated=(cross_fitted(after, labels, seed, weights), again.bias) if again else None,
        ),
        proof,
    )


def _map_images(
    experiment: Experiment, task: Task, trajectory: Trajectory, z: Floats, progress: Progress
) -> MapImages | None:
    """Images scored under z for its map, from what a search that has stopped leaves of its share."""
    ledger = task.scorer.ledger
    if not trajectory.stopped:
        return None
    # A proof that goes on, under a larger budget or from now on at a price, is of the same z and map.
    if (recorded := ledger.note(MAP_IMAGES)) is None:
        recorded = str(_count_map_images(experiment, task, trajectory.points[-1].queries, z))
        ledger.set_note(MAP_IMAGES, recorded)
    further = score_map_images(task, experiment.data.splits["train"], z, int(recorded), experiment.config.seed)
    if further:
        progress.note(f"{len(further.images)} training images scored under z teach its output map")
    return further


def _count_map_images(experiment: Experiment, task: Task, spent: int, z: Floats) -> int:
    """How many are scored for the map after a search of ``spent`` queries."""
    plan, first = experiment.plan, experiment.proof_draws[0]
    # An earlier version began the proof, and scored none.
    if task.scorer.unrecorded(first, [z]) < plan.repeats * len(first):
        return 0
    wanted = experiment.answers_for_map(len(task.decoder.label_matrix))
    return max(0, min(wanted - spent // plan.repeats, (plan.tune - spent) // plan.repeats))


def _views(
    experiment: Experiment,
    task: Task,
    z: Floats,
    output_map: OutputMap | None,
    progress: Progress,
    last: Ints | None = None,
) -> ViewChoice:
    """The views of an image at use: z, and those that pay beside it."""
    config, plan = experiment.config, experiment.plan
    if experiment.view_space is None or not plan.views:
        return ViewChoice.single(z, output_map)
    progress.phase("views", plan.views)
    found = choose_views(
        task,
        experiment.view_space,
        experiment.data.splits["train"],
        z,
        output_map,
        config.output_map,
        images=plan.view_images,
        most=config.views,
        seed=config.seed,
        last=last,
        metric=experiment.metric,
    )
    progress.note(f"views: {', '.join(found.names)}; queries an image at use: {len(found.names)}")
    return found


def _end_concurrency_search(scorer: Scorer, progress: Progress) -> None:
    """Ends the search for the best number of requests at once, and records the number."""
    search, ledger = scorer.concurrency, scorer.ledger
    if not isinstance(search, ConcurrencySearch):
        return
    if search.settled:
        ledger.set_note("concurrency", str(search.limit << ledger.halvings))
    search.end()
    if search.rates:
        progress.note(f"concurrency: {search}")
