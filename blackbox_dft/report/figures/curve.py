"""The curve of accuracy against queries."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import cycle

import cv2
import numpy as np
from numpy.typing import ArrayLike

from blackbox_dft._utils.types import Array, Floats, ImageBytes
from blackbox_dft.report.figures.canvas import (
    HAIRLINE,
    INK,
    QUIET,
    SERIES,
    WHITE,
    Color,
    draw_text,
    fitted,
    mixed,
    text_width,
)

# Everything is drawn at this multiple of the size and shrunk at the end, which smooths edges.
FINE = 2
TITLE, LABEL = 22, 15


def accuracy_curve(
    series: Mapping[str, tuple[ArrayLike, ArrayLike]],
    *,
    marks: Mapping[str, float] | None = None,
    bands: Mapping[str, tuple[ArrayLike, ArrayLike]] | None = None,
    title: str = "",
    size: tuple[int, int] = (1200, 700),
    log: bool = False,
) -> ImageBytes:
    """Draws accuracy against queries: each series' moving average in bold, its points faint behind.

    Args:
        series: by name, the queries spent ``(P,)`` and the accuracy there ``(P,)``, 0 to 1; points that are not
            finite are left out.
        marks: accuracies drawn as broken lines across, by name.
        bands: by a series' name, least and greatest accuracy ``(P,)`` at its points, drawn as a pale area.
        title: one line over the plot.
        size: width and height in pixels; 400 x 240 at least.
        log: a logarithmic axis of queries, marked where there are points; all queries must be 1 or more then.

    Returns:
        RGB, uint8 ``(height, width, 3)``.

    Raises:
        ValueError: no series, or one without points or with unequal lengths; a size too small.
    """
    if not series:
        raise ValueError("accuracy_curve needs one series at least.")
    if size[0] < 400 or size[1] < 240:
        raise ValueError(f"size must be 400 x 240 pixels or more, not {size[0]} x {size[1]}.")
    points = {name: _points(name, *xy) for name, xy in series.items()}
    areas = {
        name: (_points(name, series[name][0], low), _points(name, series[name][0], high))
        for name, (low, high) in (bands or {}).items()
    }
    if log:
        points = {name: (np.log10(x), y) for name, (x, y) in points.items()}
        areas = {
            name: ((np.log10(low[0]), low[1]), (np.log10(high[0]), high[1])) for name, (low, high) in areas.items()
        }
    marks = marks or {}
    smoothed = {name: (x, smooth(y, window(len(y)))) for name, (x, y) in points.items()}
    canvas = np.full((size[1] * FINE, size[0] * FINE, 3), WHITE, np.uint8)

    ends = {name: f"{name} {y[-1]:.3f}" for name, (_, y) in smoothed.items()}
    lines = {name: f"{name} {level:.3f}" for name, level in marks.items()}
    widest = max(text_width(label, LABEL * FINE, 600) for label in [*ends.values(), *lines.values()])
    room = min(widest, canvas.shape[1] * 3 // 10)
    edges = [edge for area in areas.values() for edge in area]
    frame = _Frame.around([*points.values(), *edges], marks, canvas.shape, room, top=98 if title else 58, log=log)
    _grid(canvas, frame, title, np.unique(np.concatenate([x for x, _ in points.values()])) if log else None)
    colors = dict(zip(points, cycle(SERIES), strict=False))
    for name, (low, high) in areas.items():
        area = canvas.copy()
        cv2.fillPoly(area, [np.concatenate([frame.place(*low), frame.place(*high)[::-1]])], colors[name], cv2.LINE_AA)
        cv2.addWeighted(area, 0.14, canvas, 0.86, 0, dst=canvas)
    for level in marks.values():
        _broken(canvas, frame, level)
    for name, (x, y) in points.items():
        faint = 0.3 if window(len(y)) > 1 else 1
        for centre in frame.place(x, y):
            cv2.circle(canvas, centre, 7 * FINE // 2, mixed(colors[name], faint), cv2.FILLED, cv2.LINE_AA)
    for name, (x, y) in smoothed.items():
        cv2.polylines(canvas, [frame.place(x, y)], False, colors[name], 3 * FINE, cv2.LINE_AA)
        cv2.circle(canvas, frame.place(x, y)[-1], 5 * FINE, colors[name], cv2.FILLED, cv2.LINE_AA)

    # Labels stand where their lines end, pushed apart where they would overlap.
    labels: list[tuple[float, str, Color, int]] = []
    labels += [(frame.down(smoothed[name][1][-1]), label, colors[name], 600) for name, label in ends.items()]
    labels += [(frame.down(marks[name]), label, QUIET, 400) for name, label in lines.items()]
    labels.sort(key=lambda label: label[0])
    heights = spread([label[0] for label in labels], (LABEL + 6) * FINE, (frame.top, frame.bottom))
    for y_label, (_, text, color, weight) in zip(heights, labels, strict=True):
        at = frame.right + 14 * FINE, round(y_label) + LABEL * FINE * 2 // 5
        draw_text(canvas, fitted(text, room, LABEL * FINE, weight), at, size=LABEL * FINE, color=color, weight=weight)
    picture: ImageBytes = cv2.resize(canvas, size, interpolation=cv2.INTER_AREA)
    return picture


def smooth(values: ArrayLike, window: int) -> Floats:
    """The moving average of ``values`` ``(P,)`` over ``window`` of them, centred; shorter at both ends.

    Raises:
        ValueError: ``window`` is not an odd number from 1.
    """
    if window < 1 or window % 2 == 0:
        raise ValueError(f"window must be an odd number from 1, not {window}.")
    sums = np.concatenate([[0.0], np.cumsum(np.asarray(values, np.float64))])
    at, half = np.arange(len(sums) - 1), window // 2
    first, last = np.maximum(at - half, 0), np.minimum(at + half + 1, len(sums) - 1)
    means: Floats = (sums[last] - sums[first]) / (last - first)
    return means


def window(count: int) -> int:
    """A moving average's width for ``count`` points: an odd tenth of them, and 1 (nothing averaged) below 20."""
    return 1 if count < 20 else count // 20 * 2 + 1


