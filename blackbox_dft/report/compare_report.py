"""Report of a comparison: text, picture and page, all made from ``compare.json`` alone."""

from __future__ import annotations

import json
import shlex
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
    level_range,
    line_figure,
    line_svg,
    strokes,
)
from blackbox_dft.report.figures.style import write_png, write_svg
from blackbox_dft.report.html import drawn, render
from blackbox_dft.report.outcome import MetricWords
from blackbox_dft.run.provenance import public, short_name

if TYPE_CHECKING:
    from matplotlib.figure import Figure

ALPHA = 0.05
Z95 = 1.96
MAX_SEEDS = 100
"""More seeds than that are not advised: the variants are as good as equal."""
MIN_LOG_RATIO = 8
"""Of the largest to the smallest budget: from here on the axis of queries is logarithmic."""

Results = Mapping[str, Any]
TERMS = (
    ("tuning queries", "Images scored during the search; the choice of z and the measuring come on top."),
    ("variant", "An estimator, which searches, in a space, which says what changes of an image are allowed."),
    ("seed", "Start of the random numbers: another seed is the same search with other luck."),
    ("median, band", "Half of the seeds are above the median; the band holds the middle half of them."),
    ("before", "The unchanged model."),
    ("free threshold", "The unchanged model with its decision shifted, fitted on validation images at no query."),
    ("p (Holm)", "Chance of such a difference if there were none, corrected for the number of comparisons."),
)
"""What the words on the page mean, whatever the metric."""


def write_report(results: Results, out: Path) -> list[str]:
    """Writes ``compare.json``, ``.txt``, ``.png``, ``.svg`` and ``.html``; returns lines for the terminal.

    Raises:
        InputError: the folder cannot be written.
    """
    write_text(out / "compare.json", json.dumps(results, indent=2) + "\n")
    write_text(out / "compare.txt", "\n".join(text_lines(results)) + "\n")
    figure = picture(results)
    write_png(figure, out / "compare.png")
    write_svg(figure, out / "compare.svg")
    write_text(out / "compare.html", page(results))
    return [f"  written: {out}/compare.html, compare.csv, compare.json, compare.txt, compare.png, compare.svg"]


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
    words = MetricWords.of_comparison(results)
    head = f"median test {words.title} at"
    wide = max(map(len, [*names, head]))
    lines = [results["recommendation"]["sentence"], "", f"{head:<{wide}}" + _cells(budgets)]
    lines += [f"{'before':<{wide}}" + _cells([words.level(results["before"])] * len(budgets))]
    lines += [f"{'free threshold':<{wide}}" + _cells([words.level(results["threshold"])] * len(budgets))]
    for number, variant in enumerate(results["ways"]):
        shown = [
            f"{words.level(point['median'])}{'*' if at['best'] == number else ' '}"
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
        *([f"  {text}"] if (text := more_seeds(results)) else []),
        f"  *: best mean; {seeds} seed{'s' if seeds > 1 else ''}, {results['n']:,} test images, {paid} in all",
    ]


def _bill_note(results: Results) -> list[str]:
    if not all("bills" in variant for variant in results["ways"]):
        return [f"  {no_bills}"] if (no_bills := _no_bills(results)) else []
    return ["  bill: all queries of a run of its own that stops once its gain is proven, medians; -: not in all seeds"]


def _no_bills(results: Results) -> str:
    """Why there are no bills, if it is due to the metric."""
    words = MetricWords.of_comparison(results)
    if any("bills" in variant for variant in results["ways"]) or words.is_accuracy:
        return ""
    return f"no bill until proven: {words.title} is no mean over images, so that no proof of it may stop at any time"


def picture(results: Results) -> Figure:
    """The curves as a figure for a PNG, one panel for each space."""
    about = f"median test {MetricWords.of_comparison(results).title} and the middle half of the seeds"
    return line_figure({f"{space}: {about}": _chart(results, space) for space in results["spaces"]})


def page(results: Results) -> str:
    """The page, one HTML file that needs nothing else."""
    take, words = results["recommendation"]["take"], MetricWords.of_comparison(results)
    return render(
        "comparison.html",
        results=results,
        take=None if take is None else results["ways"][take],
        version=results["version"],
        facts=_facts(results),
        panels=[_panel(results, space) for space in results["spaces"]],
        verdict=_verdict(results),
        target=public(results["target"]),
        data=public(results["data"]),
        model=short_name(results["target"]),
        images_of=short_name(results["data"]),
        more_seeds=more_seeds(results),
        rows=_rows(results),
        bills=all("bills" in variant for variant in results["ways"]),
        no_bills=_no_bills(results),
        words=words,
        before=words.level(results["before"]),
        threshold=words.level(results["threshold"]),
        reach=[{"level": words.level(_reached(one)), "budgets": one["budgets"]} for one in results["reach"]],
        terms=_terms(words),
        tests=[_tests(results, number) for number in range(len(results["budgets"]))],
    )


