"""Report of a comparison: text, picture and page, all made from ``compare.json`` alone."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from blackbox_dft._utils.files import write_text
from blackbox_dft._utils.text import shortened
from blackbox_dft.errors import InputError
from blackbox_dft.report.figures.charts import (
    Axes,
    LineChart,
    Series,
    accuracy_range,
    line_figure,
    line_svg,
    strokes,
)
from blackbox_dft.report.figures.style import write_png
from blackbox_dft.report.html import drawn, render

if TYPE_CHECKING:
    from matplotlib.figure import Figure

ALPHA = 0.05
MIN_LOG_RATIO = 8
"""Of the largest to the smallest budget: from here on the axis of queries is logarithmic."""

Results = Mapping[str, Any]


def write_report(results: Results, out: Path) -> list[str]:
    """Writes ``compare.json``, ``.txt``, ``.png`` and ``.html``; returns lines for the terminal.

    Raises:
        InputError: the folder cannot be written.
    """
    write_text(out / "compare.json", json.dumps(results, indent=2) + "\n")
    write_text(out / "compare.txt", "\n".join(text_lines(results)) + "\n")
    write_png(picture(results), out / "compare.png")
    write_text(out / "compare.html", page(results))
    return [f"  written: {out}/compare.html, compare.csv, compare.json, compare.txt, compare.png"]


def read_results(out: Path) -> dict[str, Any]:
    """The contents of ``compare.json`` in the folder ``out``.

    Raises:
        InputError: there is no finished comparison, or the file is damaged.
    """
    path = out / "compare.json"
    try:
        results: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        _ = results["recommendation"]["sentence"], results["ways"][0]["course"][0]["median"], results["at"][0]["pairs"]
    except (FileNotFoundError, NotADirectoryError) as error:
        raise InputError(f"{out} holds no finished comparison: give the DIR of 'bbdft compare --out DIR'.") from error
    except (OSError, ValueError, KeyError, TypeError, IndexError) as error:
        raise InputError(
            f"{path} cannot be read: give the same 'bbdft compare' again, which writes it again."
        ) from error
    return results


def text_lines(results: Results) -> list[str]:
    """The recommendation and the medians, for a terminal."""
    budgets = [f"{budget:,}" for budget in results["budgets"]]
    names = [_name(variant) for variant in results["ways"]]
    head = "median test accuracy at"
    wide = max(map(len, [*names, head]))
    lines = [results["recommendation"]["sentence"], "", f"{head:<{wide}}" + _cells(budgets)]
    lines += [f"{'before':<{wide}}" + _cells([f"{results['before']:.3f}"] * len(budgets))]
    lines += [f"{'free threshold':<{wide}}" + _cells([f"{results['threshold']:.3f}"] * len(budgets))]
    for number, variant in enumerate(results["ways"]):
        shown = [
            f"{point['median']:.3f}{'*' if at['best'] == number else ' '}"
            for point, at in zip(variant["course"], results["at"], strict=True)
        ]
        lines.append(f"{names[number]:<{wide}}" + _cells(shown))
    # Comparisons of earlier versions have no bills.
    if all("bills" in variant for variant in results["ways"]):
        lines += ["", f"{'whole bill until proven':<{wide}}" + _cells(budgets)]
        for number, variant in enumerate(results["ways"]):
            bills = [
                f"{bill['median']:,}{' ' if bill['proven'] == len(bill['each']) else '-'}" for bill in variant["bills"]
            ]
            lines.append(f"{names[number]:<{wide}}" + _cells(bills))
    paid = f"{results['queries']:,} queries"
    if results["price"] is not None:
        paid += f", {results['queries'] * results['price']:,.2f} paid"
    seeds = len(results["seeds"])
    return [
        *lines,
        *_bill_note(results),
        f"  *: best mean; {seeds} seed{'s' if seeds > 1 else ''}, {results['n']:,} test images, {paid} in all",
    ]


def _bill_note(results: Results) -> list[str]:
    if not all("bills" in variant for variant in results["ways"]):
        return []
    return ["  bill: all queries of a run of its own that stops once its gain is proven, medians; -: not in all seeds"]


def picture(results: Results) -> Figure:
    """The curves as a figure for a PNG, one panel for each space."""
    about = "median test accuracy and the middle half of the seeds"
    return line_figure({f"{space}: {about}": _chart(results, space) for space in results["spaces"]})


def page(results: Results) -> str:
    """The page, one HTML file that needs nothing else."""
    take = results["recommendation"]["take"]
    return render(
        "comparison.html",
        results=results,
        take=None if take is None else results["ways"][take],
        version=results["version"],
        facts=_facts(results),
        panels=[_panel(results, space) for space in results["spaces"]],
        rows=_rows(results),
        tests=[_tests(results, number) for number in range(len(results["budgets"]))],
    )


def _facts(results: Results) -> list[tuple[str, str]]:
    images = ", ".join(f"{count:,} {split}" for split, count in results["images"].items())
    facts = [
        ("images", images),
        ("labels", shortened(results["classes"])),
        ("unchanged model", f"{results['before']:.3f}"),
        ("free threshold", f"{results['threshold']:.3f}"),
        ("seeds", str(len(results["seeds"]))),
        ("queries in all", f"{results['queries']:,}"),
    ]
    if results["price"] is not None:
        facts.append(("paid", f"{results['queries'] * results['price']:,.2f}"))
    return facts


def _chart(results: Results, space: str) -> LineChart:
    budgets = np.asarray(results["budgets"], np.float64)
    marks = {"before": results["before"], "free threshold": results["threshold"]}
    # One scale for all spaces, or they could not be compared.
    shown = [level for variant in results["ways"] for key in ("q1", "median", "q3") for level in _column(variant, key)]
    axes = Axes(
        "tuning queries",
        "test accuracy",
        log=budgets[-1] >= MIN_LOG_RATIO * budgets[0],
        ticks=results["budgets"],
        y_range=accuracy_range([*shown, *marks.values()]),
    )
    series = {
        variant["estimator"]: Series(budgets, *(np.asarray(_column(variant, key)) for key in ("median", "q1", "q3")))
        for variant in results["ways"]
        if variant["space"] == space
    }
    return LineChart(series, marks, axes)


def _panel(results: Results, space: str) -> dict[str, Any]:
    chart = _chart(results, space)
    name = f"Test accuracy against tuning queries in the space {space}; the numbers are in the table below."
    legend = [
        (estimator, stroke, f"{series.y[-1]:.3f}")
        for (estimator, series), stroke in zip(chart.series.items(), strokes(len(chart.series)), strict=True)
    ]
    return {"space": space, "svg": drawn(line_svg(chart, name)), "legend": legend}


def _rows(results: Results) -> list[dict[str, Any]]:
    rows = []
    for number, variant in enumerate(results["ways"]):
        cells = []
        for point, at in zip(variant["course"], results["at"], strict=True):
            best = at["best"] == number
            pair = None if best else _pair(at, at["best"], number)
            cells.append(
                {
                    "best": best,
                    "alike": pair is not None and pair["p_holm"] >= ALPHA,
                    **{key: f"{point[key]:.3f}" for key in ("median", "least", "mean")},
                }
            )
        rows.append({"name": _name(variant), "number": number, "numbers": variant["numbers"], "cells": cells})
    return rows


def _tests(results: Results, number: int) -> dict[str, Any]:
    """The best variant at a budget against all others, and against what is free."""
    at, variants = results["at"][number], results["ways"]
    best = at["best"]
    free = "the free threshold" if results["free"] == "threshold" else "the unchanged model"
    rows = [{"name": free, "free": True, **_judged(at["against_free"][best], 1)}]
    for other, variant in enumerate(variants):
        if other != best:
            pair = _pair(at, best, other)
            rows.append({"name": _name(variant), "free": False, **_judged(pair, 1 if pair["first"] == best else -1)})
    return {
        "budget": f"{at['budget']:,}",
        "best": f"{_name(variants[best])}, {variants[best]['course'][number]['mean']:.3f}",
        "rows": rows,
        "open": at["budget"] == (results["recommendation"]["budget"] or results["budgets"][-1]),
    }


def _judged(test: Mapping[str, Any], sign: int) -> dict[str, str]:
    low, high = sorted(sign * 100 * end for end in test["ci95"])
    p = test["p_holm"]
    return {
        "points": f"{sign * 100 * test['difference']:+.1f}",
        "interval": f"{low:+.1f} to {high:+.1f}",
        "p": "< 0.001" if p < 0.001 else f"{p:.3f}",
    }


def _pair(at: Mapping[str, Any], one: int, other: int) -> dict[str, Any]:
    wanted = {one, other}
    test: dict[str, Any] = next(pair for pair in at["pairs"] if {pair["first"], pair["second"]} == wanted)
    return test


def _column(variant: Mapping[str, Any], key: str) -> list[float]:
    return [point[key] for point in variant["course"]]


def _name(variant: Mapping[str, Any]) -> str:
    return f"{variant['estimator']} on {variant['space']}"


def _cells(texts: Sequence[str]) -> str:
    return "".join(f"{text:>10}" for text in texts)
