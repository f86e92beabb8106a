"""Proposals in flight of a run: as ``--in-flight`` says, or as a run that is resumed has recorded."""

from __future__ import annotations

from blackbox_dft.estimators.base import Estimator, SupportsDelayedTell
from blackbox_dft.run.experiment import Experiment
from blackbox_dft.scoring.scorer import Scorer
from blackbox_dft.search.early_stopping import ByPromise, EarlyStopping
from blackbox_dft.search.in_flight import (
    FixedInFlight,
    InFlight,
    InFlightSearch,
    sent_together,
    useful_in_flight,
)
from blackbox_dft.targets.base import ConcurrentTarget, GraphTarget

MOST_ON_CPU = 2
"""One proposal keeps the cores busy, but for the time in which the estimator learns from it and makes the next."""
LEVELS, TOGETHER = "in_flight", "sent_together"
"""Notes in the ledger: what ``auto`` found, and how many proposals are submitted as one if their number is given."""


def proposals_in_flight(
    experiment: Experiment, scorer: Scorer, estimator: Estimator, early_stopping: EarlyStopping | None
) -> InFlight:
    """How many proposals are in flight, for ``tune``.

    ``auto`` is one for an estimator that needs the losses first. Else it is measured during the search, up to two on
    the CPU. What may differ when the run is resumed is recorded in the ledger.
    """
    given, ledger = experiment.config.in_flight, scorer.ledger
    repeated = experiment.proposal * experiment.config.repeats
    sizes = {"proposal": repeated, "batch": scorer.batch, "at_once": _at_once(experiment, scorer)}
    if given == "auto":
        recorded = ledger.note(LEVELS)
        if not isinstance(estimator, SupportsDelayedTell):
            return FixedInFlight()

        def left() -> float:
            # A budget that grows does not change when a search stops if its gain is proven image by image.
            if experiment.plan.sequential and isinstance(early_stopping, ByPromise):
                return early_stopping.queries_left / experiment.proposal
            return float("inf")

        return InFlightSearch(
            MOST_ON_CPU if _on_cpu(experiment) else useful_in_flight(**sizes),
            lambda limit: sent_together(limit, **sizes),
            record=lambda text: ledger.set_note(LEVELS, text),
            recorded=recorded,
            left=left,
        )
    if (recorded := ledger.note(TOGETHER)) is None:
        begun = ledger.spent("tune") + ledger.in_doubt_of("tune") > 0
        # A run of an earlier version submits each by itself.
        recorded = str(1 if begun else sent_together(given, **sizes))
        ledger.set_note(TOGETHER, recorded)
    return FixedInFlight(given, int(recorded))


def in_flight_advice(experiment: Experiment, scorer: Scorer) -> str | None:
    """Advice to use ``--in-flight`` if a step of the search keeps less than half of the target busy."""
    given = experiment.config.in_flight
    if given == "auto" or not isinstance(experiment.estimator(), SupportsDelayedTell):
        return None
    repeated = experiment.proposal * experiment.config.repeats
    if isinstance(experiment.target, GraphTarget) and not experiment.cluster:
        if experiment.target.provider == "cpu" or 2 * repeated * given > scorer.batch:
            return None
        return (
            f"a step of the search is {repeated} images, and a call may carry {scorer.batch}: --in-flight auto sends "
            "several steps together, which may be many times as fast"
        )
    if not (experiment.cluster or isinstance(experiment.target, ConcurrentTarget)):
        return None
    requests = -(-repeated // scorer.batch) * given
    times = scorer.concurrency.limit // requests
    if times < 2:
        return None
    return (
        f"a step of the search is {requests} request{'s' if requests > 1 else ''}, and {scorer.concurrency.limit} may "
        f"be sent at once: --in-flight {times * given} would use them"
    )


def _on_cpu(experiment: Experiment) -> bool:
    """Whether the model runs on this machine's cores, as a file."""
    target = experiment.target
    return isinstance(target, GraphTarget) and target.provider == "cpu" and not experiment.cluster


def _at_once(experiment: Experiment, scorer: Scorer) -> int:
    """Requests in flight that keep the target busy, two at least."""
    if experiment.cluster:
        from blackbox_dft.scoring.backends.ray import REQUESTS_PER_ACTOR

        return max(2, REQUESTS_PER_ACTOR * experiment.cluster.workers)
    if isinstance(experiment.target, ConcurrentTarget):
        return max(2, scorer.concurrency.limit)
    return max(2, experiment.target.workers)
