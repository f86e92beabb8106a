"""Ledgers beside that of a finished run: how many queries may be sent again, and whose scores are the newer ones."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from blackbox_dft.errors import BudgetError, TargetError
from blackbox_dft.run.experiment import Experiment
from blackbox_dft.scoring.ledger import Ledger
from blackbox_dft.scoring.scorer import Scorer

UNLIMITED = 2**62
"""Budget of a ledger without one."""


def reserve_for(experiment: Experiment, batch: int, queries: int) -> int:
    """Of ``queries`` to be sent, how many may be sent again because their responses get lost: as in a run.

    At least those of one request of ``batch`` images, if images sent and never answered cost money.
    """
    if not experiment.counts_in_doubt or not queries:
        return 0
    return max(math.ceil(experiment.config.reserve * queries), min(batch, queries))


@contextmanager
def within_reserve(experiment: Experiment, scorer: Scorer, queries: int, most: int | None = None) -> Iterator[None]:
    """Within it, ``queries`` images are sent, and no more again than the reserve holds; in all no more than ``most``.

    Raises:
        TargetError: more responses got lost.
    """
    if not experiment.counts_in_doubt:
        yield
        return
    ledger, reserve = scorer.ledger, reserve_for(experiment, scorer.batch, queries)
    if most is not None:
        reserve = min(reserve, most - queries)
    ledger.budget = ledger.total + queries + reserve
    try:
        yield
    except BudgetError as error:
        raise TargetError(
            f"responses to more images got lost than the {reserve:,} that may be sent again: see whether "
            f"{experiment.target.name} is well, and give the command again; the scores that came are kept."
        ) from error


def replace_ledger(old: Path, new: Path) -> None:
    """Puts the ledger ``new`` in the place of ``old``, with those scores of ``old`` that ``new`` has none for."""
    if old.exists():
        # Opened and closed, so that nothing of it is left in a log beside it.
        Ledger(old, budget=0).close()
        with Ledger(new, budget=UNLIMITED) as ledger:
            ledger.reuse(old)
    for rest in ("-shm", "-wal"):
        Path(f"{old}{rest}").unlink(missing_ok=True)
    new.replace(old)