def ticks(low: float, high: float, most: int) -> Floats:
    """Round numbers (1, 2 or 5 times a power of ten apart), ``most`` at most, within ``low`` to ``high``."""
    rough = (high - low) / most
    power = 10.0 ** np.floor(np.log10(rough))
    for step in (power, 2 * power, 5 * power, 10 * power, 20 * power):
        first, last = np.ceil(low / step - 1e-9), np.floor(high / step + 1e-9)
        if last - first + 1 <= most:
            break
    # Plus 0, because -0 is not printed as one writes it.
    round_numbers: Floats = np.arange(first, last + 1) * step + 0.0
    return round_numbers


def spread(at: list[float], apart: float, within: tuple[float, float]) -> list[float]:
    """Ascending places near ``at`` (ascending) and at least ``apart``, within the bounds as far as they have room."""
    low, high = within
    places: list[float] = []
    for place in at:
        places.append(max(place, places[-1] + apart if places else low))
    for number in range(len(places) - 1, -1, -1):
        places[number] = min(places[number], high if number == len(places) - 1 else places[number + 1] - apart)
    return places


def _points(name: str, x: ArrayLike, y: ArrayLike) -> tuple[Floats, Floats]:
    across, up = np.asarray(x, np.float64), np.asarray(y, np.float64)
    if across.ndim != 1 or across.shape != up.shape:
        raise ValueError(f"series {name!r} must be two vectors of one length, not {across.shape} and {up.shape}.")
    kept = np.isfinite(across) & np.isfinite(up)
    if not kept.any():
        raise ValueError(f"series {name!r} has no points to draw.")
    order = np.argsort(across[kept], kind="stable")
    return across[kept][order], up[kept][order]


