"""What the image change and the output map gain, each alone and together, and what each part of the space does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from blackbox_dft.report.figures.charts import accuracy_range
from blackbox_dft.report.figures.style import LIGHT, drawing
from blackbox_dft.run.summary import Summary

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def parts_figure(summary: Summary) -> Figure:
    """Test accuracy as it was, with a free threshold, the output map or the image change alone, and as kept."""
    from blackbox_dft.report.figures.shown_figure import ShownFigure

    test, parts = summary.accuracy["test"], summary.parts
    bars = {
        "unchanged": test.before,
        "free threshold": summary.threshold.test,
        "output map alone": parts.output,
        "image change alone": parts.image,
        "as kept": parts.both,
    }
    with drawing():
        figure = ShownFigure(figsize=(7, 3.2 if not summary.space_parts else 5), dpi=100, layout="constrained")
        rows = figure.subplots(2 if summary.space_parts else 1, squeeze=False)[:, 0]
        _bars(rows[0], bars)
        if summary.space_parts:
            _gains(rows[1], summary)
    return figure


def _bars(axes: Any, bars: dict[str, float]) -> None:
    places = range(len(bars))
    low, high = accuracy_range(list(bars.values()))
    colors = [LIGHT.line, LIGHT.quiet, LIGHT.series[1], LIGHT.series[5], LIGHT.series[0]]
    drawn = axes.barh(places, bars.values(), color=colors, height=0.62)
    axes.set_yticks(places, list(bars))
    axes.bar_label(drawn, fmt="%.3f", padding=4)
    axes.invert_yaxis()
    axes.set(xlim=(max(0.0, low - (high - low)), high + 0.12 * (high - low)), xlabel="test accuracy")


def _gains(axes: Any, summary: Summary) -> None:
    gains = [100 * part.gain for part in summary.space_parts]
    ends = [
        [100 * (part.gain - part.ci95[0]) for part in summary.space_parts],
        [100 * (part.ci95[1] - part.gain) for part in summary.space_parts],
    ]
    places = range(len(gains))
    axes.axvline(0, color=LIGHT.quiet, linewidth=1)
    axes.errorbar(gains, places, xerr=ends, fmt="o", color=LIGHT.series[0], capsize=3)
    axes.set_yticks(places, [part.part for part in summary.space_parts])
    axes.set(xlabel="points on validation images lost without it", ylim=(len(gains) - 0.5, -0.5))
