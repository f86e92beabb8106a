"""The most queries that a comparison may cost, computed before the first one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil

from blackbox_dft.run.budget import CANDIDATES, MIN_SELECT_IMAGES, SELECT_SHARE
from blackbox_dft.run.experiment import Experiment
from blackbox_dft.scoring import drift


@dataclass(frozen=True)
class RunCost:
    """The most images scored by one run, by purpose, without the unchanged images, which all runs share."""

    tune: int
    select: int
    evaluate: int
    watch: int
    reserve: int
    """For requests whose response is lost."""

    @property
    def total(self) -> int:
        """Sum over all purposes."""
        return self.tune + self.select + self.evaluate + self.watch + self.reserve


@dataclass(frozen=True)
class Cost:
    """The most images scored by a whole comparison."""

    unchanged: int
    each: RunCost
    runs: int

    @property
    def total(self) -> int:
        """Sum over all purposes."""
        return self.unchanged + self.runs * self.each.total

    def lines(self, price: float | None = None) -> list[str]:
        """One line for each purpose, and the total; ``price`` is of one image scored."""
        each, runs = self.each, self.runs
        rows = [
            ("unchanged", self.unchanged, "validation and test images as they are, shared by all runs"),
            ("tune", runs * each.tune, f"{runs} runs to the largest budget, {each.tune:,} each"),
            ("select", runs * each.select, "choice of z on validation images at every budget"),
            ("evaluate", runs * each.evaluate, "test images at every budget"),
            ("watch", runs * each.watch, "drift check: fixed images scored again"),
            ("reserve", runs * each.reserve, "kept back for lost responses"),
            ("total", self.total, "at most"),
        ]
        shown = [row for row in rows if row[1]]
        money = [f"{queries * price:>10.2f}" if price is not None else "" for _, queries, _ in shown]
        return [
            f"  {name:<10}{queries:>11,} queries{paid}   {what}"
            for (name, queries, what), paid in zip(shown, money, strict=True)
        ]


def val_images(limit: int, val: int, repeats: int) -> int:
    """Validation images for the choice of z after ``limit`` tuning queries, as in a run of that length."""
    share = int(limit * SELECT_SHARE / (1 - SELECT_SHARE))
    return min(val, max(MIN_SELECT_IMAGES, share // (CANDIDATES * repeats)))


def whole_budget(experiment: Experiment, limit: int) -> int:
    """The ``--budget`` of ``bbdft optimize`` that leaves about ``limit`` queries for tuning."""
    splits, repeats = experiment.data.splits, experiment.config.repeats
    select = CANDIDATES * repeats * val_images(limit, len(splits["val"]), repeats)
    watch = repeats * drift.queries() if experiment.watched else 0
    needed = limit + select + 2 * repeats * len(splits["test"]) + watch
    return ceil(needed / (1 - (experiment.config.reserve if experiment.counts_in_doubt else 0)))


def cost(experiment: Experiment, budgets: Sequence[int], runs: int) -> Cost:
    """The cost of ``runs`` runs, each measured at ``budgets`` tuning queries."""
    splits, repeats = experiment.data.splits, experiment.config.repeats
    val, test = len(splits["val"]), len(splits["test"])
    # One of the candidates is the identity, whose scores all runs share.
    select = sum((CANDIDATES - 1) * repeats * val_images(limit, val, repeats) for limit in budgets)
    evaluate = len(budgets) * repeats * test
    watch = repeats * drift.queries() if experiment.watched else 0
    work = max(budgets) + select + evaluate + watch
    share = experiment.config.reserve if experiment.counts_in_doubt else 0
    each = RunCost(max(budgets), select, evaluate, watch, ceil(work / (1 - share)) - work)
    return Cost(repeats * (val + test), each, runs)
