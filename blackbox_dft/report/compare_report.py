"""What a comparison says, for people: lines, a picture and a page; all of it made from ``compare.json`` alone."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from blackbox_dft._utils.files import write_text
from blackbox_dft._utils.types import ImageBytes
from blackbox_dft.errors import InputError
from blackbox_dft.report.figures.charts import Axes, Series, line_chart, spread, strokes
from blackbox_dft.report.figures.curve import accuracy_curve
from blackbox_dft.report.figures.png import write_png
from blackbox_dft.report.html import LACKING, can_render, drawn, render

ALPHA = 0.05
LOG = 8
"""From this ratio of the largest to the smallest budget on, queries stand on a logarithmic axis."""

Found = Mapping[str, Any]


def write_report(found: Found, out: Path) -> list[str]:
    """Writes ``compare.json``, ``.txt``, ``.png`` and, with the extra ``report``, ``.html``; returns what to say of it.

    Raises:
        InputError: the folder cannot be written.
    """
    write_text(out / "compare.json", json.dumps(found, indent=2) + "\n")
    write_text(out / "compare.txt", "\n".join(text_lines(found)) + "\n")
    write_png(out / "compare.png", picture(found))
    names = "compare.csv, compare.json, compare.txt, compare.png"
    if not can_render():
        return [f"  written: {out}/{names}", f"  note: {LACKING}"]
    write_text(out / "compare.html", page(found))
    return [f"  written: {out}/compare.html, {names}"]


def read_results(out: Path) -> dict[str, Any]:
    """What ``compare.json`` in the folder ``out`` holds.

    Raises:
        InputError: no finished comparison there, or a damaged file.
    """
    path = out / "compare.json"
    try:
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        _ = found["recommendation"]["sentence"], found["ways"][0]["course"][0]["median"], found["at"][0]["pairs"]
    except (FileNotFoundError, NotADirectoryError) as error:
        raise InputError(f"{out} holds no finished comparison: give the DIR of 'bbdft compare --out DIR'.") from error
    except (OSError, ValueError, KeyError, TypeError, IndexError) as error:
        raise InputError(
            f"{path} cannot be read: give the same 'bbdft compare' again, which writes it anew."
        ) from error
    return found


def text_lines(found: Found) -> list[str]:
    """The recommendation and the medians, for a terminal."""
    budgets = [f"{budget:,}" for budget in found["budgets"]]
    names = [_name(way) for way in found["ways"]]
    wide = max(map(len, [*names, "free threshold"]))
    lines = [found["recommendation"]["sentence"], "", f"{'median test accuracy at':<{wide}}" + _cells(budgets)]
    lines += [f"{'before':<{wide}}" + _cells([f"{found['before']:.3f}"] * len(budgets))]
    lines += [f"{'free threshold':<{wide}}" + _cells([f"{found['threshold']:.3f}"] * len(budgets))]
    for number, way in enumerate(found["ways"]):
        shown = [
            f"{trajectory['median']:.3f}{'*' if at['best'] == number else ' '}"
            for trajectory, at in zip(way["course"], found["at"], strict=True)
        ]
        lines.append(f"{names[number]:<{wide}}" + _cells(shown))
    paid = f"{found['queries']:,} queries"
    if found["price"] is not None:
        paid += f", {found['queries'] * found['price']:,.2f} paid"
    seeds = len(found["seeds"])
    return [
        *lines,
        f"  *: best mean; {seeds} seed{'s' if seeds > 1 else ''}, {found['n']:,} test images, {paid} in all",
    ]


def picture(found: Found) -> ImageBytes:
    """The curves as one picture ``(H, W, 3)``, a panel a space."""
    budgets = found["budgets"]
    panels = []
    for space in found["spaces"]:
        ways = [way for way in found["ways"] if way["space"] == space]
        panels.append(
            accuracy_curve(
                {way["estimator"]: (budgets, _column(way, "median")) for way in ways},
                bands={way["estimator"]: (_column(way, "q1"), _column(way, "q3")) for way in ways},
                marks={"before": found["before"], "free threshold": found["threshold"]},
                title=f"{space}: test accuracy against tuning queries, median and middle half of the seeds",
                log=_log(budgets),
            )
        )
    return np.concatenate(panels)


def page(found: Found) -> str:
    """The page, one HTML file that needs nothing else.

    Raises:
        ImportError: the extra ``report`` is not installed.
    """
    take = found["recommendation"]["take"]
    return render(
        "comparison.html",
        found=found,
        take=None if take is None else found["ways"][take],
        version=found["version"],
        facts=_facts(found),
        panels=[_panel(found, space) for space in found["spaces"]],
        rows=_rows(found),
        tests=[_tests(found, number) for number in range(len(found["budgets"]))],
    )


def _facts(found: Found) -> list[tuple[str, str]]:
    images = ", ".join(f"{count:,} {split}" for split, count in found["images"].items())
    facts = [
        ("images", images),
        ("labels", ", ".join(found["classes"])),
        ("unchanged model", f"{found['before']:.3f}"),
        ("free threshold", f"{found['threshold']:.3f}"),
        ("seeds", str(len(found["seeds"]))),
        ("queries of it all", f"{found['queries']:,}"),
    ]
    if found["price"] is not None:
        facts.append(("paid", f"{found['queries'] * found['price']:,.2f}"))
    return facts


def _panel(found: Found, space: str) -> dict[str, Any]:
    ways = [way for way in found["ways"] if way["space"] == space]
    budgets = np.asarray(found["budgets"], np.float64)
    marks = {"before": found["before"], "free threshold": found["threshold"]}
    # One scale for all spaces, or they could not be compared.
    shown = [trajectory[key] for way in found["ways"] for trajectory in way["course"] for key in ("q1", "median", "q3")]
    axes = Axes(
        "tuning queries",
        "test accuracy",
        log=_log(found["budgets"]),
        ticks=found["budgets"],
        y_range=spread([*shown, *marks.values()]),
    )
    series = [Series(budgets, *(np.asarray(_column(way, key)) for key in ("median", "q1", "q3"))) for way in ways]
    name = f"Test accuracy against tuning queries in the space {space}; the numbers are in the table below."
    legend = [
        (way["estimator"], stroke, f"{way['course'][-1]['median']:.3f}")
        for way, stroke in zip(ways, strokes(len(ways)), strict=True)
    ]
    return {"space": space, "svg": drawn(line_chart(series, marks, axes, name)), "legend": legend}


def _rows(found: Found) -> list[dict[str, Any]]:
    rows = []
    for number, way in enumerate(found["ways"]):
        cells = []
        for trajectory, at in zip(way["course"], found["at"], strict=True):
            best = at["best"] == number
            pair = None if best else _pair(at, at["best"], number)
            cells.append(
                {
                    "best": best,
                    "alike": pair is not None and pair["p_holm"] >= ALPHA,
                    **{key: f"{trajectory[key]:.3f}" for key in ("median", "least", "mean")},
                }
            )
        rows.append({"name": _name(way), "number": number, "numbers": way["numbers"], "cells": cells})
    return rows


def _tests(found: Found, number: int) -> dict[str, Any]:
    """The best way at a budget against all others, and against what is free."""
    at, ways = found["at"][number], found["ways"]
    best = at["best"]
    free = "the free threshold" if found["free"] == "threshold" else "the unchanged model"
    rows = [{"name": free, "free": True, **_judged(at["against_free"][best], 1)}]
    for other, way in enumerate(ways):
        if other != best:
            pair = _pair(at, best, other)
            rows.append({"name": _name(way), "free": False, **_judged(pair, 1 if pair["first"] == best else -1)})
    return {
        "budget": f"{at['budget']:,}",
        "best": f"{_name(ways[best])}, {ways[best]['course'][number]['mean']:.3f}",
        "rows": rows,
        "open": at["budget"] == (found["recommendation"]["budget"] or found["budgets"][-1]),
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
    found: dict[str, Any] = next(pair for pair in at["pairs"] if {pair["first"], pair["second"]} == wanted)
    return found


def _column(way: Mapping[str, Any], key: str) -> list[float]:
    return [trajectory[key] for trajectory in way["course"]]


def _log(budgets: Sequence[int]) -> bool:
    return budgets[-1] >= LOG * budgets[0]


def _name(way: Mapping[str, Any]) -> str:
    return f"{way['estimator']} on {way['space']}"


def _cells(texts: Sequence[str]) -> str:
    return "".join(f"{text:>10}" for text in texts)
