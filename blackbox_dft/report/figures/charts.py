"""Charts as inline SVG whose colours are the page's, so that one drawing serves light, dark and print."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import cycle, product
from typing import Any

import numpy as np

from blackbox_dft._utils.types import Floats

COLORS = 6
"""How many colours the page has for series; more series take another dash."""
DASHES = ("", "6 3", "2 3")
MARKS = ("5 3", "1.5 2.5", "9 2 2 2", "12 4")
"""Dashes (SVG) of the lines across, in their order."""
WIDTH, HEIGHT = 4.4, 3.0
"""Inches of 100 px: the width of a phone, so that letters stay readable there."""
LETTERS = 10.5

# Colours that occur nowhere else, put in by the drawing library and taken out for the page's own.
_INK, _QUIET, _LINE = "#fe02a1", "#fe02a2", "#fe02a3"
_OURS = {_INK: "var(--ink)", _QUIET: "var(--quiet)", _LINE: "var(--line)"}


@dataclass(frozen=True, eq=False)
class Series:
    """A line: ``x (P,)``, ``y (P,)`` and, where given, the band ``low (P,)`` to ``high (P,)`` about it."""

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
    """What the two axes are called, and where the horizontal one is marked."""

    x: str
    y: str
    log: bool = False
    ticks: Sequence[float] = field(default=())
    y_range: tuple[float, float] | None = None


def strokes(count: int) -> list[Stroke]:
    """A stroke each for ``count`` series, told apart as long as there are no more than ``COLORS`` times the dashes."""
    known = [Stroke(color, dash) for dash, color in product(DASHES, range(COLORS))]
    return [known[number % len(known)] for number in range(count)]


def line_chart(series: Sequence[Series], marks: Mapping[str, float], axes: Axes, name: str) -> str:
    """An ``<svg>`` of lines with bands, and of ``marks`` as broken lines across, dashed as ``MARKS`` says.

    Args:
        name: what a screen reader says; plain text.

    Raises:
        ImportError: matplotlib is not installed.
    """
    from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

    def paint(plot: Any) -> None:
        plot.grid(axis="y", color=_LINE, linewidth=0.7)
        for level, dash in zip(marks.values(), cycle(MARKS), strict=False):
            plot.axhline(level, color=_QUIET, linewidth=1.1, dashes=[float(part) for part in dash.split()])
        for one, stroke in zip(series, strokes(len(series)), strict=True):
            color = f"#fe01{stroke.color:02x}"
            if one.low is not None and one.high is not None:
                plot.fill_between(one.x, one.low, one.high, color=color, alpha=0.15, linewidth=0)
            (line,) = plot.plot(one.x, one.y, color=color, linewidth=1.8, marker="o", markersize=3.6)
            if stroke.dash:
                line.set_dashes([float(part) / 1.8 for part in stroke.dash.split()])
        if axes.log:
            plot.set_xscale("log")
        if len(axes.ticks):
            plot.xaxis.set_major_locator(FixedLocator(list(axes.ticks)))
            plot.xaxis.set_minor_locator(NullLocator())
        plot.xaxis.set_major_formatter(FuncFormatter(lambda value, _: _short(value)))
        if axes.y_range:
            plot.set_ylim(*axes.y_range)
        plot.set_xlabel(axes.x)
        plot.set_ylabel(axes.y)

    return _drawn(paint, name, (WIDTH, HEIGHT))


def bar_chart(before: Floats, after: Floats, axes: Axes, name: str) -> str:
    """An ``<svg>`` of two histograms over [0, 1]: ``before (B,)`` as a broken outline, ``after (B,)`` filled.

    Raises:
        ImportError: matplotlib is not installed.
    """
    edges = np.linspace(0, 1, len(before) + 1)

    def paint(plot: Any) -> None:
        plot.grid(axis="y", color=_LINE, linewidth=0.7)
        plot.stairs(after, edges, fill=True, color="#fe0100", alpha=0.35)
        plot.stairs(after, edges, color="#fe0100", linewidth=1.4)
        plot.stairs(before, edges, color="#fe0101", linewidth=1.6, linestyle=(0, (4, 2)))
        plot.set_xlim(0, 1)
        plot.set_xlabel(axes.x)
        plot.set_ylabel(axes.y)

    return _drawn(paint, name, (WIDTH, 0.75 * HEIGHT))


def _drawn(paint: Callable[[Any], None], name: str, size: tuple[float, float]) -> str:
    """What ``paint`` draws on axes of matplotlib, in the page's letters and colours."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    settings = {
        "svg.fonttype": "none",
        "svg.hashsalt": name,
        "font.family": "sans-serif",
        "font.size": LETTERS,
        "text.parse_math": False,
        "text.color": _INK,
        "axes.labelcolor": _INK,
        "axes.edgecolor": _LINE,
        "xtick.color": _LINE,
        "ytick.color": _LINE,
        "xtick.labelcolor": _QUIET,
        "ytick.labelcolor": _QUIET,
        "path.simplify": False,
    }
    with mpl.rc_context(settings):  # type: ignore[arg-type]
        figure = Figure(figsize=size, layout="constrained")
        plot = figure.add_subplot()
        plot.patch.set_visible(False)
        figure.patch.set_visible(False)
        plot.spines[["top", "right", "left"]].set_visible(False)
        plot.tick_params(length=0)
        paint(plot)
        text = io.StringIO()
        figure.savefig(text, format="svg", metadata={"Date": None, "Creator": None, "Format": None, "Type": None})
    return _inline(text.getvalue(), name)


def spread(values: Sequence[float]) -> tuple[float, float]:
    """Limits of an axis of accuracies: a little more than ``values``, never beyond 0 and 1."""
    low, high = min(values), max(values)
    margin = max(0.06 * (high - low), 0.005)
    return max(low - margin, min(low, 0.0)), min(high + margin, max(high, 1.0))


def _short(value: float) -> str:
    """``20000`` as ``20k``: five marks have to fit a phone."""
    if value >= 1000 and np.isclose(value % 100, 0):
        return f"{value / 1000:g}k"
    return f"{value:g}"


def _inline(svg: str, name: str) -> str:
    """The drawing alone, without the prolog of a file, in the page's colours and of its width."""
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>\s*", "", svg, flags=re.DOTALL)
    svg = re.sub(r'(<svg[^>]*?) width="[^"]*"', r"\1", svg, count=1)
    svg = re.sub(r'(<svg[^>]*?) height="[^"]*"', r"\1", svg, count=1)
    svg = svg.replace("<svg", f'<svg role="img" aria-label="{_escaped(name)}"', 1)
    for drawn, ours in _OURS.items():
        svg = svg.replace(drawn, ours)
    svg = re.sub(r"#fe01([0-9a-f]{2})", lambda found: f"var(--s{int(found[1], 16)})", svg)
    # The page's letters, and not those of whoever drew it.
    return re.sub(r"font: ([^;\"]*?px) [^;\"]*", r"font: \1 var(--sans)", svg)


def _escaped(text: str) -> str:
    from html import escape

    return escape(text, quote=True)
