"""A larger budget for a run: whether it lets the search go on, and the least one that does."""

from __future__ import annotations

import copy
from dataclasses import replace
from pathlib import Path

from blackbox_dft.errors import BudgetError
from blackbox_dft.run.experiment import Experiment
from blackbox_dft.scoring.ledger import LEDGER


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


def _at(experiment: Experiment, budget: int) -> Experiment:
    made = copy.copy(experiment)
    vars(made).pop("plan", None)
    made.config = replace(experiment.config, budget=budget)
    return made
