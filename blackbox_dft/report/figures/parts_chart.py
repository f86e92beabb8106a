"""What the image change and the output map gain, each alone and together, and what each part of the space does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from blackbox_dft.report.figures.charts import accuracy_range
from blackbox_dft.report.figures.style import LIGHT, drawing
from blackbox_dft.report.outcome import Outcome
from blackbox_dft.run.summary import Summary

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def parts_figure(summary: Summary) -> Figure:
    """The metric on test images as it was, with a free threshold, output map or image change alone, and as kept."""
    from blackbox_dft.report.figures.shown_figure import ShownFigure

    shown = Outcome.of(summary.to_json())
    parts = shown.parts or {}
    bars = {
        "unchanged": shown.before,
        "free threshold": shown.threshold,
        "output map alone": parts["output"],
        "image change alone": parts["image"],
        "as kept": parts["both"],
    }
    with drawing():
        figure = ShownFigure(figsize=(7, 3.2 if not summary.space_parts else 5), dpi=100, layout="constrained")
        rows = figure.subplots(2 if summary.space_parts else 1, squeeze=False)[:, 0]
        _bars(rows[0], bars, shown)
        if summary.space_parts:
            _gains(rows[1], summary, shown)
    return figure


def _bars(axes: Any, bars: dict[str, float], shown: Outcome) -> None:
    places = range(len(bars))
    low, high = accuracy_range(list(bars.values()))
    if shown.less_is_better:
        low, high = min(0.0, *bars.values()), max(0.0, *bars.values())
    colors = [LIGHT.line, LIGHT.quiet, LIGHT.series[1], LIGHT.series[5], LIGHT.series[0]]
    drawn = axes.barh(places, bars.values(), color=colors, height=0.62)
    axes.set_yticks(places, list(bars))
    axes.bar_label(drawn, labels=[shown.level(value) for value in bars.values()], padding=4)
    axes.invert_yaxis()
    first = low if shown.less_is_better else max(0.0, low - (high - low))
    axes.set(xlim=(first, high + 0.12 * (high - low)), xlabel=f"test {shown.title}")


def _gains(axes: Any, summary: Summary, shown: Outcome) -> None:
    factor = shown.factor
    gains = [factor * part.gain for part in summary.space_parts]
    ends = [
        [factor * (part.gain - part.ci95[0]) for part in summary.space_parts],
        [factor * (part.ci95[1] - part.gain) for part in summary.space_parts],
    ]
    places = range(len(gains))
    axes.axvline(0, color=LIGHT.quiet, linewidth=1)
    axes.errorbar(gains, places, xerr=ends, fmt="o", color=LIGHT.series[0], capsize=3)
    axes.set_yticks(places, [part.part for part in summary.space_parts])
    axes.set(xlabel=f"{shown.unit} on validation images lost without it", ylim=(len(gains) - 0.5, -0.5))
