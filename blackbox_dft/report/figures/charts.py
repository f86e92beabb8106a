"""Charts of a run or a comparison: inline SVG in the page's colours (light, dark and print), or a figure for a PNG."""

from __future__ import annotations

import io
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from itertools import cycle, product
from typing import TYPE_CHECKING, Any

import numpy as np

from blackbox_dft._utils.text import percent
from blackbox_dft._utils.types import Floats
from blackbox_dft.report.figures.style import FONT_SIZE, LIGHT, Palette, drawing, fitted, font

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SERIES_DASHES = ("", "6 3", "2 3")
"""Dashes (SVG) of the first six series, of the next six, and of six more."""
MARK_DASHES = ("5 3", "1.5 2.5", "9 2 2 2", "12 4")
"""Dashes (SVG) of the lines across, in their order."""
PAGE_INCHES = 4.4, 3.0
"""The width of a phone, so that letters stay readable there."""
PNG_INCHES = 12.0, 6.0
PAGE_FONT_SIZE = 10.5
TITLE_SIZE = 14.0
LEGEND_POINTS = 200
"""Wider names are cut in the legend of a PNG."""

# Colours that occur nowhere else, replaced by the page's variables once matplotlib has drawn.
_PAGE = Palette(
    ink="#fe02a1",
    quiet="#fe02a2",
    line="#fe02a3",
    good="#fe02a4",
    bad="#fe02a5",
    series=tuple(f"#fe01{number:02x}" for number in range(len(LIGHT.series))),
)


@dataclass(frozen=True, eq=False)
class Series:
    """A line: ``x (P,)``, ``y (P,)`` and, if given, the band ``low (P,)`` to ``high (P,)`` about it."""

    x: Floats
    y: Floats
    low: Floats | None = None
    high: Floats | None = None


@dataclass(frozen=True)
class Stroke:
    """How a series is drawn: the number of its colour and its dash (SVG), for the chart and its legend."""

    color: int
    dash: str = ""


@dataclass(frozen=True)
class Axes:
    """Labels, scale and ticks of the two axes."""

    x: str
    y: str
    log: bool = False
    ticks: Sequence[float] = field(default=())
    y_range: tuple[float, float] | None = None
    percent: bool = False
    """Whether values of y, which are shares, are shown in percent."""


@dataclass(frozen=True)
class LineChart:
    """Series by name, and levels (test accuracies) by name that are drawn as broken lines across."""

    series: Mapping[str, Series]
    marks: Mapping[str, float]
    axes: Axes


def legend(chart: LineChart) -> list[tuple[str, str]]:
    """What a legend says: the last value of each series, and the level of each line across.

    >>> line = Series(np.array([0.0, 100.0]), np.array([0.5, 0.8]))
    >>> legend(LineChart({"nes": line}, {"before": 0.5}, Axes("queries", "accuracy")))
    [('nes', '0.800'), ('before', '0.500')]
    """
    last = [(name, float(one.y[-1])) for name, one in chart.series.items()]
    shown = percent if chart.axes.percent else "{:.3f}".format
    return [(name, shown(value)) for name, value in (*last, *chart.marks.items())]


def strokes(count: int) -> list[Stroke]:
    """Strokes for ``count`` series: six colours, then the same with another dash, up to 18 distinct ones.

    >>> strokes(7)[0], strokes(7)[6]
    (Stroke(color=0, dash=''), Stroke(color=0, dash='6 3'))
    """
    distinct = [Stroke(color, dash) for dash, color in product(SERIES_DASHES, range(len(LIGHT.series)))]
    return [distinct[number % len(distinct)] for number in range(count)]


def line_svg(chart: LineChart, name: str) -> str:
    """``chart`` as an ``<svg>`` for a page, without a legend; ``name`` is plain text for screen readers.

    >>> line = Series(np.array([0.0, 100.0]), np.array([0.5, 0.8]))
    >>> line_svg(LineChart({"nes": line}, {"before": 0.5}, Axes("queries", "accuracy")), "A rising line")[:41]
    '<svg role="img" aria-label="A rising line'
    """
    with _page_drawing(name):
        figure = _figure(PAGE_INCHES)
        _draw_lines(figure.add_subplot(), chart, _PAGE)
        return _inline(figure, name)


def bar_svg(before: Floats, after: Floats, axes: Axes, name: str) -> str:
    """Two histograms over [0, 1] as an ``<svg>``: ``before (B,)`` as a broken outline, ``after (B,)`` filled.

    >>> bar_svg(np.array([0.7, 0.3]), np.array([0.2, 0.8]), Axes("score", "share"), "Scores")[:34]
    '<svg role="img" aria-label="Scores'
    """
    edges = np.linspace(0, 1, len(before) + 1)
    with _page_drawing(name):
        figure = _figure((PAGE_INCHES[0], 0.75 * PAGE_INCHES[1]))
        plot = figure.add_subplot()
        plot.grid(axis="y")
        plot.stairs(after, edges, fill=True, color=_PAGE.series[0], alpha=0.35)
        plot.stairs(after, edges, color=_PAGE.series[0], linewidth=1.4)
        plot.stairs(before, edges, color=_PAGE.series[1], linewidth=1.6, linestyle=(0, (4, 2)))
        plot.set(xlim=(0, 1), xlabel=axes.x, ylabel=axes.y)
        return _inline(figure, name)