def _reached(level: Mapping[str, Any]) -> float:
    return float(level["accuracy"] if "accuracy" in level else level["level"])


def _terms(words: MetricWords) -> list[tuple[str, str]]:
    """What the words on the page mean."""
    unit = "Hundredths of the test images." if words.is_accuracy else words.unit_meaning
    meaning = words.meaning
    if words.is_accuracy:
        meaning = "Share of the test images, which no search has seen, that are classified rightly."
    return [(f"test {words.title}", meaning), *TERMS[:-1], (words.unit, unit), TERMS[-1]]


def _verdict(results: Results) -> dict[str, Any]:
    """What to take, as one number: the gain over what is free, at the recommended or else the largest budget."""
    take, budget = results["recommendation"]["take"], results["recommendation"]["budget"]
    number = results["budgets"].index(budget) if budget in results["budgets"] else len(results["budgets"]) - 1
    at = results["at"][number]
    variant = at["best"] if take is None else take
    test = at["against_free"][variant]
    best, words = results["ways"][variant], MetricWords.of_comparison(results)
    command = ""
    if (whole := results["recommendation"].get("whole_budget")) is not None:
        line = ["optimize", public(results["target"]), "--data", public(results["data"])]
        line += ["--space", best["space"], "--estimator", best["estimator"], "--budget", str(whole), "--out", "RUN"]
        if not words.is_accuracy:
            line += ["--metric", results["metric"]["option"]]
        command = shlex.join(["bbdft", *line])
    return {
        "tone": "open" if take is None else "good",
        "mark": "?" if take is None else "✓",
        "word": "None is surely better than what is free" if take is None else f"Take {_name(best)}",
        "best": _name(best),
        "budget": f"{results['budgets'][number]:,}",
        "level": words.level(best["course"][number]["mean"]),
        "free": "the free threshold" if results["free"] == "threshold" else "the unchanged model",
        "free_level": words.level(results[results["free"]]),
        "command": command,
        **_judged(words, test, 1),
    }


def more_seeds(results: Results) -> str:
    """Whether more seeds would tell the best variant from its runner-up, as a sentence; empty if it is settled.

    The variance of their difference has a part of the seeds, which more of them make smaller, and one of the test
    images, which they do not.
    """
    budget = results["recommendation"]["budget"] or results["budgets"][-1]
    number = results["budgets"].index(budget)
    at, seeds = results["at"][number], len(results["seeds"])
    best = at["best"]
    words = MetricWords.of_comparison(results)
    # Greater is better.
    sign = -1 if words.less_is_better else 1
    means = [sign * variant["course"][number]["mean"] for variant in results["ways"]]
    alike = [other for other in range(len(means)) if other != best and _pair(at, best, other)["p_holm"] >= ALPHA]
    if not alike:
        return ""
    other = max(alike, key=means.__getitem__)
    pair, difference = _pair(at, best, other), means[best] - means[other]
    names = f"{_name(results['ways'][best])} and {_name(results['ways'][other])}"
    apart = f"{words.amount(difference)} {'an image' if words.less_is_better else words.unit}"
    begin = f"At {budget:,} queries {names} are {apart} apart, which may be chance"
    if seeds == 1:
        return f"{begin}; one seed cannot say how much depends on it: give --seeds 5"
    each = [np.asarray(results["ways"][one]["course"][number]["each"]) for one in (best, other)]
    of_seeds = float((each[0] - each[1]).var(ddof=1)) / seeds
    variance = ((pair["ci95"][1] - pair["ci95"][0]) / 2 / Z95) ** 2
    room = (difference / Z95) ** 2 - max(variance - of_seeds, 0.0)
    needed = seeds * of_seeds / room if room > 0 else float("inf")
    if needed > MAX_SEEDS:
        why = "with these test images no number of seeds" if room <= 0 else f"not even {MAX_SEEDS} seeds"
        return f"{begin}; {why} would settle it, so take either"
    return f"{begin}; about {max(seeds + 1, int(np.ceil(needed)))} seeds instead of {seeds} would settle it"


