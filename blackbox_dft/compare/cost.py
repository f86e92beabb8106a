"""What a comparison costs, known before the first query."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil

from blackbox_dft.run.budget import CANDIDATES, MIN_SELECT_IMAGES, SELECT_SHARE
from blackbox_dft.run.experiment import Experiment
from blackbox_dft.scoring import drift


@dataclass(frozen=True)
class RunCost:
    """Images scored by one run at most; the unperturbed ones are shared and not among them."""

    tune: int
    select: int
    evaluate: int
    watch: int
    reserve: int
    """For images whose answer gets lost."""

    @property
    def total(self) -> int:
        """All of them."""
        return self.tune + self.select + self.evaluate + self.watch + self.reserve


@dataclass(frozen=True)
class Cost:
    """Images scored by a whole comparison at most."""

    unchanged: int
    each: RunCost
    runs: int

    @property
    def total(self) -> int:
        """All of them."""
        return self.unchanged + self.runs * self.each.total

    def lines(self, price: float | None = None) -> list[str]:
        """The cost as it is printed."""
        each, runs = self.each, self.runs
        rows = [
            ("unchanged", self.unchanged, "validation and test images as they are, shared by all runs"),
            ("tune", runs * each.tune, f"{runs} runs to the largest budget, {each.tune:,} each"),
            ("select", runs * each.select, "choice of z on validation images at every budget"),
            ("evaluate", runs * each.evaluate, "test images at every budget"),
            ("watch", runs * each.watch, "fixed images asked again, to notice another model"),
            ("reserve", runs * each.reserve, "kept back for answers that get lost on the way"),
            ("total", self.total, "at most"),
        ]
        shown = [row for row in rows if row[1]]
        money = [f"{queries * price:>10.2f}" if price is not None else "" for _, queries, _ in shown]
        return [
            f"  {name:<10}{queries:>11,} queries{paid}   {what}"
            for (name, queries, what), paid in zip(shown, money, strict=True)
        ]


def val_images(limit: int, val: int, repeats: int) -> int:
    """Validation images for the choice after ``limit`` tuning queries, as many as a run of that length would take."""
    share = int(limit * SELECT_SHARE / (1 - SELECT_SHARE))
    return min(val, max(MIN_SELECT_IMAGES, share // (CANDIDATES * repeats)))


def whole_budget(experiment: Experiment, limit: int) -> int:
    """``--budget`` with which ``bbdft optimize`` would tune with about ``limit`` queries."""
    splits, repeats = experiment.data.splits, experiment.config.repeats
    select = CANDIDATES * repeats * val_images(limit, len(splits["val"]), repeats)
    watch = repeats * drift.queries() if experiment.watched else 0
    needed = limit + select + 2 * repeats * len(splits["test"]) + watch
    return ceil(needed / (1 - (experiment.config.reserve if experiment.counts_in_doubt else 0)))


def cost(experiment: Experiment, budgets: Sequence[int], runs: int) -> Cost:
    """Of ``runs`` runs, each read off at ``budgets`` tuning queries."""
    splits, repeats = experiment.data.splits, experiment.config.repeats
    val, test = len(splits["val"]), len(splits["test"])
    # The unchanged images are one candidate, and known.
    select = sum((CANDIDATES - 1) * repeats * val_images(limit, val, repeats) for limit in budgets)
    evaluate = len(budgets) * repeats * test
    watch = repeats * drift.queries() if experiment.watched else 0
    work = max(budgets) + select + evaluate + watch
    share = experiment.config.reserve if experiment.counts_in_doubt else 0
    each = RunCost(max(budgets), select, evaluate, watch, ceil(work / (1 - share)) - work)
    return Cost(repeats * (val + test), each, runs)
