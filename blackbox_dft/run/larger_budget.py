"""A larger budget for a run: what it loses of the earlier one, and whether it lets the search go on."""

from __future__ import annotations

import copy
from dataclasses import replace
from pathlib import Path

import numpy as np

from blackbox_dft.errors import BudgetError
from blackbox_dft.run.experiment import Experiment
from blackbox_dft.scoring.ledger import LEDGER
from blackbox_dft.search.map_images import MAP_PHASE
from blackbox_dft.search.minibatches import StratifiedSampler


def spent_earlier(experiment: Experiment, out: Path, batch: int) -> int:
    """Queries that map images, choice and evaluation used so far, except those of unchanged images that serve again."""
    config, val = experiment.config, experiment.data.splits["val"]
    order = StratifiedSampler(val, experiment.data.labels, config.seed)(len(val))
    chosen_on, identity = len(val), experiment.space.initial()
    with experiment.ledger(out / LEDGER) as ledger:
        scorer = experiment.scorer(ledger, batch=batch)
        spent = sum(ledger.spent(phase) for phase in (MAP_PHASE, "select", "views", "evaluate"))
        while True:
            again = np.concatenate([order[:chosen_on], experiment.test_images])
            lost = spent - scorer.paid_for(again, identity)
            # It may be chosen on fewer images than before, and the scores of the others are of no use.
            planned = _at(experiment, config.budget, lost).plan.select_images
            if planned >= chosen_on:
                return lost
            chosen_on = planned


def require_longer_search(experiment: Experiment, out: Path) -> None:
    """Whether the plan leaves the search more queries than it has used in the run ``out``.

    Another z is chosen and evaluated by new queries, and those of the earlier z are spent: a budget that is only a
    little larger would be used up before the end.

    Raises:
        BudgetError: it does not; names the smallest budget that does.
    """
    if not (out / LEDGER).exists():
        return
    with experiment.ledger(out / LEDGER) as ledger:
        used = ledger.spent("tune")
    more = used + experiment.config.repeats * experiment.proposal
    if not used or experiment.plan.tune >= more:
        return
    least = experiment.config.budget
    while (short := more - _at(experiment, least).plan.tune) > 0:
        # All of a larger budget that goes elsewhere is a share of it, so this never passes the least.
        least += short
    raise BudgetError(
        f"--budget {experiment.config.budget} leaves the search {experiment.plan.tune:,} queries, and it has used "
        f"{used:,}, as a new z has to be chosen and evaluated again: give --budget {least} or more."
    )


def _at(experiment: Experiment, budget: int, lost: int | None = None) -> Experiment:
    made = copy.copy(experiment)
    vars(made).pop("plan", None)
    made.spent_earlier = experiment.spent_earlier if lost is None else lost
    made.config = replace(experiment.config, budget=budget)
    return made
