"""Whether a run begins by finding the input form, and with how many queries, by the option ``--find-input``."""

from __future__ import annotations

from blackbox_dft._utils.text import in_memory
from blackbox_dft.errors import BudgetError, InputError
from blackbox_dft.run.config import Config
from blackbox_dft.targets.base import GraphTarget, Target

MAX_QUERIES, MIN_QUERIES = 600, 50
BUDGET_SHARE = 0.3
"""Of the run's budget, that the finder may use."""


def planned_queries(config: Config, target: Target) -> int:
    """Queries that the finder may use; 0 if it does not run.

    ``auto`` is for models on this machine whose queries cost nothing, if their file leaves open how they are fed.

    Raises:
        BudgetError: ``yes``, and the budget is too small.
        InputError: ``yes``, and the images are no files.
    """
    queries = min(MAX_QUERIES, int(BUDGET_SHARE * config.budget))
    if in_memory(config.data):
        # The finder prepares the original files in many ways.
        if config.find_input == "yes":
            raise InputError(
                "the input form can be found from image files only, and these images were given from Python: pass the "
                "path of a CSV or a folder, or leave the finder out."
            )
        return 0
    if config.find_input == "yes":
        if queries < MIN_QUERIES:
            least = int(MIN_QUERIES / BUDGET_SHARE) + 1
            raise BudgetError(
                f"--find-input takes {BUDGET_SHARE:.0%} of the budget, and a budget of {config.budget} leaves it "
                f"{queries} queries: give --budget {least} or more, or leave it out."
            )
        return queries
    free = "://" not in config.target and config.price is None and isinstance(target, GraphTarget)
    if config.find_input == "no" or not free or queries < MIN_QUERIES:
        return 0
    return queries if target.describe().get("notes") else 0
