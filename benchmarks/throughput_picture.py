"""A picture of the file of ``throughput.py --out FILE``: each path's share of raw ONNX Runtime.

    pip install .
    python benchmarks/throughput.py --out calls.json
    python benchmarks/throughput.py --runs --out runs.json
    python benchmarks/throughput_picture.py calls.json runs.json docs/images/throughput.png

Bars are medians over rounds, lines the lowest and the highest round; whole runs have a bar of their own.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
from matplotlib import pyplot

sys.path.insert(0, str(Path(__file__).parents[1]))
from blackbox_dft.report.figures.style import LIGHT

WAYS = {"fused": LIGHT.series[0], "array": LIGHT.series[5], "peers": LIGHT.series[4], "whole run": LIGHT.series[2]}
"""The ways in the order of their bars, and their colours."""
LINE = LIGHT.ink
THICK, GAP = 0.85, 0.9
ACROSS = 2
"""Panels side by side."""


def picture(rows: Sequence[dict], measure: str) -> pyplot.Figure:
    """One panel a model, one group of bars a space and pairing; ``measure`` is ``clock`` or ``cpu``."""
    models = list(dict.fromkeys(row["model"] for row in rows))
    groups = {model: [row for row in rows if row["model"] == model] for model in models}
    bars = [sum(sum(way in row for way in WAYS) + GAP for row in groups[model]) for model in models]
    heights = [max(bars[first : first + ACROSS]) for first in range(0, len(models), ACROSS)]
    figure, panels = pyplot.subplots(
        len(heights), ACROSS, sharex=True, squeeze=False, figsize=(11, 0.16 * sum(heights) + 0.4 * len(heights) + 0.6),
        height_ratios=heights, layout="constrained",
    )  # fmt: skip
    for panel in panels.flat[len(models) :]:
        panel.axis("off")
    shown: dict[str, object] = {}
    for model, panel in zip(models, panels.flat, strict=False):
        at, ticks = 0.0, []
        for row in groups[model]:
            first = at
            for way in (way for way in WAYS if way in row):
                middle, low, high = row[way][measure]
                shown[way] = panel.barh(at, middle, THICK, color=WAYS[way])
                panel.plot([low, high], [at, at], color=LINE, linewidth=1)
                at += 1
            ticks.append(((first + at - 1) / 2, " ".join(filter(None, (row["space"], row.get("pairing"))))))
            at += GAP
        panel.axvline(1, color=LINE, linewidth=1, linestyle=(0, (4, 3)))
        panel.set_yticks([place for place, _ in ticks], [text for _, text in ticks])
        panel.set_ylim(at - GAP, -1)
        panel.set_title(f"{model}: raw {groups[model][0]['raw']:,.0f} images/s", loc="left", fontsize=10)
        panel.spines[["top", "right"]].set_visible(False)
        panel.tick_params(labelsize=8, labelbottom=True)
    words = {"clock": "by the clock", "cpu": "by the processor's time"}
    figure.supxlabel(f"share of raw ONNX Runtime, {words[measure]}", fontsize=9)
    named = [way for way in WAYS if way in shown]
    figure.legend(
        [shown[way] for way in named], named, loc="outside upper right", ncols=len(named), frameon=False, fontsize=9
    )
    return figure


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("rows", type=Path, nargs="+", help="what throughput.py --out wrote")
    parser.add_argument("picture", type=Path)
    parser.add_argument("--measure", choices=("clock", "cpu"), default="clock")
    options = parser.parse_args()
    rows = [row for path in options.rows for row in json.loads(path.read_text())]
    picture(rows, options.measure).savefig(options.picture, dpi=110)


if __name__ == "__main__":
    main()