def _facts(results: Results) -> list[tuple[str, str]]:
    images = ", ".join(f"{count:,} {split}" for split, count in results["images"].items())
    words = MetricWords.of_comparison(results)
    facts = [
        *([] if words.is_accuracy else [("metric", words.title)]),
        ("images", images),
        ("labels", shortened(results["classes"])),
        ("unchanged model", words.level(results["before"])),
        ("free threshold", words.level(results["threshold"])),
        ("seeds", str(len(results["seeds"]))),
        ("queries in all", f"{results['queries']:,}"),
    ]
    if results["price"] is not None:
        facts.append(("paid", f"{results['queries'] * results['price']:,.2f}"))
    return facts


def _chart(results: Results, space: str) -> LineChart:
    words = MetricWords.of_comparison(results)
    budgets = np.asarray(results["budgets"], np.float64)
    marks = {"before": results["before"], "free threshold": results["threshold"]}
    # One scale for all spaces, or they could not be compared.
    shown = [level for variant in results["ways"] for key in ("q1", "median", "q3") for level in _column(variant, key)]
    axes = Axes(
        "tuning queries",
        f"test {words.title}",
        log=budgets[-1] >= MIN_LOG_RATIO * budgets[0],
        ticks=results["budgets"],
        y_range=(level_range if words.less_is_better else accuracy_range)([*shown, *marks.values()]),
    )
    series = {
        variant["estimator"]: Series(budgets, *(np.asarray(_column(variant, key)) for key in ("median", "q1", "q3")))
        for variant in results["ways"]
        if variant["space"] == space
    }
    return LineChart(series, marks, axes)


def _panel(results: Results, space: str) -> dict[str, Any]:
    chart, words = _chart(results, space), MetricWords.of_comparison(results)
    name = f"{words.heading} against tuning queries in the space {space}; the numbers are in the table below."
    legend = [
        (estimator, stroke, words.level(float(series.y[-1])))
        for (estimator, series), stroke in zip(chart.series.items(), strokes(len(chart.series)), strict=True)
    ]
    return {"space": space, "svg": drawn(line_svg(chart, name)), "legend": legend}


def _rows(results: Results) -> list[dict[str, Any]]:
    rows, words = [], MetricWords.of_comparison(results)
    # Of the seeds, the one that came out worst.
    worst = max if words.less_is_better else min
    for number, variant in enumerate(results["ways"]):
        cells = []
        for point, at in zip(variant["course"], results["at"], strict=True):
            best = at["best"] == number
            pair = None if best else _pair(at, at["best"], number)
            cells.append(
                {
                    "best": best,
                    "alike": pair is not None and pair["p_holm"] >= ALPHA,
                    "worst": words.level(worst(point["each"])),
                    **{key: words.level(point[key]) for key in ("median", "mean")},
                }
            )
        # Comparisons of earlier versions have no bills.
        bills = [
            {"median": f"{bill['median']:,}", "proven": bill["proven"], "of": len(bill["each"])}
            for bill in variant.get("bills", ())
        ]
        name, numbers = _name(variant), variant["numbers"]
        rows.append({"name": name, "number": number, "numbers": numbers, "cells": cells, "bills": bills})
    return rows


def _tests(results: Results, number: int) -> dict[str, Any]:
    """The best variant at a budget against all others, and against what is free."""
    at, variants = results["at"][number], results["ways"]
    best, words = at["best"], MetricWords.of_comparison(results)
    free = "the free threshold" if results["free"] == "threshold" else "the unchanged model"
    rows = [{"name": free, "free": True, **_judged(words, at["against_free"][best], 1)}]
    for other, variant in enumerate(variants):
        if other != best:
            pair = _pair(at, best, other)
            rows.append(
                {"name": _name(variant), "free": False, **_judged(words, pair, 1 if pair["first"] == best else -1)}
            )
    return {
        "budget": f"{at['budget']:,}",
        "best": f"{_name(variants[best])}, {words.level(variants[best]['course'][number]['mean'])}",
        "rows": rows,
        "open": at["budget"] == (results["recommendation"]["budget"] or results["budgets"][-1]),
    }


def _judged(words: MetricWords, test: Mapping[str, Any], sign: int) -> dict[str, str]:
    p = test["p_holm"]
    return {
        "points": words.change(sign * test["difference"]),
        "interval": words.interval(sorted(sign * end for end in test["ci95"])),
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