@dataclass(frozen=True)
class _Frame:
    """The plot's rectangle in canvas pixels, and the numbers it shows."""

    left: int
    right: int
    top: int
    bottom: int
    x: tuple[float, float]
    y: tuple[float, float]

    @classmethod
    def around(
        cls,
        points: Sequence[tuple[Floats, Floats]],
        marks: Mapping[str, float],
        shape: tuple[int, ...],
        room: int,
        top: int,
        log: bool,
    ) -> _Frame:
        across = np.concatenate([x for x, _ in points])
        up = np.concatenate([*(y for _, y in points), list(marks.values())])
        low, high = float(up.min()), float(up.max())
        margin = max(0.06 * (high - low), 0.01)
        # Accuracies end at 0 and 1, so the axis does where nothing lies beyond.
        y = max(low - margin, min(0.0, low)), min(high + margin, max(1.0, high))
        x = float(across.min()) if log else min(0.0, float(across.min())), float(across.max())
        return cls(
            left=74 * FINE,
            right=shape[1] - room - 40 * FINE,
            top=top * FINE,
            bottom=shape[0] - 72 * FINE,
            x=x if x[1] > x[0] else (x[0], x[0] + 1),
            y=y,
        )

    def down(self, level: float) -> float:
        """Canvas row of an accuracy."""
        return self.bottom - (level - self.y[0]) / (self.y[1] - self.y[0]) * (self.bottom - self.top)

    def over(self, queries: float) -> float:
        """Canvas column of a number of queries."""
        return self.left + (queries - self.x[0]) / (self.x[1] - self.x[0]) * (self.right - self.left)

    def place(self, x: Floats, y: Floats) -> Array:
        return np.array([(self.over(a), self.down(b)) for a, b in zip(x, y, strict=True)]).round().astype(np.int32)


def _grid(canvas: Array, frame: _Frame, title: str, logs: Floats | None) -> None:
    def text(words: str, x: float, y: float, align: str = "left", size: int = LABEL, **style: object) -> None:
        draw_text(canvas, words, (round(x), round(y)), size=size * FINE, align=align, **style)  # type: ignore[arg-type]

    across, up = ticks(*frame.x, 8) if logs is None else logs, ticks(*frame.y, 7)
    digits = max(1, int(np.ceil(-np.log10(up[1] - up[0]) - 1e-9))) if len(up) > 1 else 2
    for level in up:
        y = round(frame.down(level))
        cv2.line(canvas, (frame.left, y), (frame.right, y), HAIRLINE, FINE)
        text(f"{level:.{digits}f}", frame.left - 12 * FINE, y + LABEL * FINE * 2 // 5, "right", color=QUIET)
    for queries in across:
        x = round(frame.over(queries))
        cv2.line(canvas, (x, frame.top), (x, frame.bottom), mixed(HAIRLINE, 0.6), FINE)
        text(f"{queries if logs is None else 10**queries:,.0f}", x, frame.bottom + 26 * FINE, "center", color=QUIET)
    cv2.line(canvas, (frame.left, frame.bottom), (frame.right, frame.bottom), QUIET, FINE)
    if title:
        wide = canvas.shape[1] - 56 * FINE
        text(fitted(title, wide, TITLE * FINE, 600), 28 * FINE, 48 * FINE, size=TITLE, weight=600)
    text("accuracy", 28 * FINE, frame.top - 18 * FINE, color=INK)
    text("queries", frame.right, frame.bottom + 52 * FINE, "right", color=INK)


def _broken(canvas: Array, frame: _Frame, level: float) -> None:
    y = round(frame.down(level))
    for x in range(frame.left, frame.right, 14 * FINE):
        cv2.line(canvas, (x, y), (min(x + 8 * FINE, frame.right), y), QUIET, FINE * 3 // 2)