def line_figure(charts: Mapping[str, LineChart]) -> Figure:
    """All ``charts`` one below the other as a figure for a PNG, each under its title and with a legend beside it."""
    with drawing():
        figure = _figure((PNG_INCHES[0], PNG_INCHES[1] * len(charts)), margin=0.25)
        # Panels share their axes, or they could not be compared.
        plots = figure.subplots(len(charts), squeeze=False, sharex=True, sharey=True).flat
        for plot, (title, chart) in zip(plots, charts.items(), strict=True):
            plot.tick_params(labelbottom=True)
            _draw_lines(plot, chart, LIGHT)
            bold = font(TITLE_SIZE, bold=True)
            title = fitted(title, 72 * PNG_INCHES[0] - LEGEND_POINTS, bold)
            plot.set_title(title, loc="left", pad=12, fontproperties=bold)
            labels = [f"{fitted(name, LEGEND_POINTS, font(FONT_SIZE))} {value}" for name, value in legend(chart)]
            place: dict[str, Any] = {"loc": "upper left", "bbox_to_anchor": (1.01, 1), "borderaxespad": 0}
            plot.legend(plot.get_lines(), labels, frameon=False, handlelength=2.6, **place)
    return figure


def accuracy_range(values: Sequence[float]) -> tuple[float, float]:
    """Limits of an axis of accuracies: a little more than ``values``, never beyond 0 and 1.

    >>> accuracy_range([0.5, 1.0])
    (0.47, 1.0)
    """
    low, high = level_range(values, 0.005)
    return low, min(high, max(*values, 1.0))


def level_range(values: Sequence[float], least_margin: float = 0.0) -> tuple[float, float]:
    """Limits of an axis of levels without an upper end, such as costs: a little more than ``values``, not beyond 0.

    >>> level_range([1.0, 3.0]), level_range([0.01, 1.01])
    ((0.88, 3.12), (0.0, 1.07))
    """
    low, high = min(values), max(values)
    margin = max(0.06 * (high - low), least_margin)
    return max(low - margin, min(low, 0.0)), high + margin


def _figure(inches: tuple[float, float], margin: float = 0.04) -> Figure:
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    from blackbox_dft.report.figures.shown_figure import ShownFigure

    return ShownFigure(figsize=inches, dpi=100, layout=ConstrainedLayoutEngine(w_pad=margin, h_pad=margin))


def _page_drawing(name: str) -> Any:
    # The salt makes the ids inside the drawing the same in every run.
    own = {"svg.fonttype": "none", "svg.hashsalt": name, "figure.facecolor": "none", "axes.facecolor": "none"}
    return drawing(_PAGE, **{"font.size": PAGE_FONT_SIZE, **own})


def _draw_lines(plot: Any, chart: LineChart, palette: Palette) -> None:
    from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

    plot.grid(axis="y")
    for one, stroke in zip(chart.series.values(), strokes(len(chart.series)), strict=True):
        color = palette.series[stroke.color]
        if one.low is not None and one.high is not None:
            plot.fill_between(one.x, one.low, one.high, color=color, alpha=0.15, linewidth=0)
        (line,) = plot.plot(one.x, one.y, color=color, linewidth=1.8, marker="o", markersize=3.6, zorder=3)
        if stroke.dash:
            line.set_dashes([float(part) / 1.8 for part in stroke.dash.split()])
    for level, dash in zip(chart.marks.values(), cycle(MARK_DASHES), strict=False):
        plot.axhline(level, color=palette.quiet, linewidth=1.1, dashes=[float(part) for part in dash.split()])
    axes = chart.axes
    if axes.log:
        plot.set_xscale("log")
    if len(axes.ticks):
        plot.xaxis.set_major_locator(FixedLocator(list(axes.ticks)))
        plot.xaxis.set_minor_locator(NullLocator())
    plot.xaxis.set_major_formatter(FuncFormatter(lambda value, _: _short(value)))
    if axes.percent:
        plot.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{100 * value:.3g}%"))
    plot.set(xlabel=axes.x, ylabel=axes.y)
    if axes.y_range:
        plot.set_ylim(*axes.y_range)


def _short(value: float) -> str:
    """``20000`` as ``20k``: five ticks have to fit a phone."""
    if value >= 1000 and np.isclose(value % 100, 0):
        return f"{value / 1000:g}k"
    return f"{value:g}"


def _inline(figure: Figure, name: str) -> str:
    """The drawing without the prolog of a file, in the page's colours and letters and of its width."""
    file = io.StringIO()
    nothing = dict.fromkeys(("Date", "Creator", "Format", "Type"))
    figure.savefig(file, format="svg", metadata=nothing)
    svg = file.getvalue()
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>\s*", "", svg, flags=re.DOTALL)
    svg = re.sub(r'(<svg[^>]*?) width="[^"]*"', r"\1", svg, count=1)
    svg = re.sub(r'(<svg[^>]*?) height="[^"]*"', r"\1", svg, count=1)
    svg = svg.replace("<svg", f'<svg role="img" aria-label="{escape(name, quote=True)}"', 1)
    names = ("ink", "quiet", "line", *(f"s{number}" for number in range(len(_PAGE.series))))
    for color, variable in zip((_PAGE.ink, _PAGE.quiet, _PAGE.line, *_PAGE.series), names, strict=True):
        svg = svg.replace(color, f"var(--{variable})")
    return re.sub(r"font: ([^;\"]*?px) [^;\"]*", r"font: \1 var(--sans)", svg)
