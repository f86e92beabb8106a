"""Statistics of a comparison: ``compare.csv``, the contents of ``compare.json``, the recommendation."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from math import floor
from pathlib import Path
from typing import Any

import numpy as np

from blackbox_dft._utils.files import write_text
from blackbox_dft._utils.types import Array, Floats, Ints
from blackbox_dft.comparison.cost import val_images, whole_budget
from blackbox_dft.comparison.grid import Grid, GridRun, Variant
from blackbox_dft.comparison.run_result import RunResult
from blackbox_dft.evaluation.proof import Proof, draw_order
from blackbox_dft.evaluation.seeds import Difference, crossed, holm
from blackbox_dft.run.budget import CANDIDATES, FIRST_IMAGES
from blackbox_dft.run.experiment import Experiment
from blackbox_dft.version import __version__

COLUMNS = (
    "target", "space", "estimator", "seed", "queries", "accuracy", "before", "threshold", "n",
    "budget", "val_images", "chosen",
)  # fmt: skip
ALPHA = 0.05
GAIN_SHARE = 0.9
"""Share of the greatest gain that the recommended budget must reach."""
REACH_SHARES = (0.25, 0.5, 0.75, 0.9, 1.0)
"""Shares of the greatest median gain: the accuracies whose least budget is given."""


def write_table(
    experiment: Experiment, grid: Grid, outcomes: Mapping[GridRun, RunResult], before: Array, shifted: Array, path: Path
) -> None:
    """Writes ``compare.csv``: one row a run and budget, columns ``COLUMNS``."""
    text = io.StringIO()
    out = csv.writer(text, lineterminator="\n")
    out.writerow(COLUMNS)
    free = (_plain(before.mean()), _plain(shifted.mean()), len(before))
    for variant in grid.variants:
        for seed in grid.seeds:
            run = outcomes[GridRun(variant, seed)]
            for at, budget in enumerate(grid.budgets):
                name = (experiment.config.target, variant.space, variant.estimator, seed, int(run.spent[at]))
                rest = (budget, int(run.val_images[at]), run.chosen[at])
                out.writerow((*name, _plain(run.right[at].mean()), *free, *rest))
    write_text(path, text.getvalue())


@dataclass(frozen=True, eq=False)
class _Table:
    """Which test images are right, for V variants, S seeds, L budgets and N images."""

    right: Array
    """``(V, S, L, N)`` bool."""
    free: Array
    """``(N,)`` bool: the better of the unchanged model and the free threshold."""
    groups: Ints | None

    def difference(self, variant: int, other: int | None, budget: int) -> Difference:
        """Accuracy of a variant minus that of ``other``, or of what is free if it is None."""
        mine = self.right[variant, :, budget].astype(np.int8)
        theirs = self.free[None] if other is None else self.right[other, :, budget]
        return crossed(mine - theirs.astype(np.int8), self.groups)


def assemble(
    experiment: Experiment,
    grid: Grid,
    outcomes: Mapping[GridRun, RunResult],
    before: Array,
    shifted: Array,
    *,
    paid: int,
    price: float | None = None,
) -> dict[str, Any]:
    """The contents of ``compare.json``: all that the page is made from.

    Args:
        experiment: of the comparison.
        grid: its runs.
        outcomes: the result of every run in the grid.
        before: which test images the unchanged model has right ``(N,)`` bool.
        shifted: the same with the free threshold.
        paid: images scored by the whole comparison.
        price: of one image scored.
    """
    data, test = experiment.data, experiment.data.splits["test"]
    variants = grid.variants
    right = np.array([[outcomes[GridRun(variant, seed)].right for seed in grid.seeds] for variant in variants])
    accuracy = right.mean(axis=3)
    free, free_name = (shifted, "threshold") if shifted.mean() > before.mean() else (before, "before")
    table = _Table(right, free, data.groups_of(test))
    results: dict[str, Any] = {
        "target": experiment.config.target,
        "data": experiment.config.data,
        "classes": list(data.classes),
        "images": {split: len(indices) for split, indices in data.splits.items()},
        "n": len(test),
        "grouped": data.groups is not None,
        "epsilon": experiment.config.epsilon,
        "channels": experiment.config.channels,
        "objective": experiment.config.objective,
        "encoding": str(experiment.encoding),
        "spaces": list(grid.spaces),
        "estimators": list(grid.estimators),
        "budgets": list(grid.budgets),
        "seeds": list(grid.seeds),
        "before": _plain(before.mean()),
        "threshold": _plain(shifted.mean()),
        "free": free_name,
        "queries": paid,
        "price": price,
        "ways": [
            _of_variant(one, accuracy[number], outcomes, grid)
            | {"bills": _bills(experiment, right[number], before, outcomes, grid, one)}
            for number, one in enumerate(variants)
        ],
        "at": [_at_budget(table, accuracy[:, :, at], at, budget) for at, budget in enumerate(grid.budgets)],
        "version": __version__,
    }
    results["reach"] = _reach(results, accuracy)
    results["recommendation"] = _recommend(experiment, results)
    return results


def _of_variant(
    variant: Variant, accuracy: Floats, outcomes: Mapping[GridRun, RunResult], grid: Grid
) -> dict[str, Any]:
    runs = [outcomes[GridRun(variant, seed)] for seed in grid.seeds]
    curve = []
    for at, budget in enumerate(grid.budgets):
        values = accuracy[:, at]
        low, middle, high = np.quantile(values, [0.25, 0.5, 0.75])
        curve.append(
            {
                "budget": budget,
                "queries": int(np.median([run.spent[at] for run in runs])),
                "median": _plain(middle),
                "q1": _plain(low),
                "q3": _plain(high),
                "mean": _plain(values.mean()),
                "least": _plain(values.min()),
                "each": [_plain(value) for value in values],
                "chosen": [run.chosen[at] for run in runs],
            }
        )
    return {
        "space": variant.space,
        "estimator": variant.estimator,
        "numbers": int(runs[0].z.shape[1]),
        "course": curve,
    }


def _bills(
    experiment: Experiment,
    right: Array,
    before: Array,
    outcomes: Mapping[GridRun, RunResult],
    grid: Grid,
    variant: Variant,
) -> list[dict[str, Any]]:
    """For each budget, what a run of its own would have cost until its gain was proven, image by image.

    Args:
        experiment: of the comparison.
        right: which test images are right ``(S, L, N)``.
        before: which the unchanged model has right ``(N,)``.
        outcomes: of every run.
        grid: its runs.
        variant: of which ``right`` is.
    """
    groups = experiment.data.groups_of(experiment.data.splits["test"])
    repeats, bills = experiment.config.repeats, []
    for at, budget in enumerate(grid.budgets):
        each, improved = [], 0
        for number, seed in enumerate(grid.seeds):
            gains = right[number, at].astype(np.float64) - before
            draws, proof = draw_order(groups, len(before), seed), Proof()
            proof.add(float(gains[draw].mean()) for draw in draws)
            images = sum(len(draw) for draw in draws[: proof.decided_at])
            spent = int(outcomes[GridRun(variant, seed)].spent[at])
            each.append(spent + repeats * (FIRST_IMAGES + 2 * images))
            improved += proof.decided_at is not None and proof.verdict == "improved"
        bills.append({"budget": budget, "median": int(np.median(each)), "proven": improved, "each": each})
    return bills


def _at_budget(table: _Table, accuracy: Floats, at: int, budget: int) -> dict[str, Any]:
    """The best mean, the difference of every pair, and of every variant to what is free; Holm over each family."""
    means = accuracy.mean(axis=1)
    best = int(means.argmax())
    pairs = list(combinations(range(len(means)), 2))
    tested = [table.difference(first, second, at) for first, second in pairs]
    against = [table.difference(variant, None, at) for variant in range(len(means))]
    return {
        "budget": budget,
        "best": best,
        "pairs": [
            {"first": first, "second": second, **judged}
            for (first, second), judged in zip(pairs, _judged(tested), strict=True)
        ],
        "against_free": _judged(against),
    }


def _judged(tested: Sequence[Difference]) -> list[dict[str, Any]]:
    return [
        {"difference": _plain(one.mean), "ci95": [_plain(x) for x in one.ci95], "p": one.p, "p_holm": adjusted}
        for one, adjusted in zip(tested, holm([one.p for one in tested]), strict=True)
    ]


def _reach(results: Mapping[str, Any], accuracy: Floats) -> list[dict[str, Any]]:
    """For some accuracies, the least budget at which the median of each variant reaches them."""
    medians = np.median(accuracy, axis=1)
    before, top = results["before"], float(medians.max())
    levels = sorted({floor(1000 * (before + share * (top - before))) / 1000 for share in REACH_SHARES})
    if results["threshold"] > before:
        levels = sorted({*levels, results["threshold"]})
    return [
        {"accuracy": level, "budgets": [_first(row >= level - 1e-9, results["budgets"]) for row in medians]}
        for level in levels
        if level > before
    ]


def _first(reached: Array, budgets: Sequence[int]) -> int | None:
    return budgets[int(reached.argmax())] if reached.any() else None


def _recommend(experiment: Experiment, results: Mapping[str, Any]) -> dict[str, Any]:
    """The least budget whose best variant surely beats what is free and has most of the greatest gain, if any."""
    variants, before, free = results["ways"], results["before"], results["free"]
    free_value = results[free]
    free_text = "the free threshold" if free == "threshold" else "the unchanged model"
    means = [variants[at["best"]]["course"][number]["mean"] for number, at in enumerate(results["at"])]
    sure = [
        number
        for number, at in enumerate(results["at"])
        if (one := at["against_free"][at["best"]])["difference"] > 0 and one["p_holm"] < ALPHA
    ]
    if not sure:
        number = int(np.argmax(means))
        best = variants[results["at"][number]["best"]]
        sentence = (
            f"Take none of them: within {results['budgets'][-1]:,} queries no variant surely beats {free_text} "
            f"({free_value:.3f}); the best, {best['estimator']} on {best['space']}, has {means[number]:.3f}."
        )
        return {"take": None, "budget": None, "sentence": sentence}
    top = max(means[number] for number in sure)
    number = next(n for n in sure if means[n] - before >= GAIN_SHARE * (top - before))
    at, budget = results["at"][number], results["budgets"][number]
    take = at["best"]
    name = f"{variants[take]['estimator']} on {variants[take]['space']}"
    if before < free_value:
        beside = f"{before:.3f} before and {free_value:.3f} with {free_text}"
    else:
        beside = f"{before:.3f} before"
    alike = [
        variants[pair["second"] if pair["first"] == take else pair["first"]]
        for pair in at["pairs"]
        if take in (pair["first"], pair["second"]) and pair["p_holm"] >= ALPHA
    ]
    parts = [f"For {budget:,} queries take {name}: test accuracy {means[number]:.3f} on average, against {beside}"]
    if results["price"] is not None:
        val = len(experiment.data.splits["val"])
        chosen = CANDIDATES * experiment.config.repeats * val_images(budget, val, experiment.config.repeats)
        price = results["price"]
        parts.append(
            f"at {price:g} a query that is {budget * price:,.2f}, and {chosen * price:,.2f} more for the choice of z"
        )
    if len(alike) == len(variants) - 1 and alike:
        parts.append("no other variant is surely worse at that budget")
    elif alike:
        names = ", ".join(f"{one['estimator']} on {one['space']}" for one in alike[:3])
        parts.append(f"not surely worse: {names}{f' and {len(alike) - 3} more' if len(alike) > 3 else ''}")
    return {
        "take": take,
        "budget": budget,
        "whole_budget": whole_budget(experiment, budget),
        "sentence": "; ".join(parts) + ".",
    }


def _plain(value: Any) -> float:
    return round(float(value), 6)
