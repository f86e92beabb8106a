"""The picture files of a run: ``contact.png`` and ``curve.png``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from blackbox_dft._utils.types import ImageBytes, Ints
from blackbox_dft.objectives.losses import decide
from blackbox_dft.report.breakdown import NO_DECISION
from blackbox_dft.report.figures.before_after import before_and_after
from blackbox_dft.report.figures.charts import line_figure
from blackbox_dft.report.figures.contact_sheet import Caption, contact_sheet
from blackbox_dft.report.figures.search_curve import search_curve
from blackbox_dft.report.figures.style import write_png
from blackbox_dft.report.outcome import Outcome, accuracy_beside
from blackbox_dft.run.predictions import Predictions
from blackbox_dft.run.result import Result
from blackbox_dft.run.summary import Summary

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SHOWN_IMAGES = {"mended": 5, "broken": 2, "right before and after": 1}
"""How many test images of each kind the contact sheet shows."""


def write_pictures(result: Result, out: Path) -> None:
    """Writes ``contact.png`` (images before, after, difference) and ``curve.png`` (the course of the search).

    Raises:
        InputError: the folder cannot be written or the disk is full.
    """
    predictions, data = result.predictions(), result.data
    pair = before_and_after(data.images, result.tested[shown_images(predictions)], result.tuning)
    write_png(contact_figure(predictions, result.summary, *pair), out / "contact.png")
    if chart := curve_figure(predictions, result.summary):
        write_png(chart, out / "curve.png")


def curve_figure(predictions: Predictions, summary: Summary) -> Figure | None:
    """Accuracy of the estimate against queries, with lines for the test accuracies; None if nothing was searched."""
    if not (chart := search_curve(predictions, summary.to_json(), {})):
        return None
    return line_figure({f"{summary.space} by {summary.estimator}: {chart.axes.y} against tuning queries": chart})


def shown_images(predictions: Predictions) -> Ints:
    """The test images of the contact sheet, as positions in ``predictions``."""
    return chosen_images(predictions.labels, decide(predictions.before), decide(predictions.after))


def contact_figure(predictions: Predictions, summary: Summary, images: ImageBytes, changed: ImageBytes) -> Figure:
    """The contact sheet of the images that ``shown_images`` names, before and after, ``(M, H, W, C)`` each."""
    truth, before, after = predictions.labels, decide(predictions.before), decide(predictions.after)
    shown = shown_images(predictions)
    names = (*predictions.classes, NO_DECISION)  # at -1, as ``decide`` says
    captions = [
        (
            Caption(names[before[i]], bool(before[i] == truth[i])),
            Caption(names[after[i]], bool(after[i] == truth[i])),
            Caption(f"is {names[truth[i]]}"),
        )
        for i in shown
    ]
    outcome = Outcome.of(summary.to_json())
    change = f"{outcome.level(outcome.before)} before, {outcome.level(outcome.after)} after"
    title = f"{summary.verdict}: test {outcome.title} {change}"
    if beside := accuracy_beside(summary.to_json()):
        title += f"; {beside}"
    return contact_sheet(images, changed, captions, title)


def chosen_images(truth: Ints, before: Ints, after: Ints) -> Ints:
    """Positions of test images to show: some mended, some broken and one right, filled up with others to eight.

    Args:
        truth: labels ``(N,)``.
        before, after: decided labels ``(N,)``.
    """
    kinds = [
        (before != truth) & (after == truth),
        (before == truth) & (after != truth),
        (before == truth) & (after == truth),
    ]
    rng = np.random.default_rng(0)
    picked: list[int] = []
    for kind, count in zip(kinds, SHOWN_IMAGES.values(), strict=True):
        picked += rng.permutation(np.flatnonzero(kind))[:count].tolist()
    total = min(sum(SHOWN_IMAGES.values()), len(truth))
    rest = [i for i in rng.permutation(len(truth)).tolist() if i not in picked]
    return np.array(picked + rest[: total - len(picked)], np.int64)
