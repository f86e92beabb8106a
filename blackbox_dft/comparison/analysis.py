"""Statistics of a comparison: ``compare.csv``, the contents of ``compare.json``, the recommendation."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from math import floor, log10
from pathlib import Path
from typing import Any

import numpy as np

from blackbox_dft._utils.files import write_text
from blackbox_dft._utils.types import Array, Floats, Ints
from blackbox_dft.comparison.cost import val_images, whole_budget
from blackbox_dft.comparison.grid import Grid, GridRun, Variant
from blackbox_dft.comparison.judged import Judged, level_of
from blackbox_dft.comparison.run_result import RunResult
from blackbox_dft.evaluation.metric import ACCURACY, ProvableMetric
from blackbox_dft.evaluation.proof import Proof, draw_order, equal_draws
from blackbox_dft.evaluation.seeds import Difference, crossed, holm
from blackbox_dft.run.budget import CANDIDATES, FIRST_IMAGES
from blackbox_dft.run.experiment import Experiment
from blackbox_dft.version import __version__

COLUMNS = (
    "target", "space", "estimator", "seed", "queries", "accuracy", "before", "threshold", "n",
    "budget", "val_images", "chosen",
)  # fmt: skip
METRIC_COLUMNS = ("metric", "level", "level_before", "level_threshold")
"""More columns, of a metric that is not accuracy."""
ALPHA = 0.05
GAIN_SHARE = 0.9
"""Share of the greatest gain that the recommended budget must reach."""
REACH_SHARES = (0.25, 0.5, 0.75, 0.9, 1.0)
"""Shares of the greatest median gain: the levels whose least budget is given."""


def write_table(
    experiment: Experiment,
    grid: Grid,
    outcomes: Mapping[GridRun, RunResult],
    before: Judged,
    shifted: Judged,
    path: Path,
) -> None:
    """Writes ``compare.csv``: one row a run and budget, ``COLUMNS`` and maybe ``METRIC_COLUMNS``."""
    text = io.StringIO()
    out = csv.writer(text, lineterminator="\n")
    metric = experiment.metric
    by_metric = metric is not ACCURACY
    out.writerow((*COLUMNS, *(METRIC_COLUMNS if by_metric else ())))
    free = (_plain(before.right.mean()), _plain(shifted.right.mean()), len(before.right))
    free_levels = [_plain(level_of(metric, one.measured)) for one in (before, shifted)]
    for variant in grid.variants:
        for seed in grid.seeds:
            run = outcomes[GridRun(variant, seed)]
            for at, budget in enumerate(grid.budgets):
                name = (experiment.config.target, variant.space, variant.estimator, seed, int(run.spent[at]))
                rest = (budget, int(run.val_images[at]), run.chosen[at])
                judged = run.judged[at]
                level = (metric.name, _plain(level_of(metric, judged.measured)), *free_levels) if by_metric else ()
                out.writerow((*name, _plain(judged.right.mean()), *free, *rest, *level))
    write_text(path, text.getvalue())


@dataclass(frozen=True, eq=False)
class _Table:
    """What test images contribute to the metric, for V variants, S seeds, L budgets and N images."""

    measured: Floats
    """``(V, S, L, N)``."""
    free: Floats
    """``(N,)``: the better of the unchanged model and the free threshold."""
    groups: Ints | None

    def difference(self, variant: int, other: int | None, budget: int) -> Difference:
        """What a variant gains over ``other``, or over what is free if it is None."""
        mine = self.measured[variant, :, budget]
        theirs = self.free[None] if other is None else self.measured[other, :, budget]
        return crossed(mine - theirs, self.groups)


def assemble(
    experiment: Experiment,
    grid: Grid,
    outcomes: Mapping[GridRun, RunResult],
    before: Judged,
    shifted: Judged,
    *,
    paid: int,
    price: float | None = None,
) -> dict[str, Any]:
    """The contents of ``compare.json``: all that the page is made from.

    Args:
        experiment: of the comparison.
        grid: its runs.
        outcomes: the result of every run in the grid.
        before: the test images ``(N,)`` as the unchanged model decides them.
        shifted: the same with the free threshold.
        paid: images scored by the whole comparison.
        price: of one image scored.
    """
    data, test, metric = experiment.data, experiment.data.splits["test"], experiment.metric
    variants = grid.variants
    measured = np.array(
        [[outcomes[GridRun(variant, seed)].judged.measured for seed in grid.seeds] for variant in variants]
    )
    # Greater is better; as users know it, a cost is positive.
    values, sign = measured.mean(axis=3), -1 if metric.less_is_better else 1
    better = shifted.measured.mean() > before.measured.mean()
    free, free_name = (shifted, "threshold") if better else (before, "before")
    table = _Table(measured, free.measured, data.groups_of(test))
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
        "metric": {
            "name": metric.name,
            "option": experiment.config.metric,
            "title": metric.title,
            "less_is_better": metric.less_is_better,
        },
        "spaces": list(grid.spaces),
        "estimators": list(grid.estimators),
        "budgets": list(grid.budgets),
        "seeds": list(grid.seeds),
        "before": _plain(level_of(metric, before.measured)),
        "threshold": _plain(level_of(metric, shifted.measured)),
        "free": free_name,
        "queries": paid,
        "price": price,
        "ways": [
            _of_variant(one, sign * values[number], outcomes, grid) | _bills(experiment, before, outcomes, grid, one)
            for number, one in enumerate(variants)
        ],
        "at": [_at_budget(table, values[:, :, at], at, budget) for at, budget in enumerate(grid.budgets)],
        "version": __version__,
    }
    results["reach"] = _reach(results, sign * values, sign)
    results["recommendation"] = _recommend(experiment, results, sign)
    return results


def _of_variant(variant: Variant, levels: Floats, outcomes: Mapping[GridRun, RunResult], grid: Grid) -> dict[str, Any]:
    runs = [outcomes[GridRun(variant, seed)] for seed in grid.seeds]
    curve = []
    for at, budget in enumerate(grid.budgets):
        values = levels[:, at]
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
    experiment: Experiment, before: Judged, outcomes: Mapping[GridRun, RunResult], grid: Grid, variant: Variant
) -> dict[str, Any]:
    """``bills``: for each budget, what a run of its own would have cost until its gain was proven, image by image.

    Empty for a metric that has no sequential proof.
    """
    data, metric = experiment.data, experiment.metric
    if before.averaged is None or not isinstance(metric, ProvableMetric):
        return {}
    test, repeats, bills = data.splits["test"], experiment.config.repeats, []
    groups = data.groups_of(test)
    for at, budget in enumerate(grid.budgets):
        each, improved = [], 0
        for seed in grid.seeds:
            outcome = outcomes[GridRun(variant, seed)]
            averaged = outcome.judged[at].averaged
            assert averaged is not None
            gains, draws, whole = averaged - before.averaged, draw_order(groups, len(test), seed), 1
            if metric.equal_labels:
                draws = equal_draws(draws, data.labels[test])
                whole = len(np.unique(data.labels[test]))
            proof = Proof(bound=metric.bound, round=whole)
            proof.add(float(gains[draw].mean()) for draw in draws)
            images = sum(len(draw) for draw in draws[: proof.decided_at])
            each.append(int(outcome.spent[at]) + repeats * (FIRST_IMAGES + 2 * images))
            improved += proof.decided_at is not None and proof.verdict == "improved"
        bills.append({"budget": budget, "median": int(np.median(each)), "proven": improved, "each": each})
    return {"bills": bills}


def _at_budget(table: _Table, values: Floats, at: int, budget: int) -> dict[str, Any]:
    """The best mean, the difference of every pair, and of every variant to what is free; Holm over each family."""
    means = values.mean(axis=1)
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


def _reach(results: Mapping[str, Any], levels: Floats, sign: int) -> list[dict[str, Any]]:
    """For some levels of the metric, the least budget at which the median of each variant reaches them.

    Args:
        results: with what is free.
        levels: of the variants ``(V, S, L)``.
        sign: 1, or -1 if less is better.
    """
    medians = sign * np.median(levels, axis=1)
    before, shifted, top = sign * results["before"], sign * results["threshold"], float(medians.max())
    if top <= before:
        return []
    # Accuracies are rounded down to thousandths; costs may be of any size.
    step = 1000.0 if sign > 0 else 10.0 ** (2 - floor(log10(top - before)))
    wanted = sorted({floor(step * (before + share * (top - before))) / step for share in REACH_SHARES})
    if shifted > before:
        wanted = sorted({*wanted, shifted})
    name = "accuracy" if results["metric"]["name"] == ACCURACY.name else "level"
    return [
        {
            name: _plain(sign * level),
            "budgets": [_first(row >= level - 1e-9, results["budgets"]) for row in medians],
        }
        for level in wanted
        if level > before
    ]


def _first(reached: Array, budgets: Sequence[int]) -> int | None:
    return budgets[int(reached.argmax())] if reached.any() else None


def _recommend(experiment: Experiment, results: Mapping[str, Any], sign: int) -> dict[str, Any]:
    """The least budget whose best variant surely beats what is free and has most of the greatest gain, if any."""
    variants, before, free = results["ways"], results["before"], results["free"]
    free_value, kind = results[free], ".3f" if sign > 0 else ".3g"
    free_text = "the free threshold" if free == "threshold" else "the unchanged model"
    means = [variants[at["best"]]["course"][number]["mean"] for number, at in enumerate(results["at"])]
    sure = [
        number
        for number, at in enumerate(results["at"])
        if (one := at["against_free"][at["best"]])["difference"] > 0 and one["p_holm"] < ALPHA
    ]
    if not sure:
        number = int(np.argmax(sign * np.array(means)))
        best = variants[results["at"][number]["best"]]
        sentence = (
            f"Take none of them: within {results['budgets'][-1]:,} queries no variant surely beats {free_text} "
            f"({free_value:{kind}}); the best, {best['estimator']} on {best['space']}, has {means[number]:{kind}}."
        )
        return {"take": None, "budget": None, "sentence": sentence}
    gains = [sign * (mean - before) for mean in means]
    top = max(gains[number] for number in sure)
    number = next(n for n in sure if gains[n] >= GAIN_SHARE * top)
    at, budget = results["at"][number], results["budgets"][number]
    take = at["best"]
    name = f"{variants[take]['estimator']} on {variants[take]['space']}"
    beside = f"{before:{kind}} before"
    if sign * before < sign * free_value:
        beside += f" and {free_value:{kind}} with {free_text}"
    alike = [
        variants[pair["second"] if pair["first"] == take else pair["first"]]
        for pair in at["pairs"]
        if take in (pair["first"], pair["second"]) and pair["p_holm"] >= ALPHA
    ]
    title = results["metric"]["title"]
    parts = [f"For {budget:,} queries take {name}: test {title} {means[number]:{kind}} on average, against {beside}"]
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
    # No cost is -0.
    return round(float(value), 6) + 0.0
