"""The pictures of a run: ``contact.png`` and ``curve.png``."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from blackbox_dft._utils.types import Ints
from blackbox_dft.objectives.losses import decide
from blackbox_dft.report.figures.contact_sheet import Caption, contact_sheet
from blackbox_dft.report.figures.curve import accuracy_curve
from blackbox_dft.report.figures.png import write_png
from blackbox_dft.run.runner import Result

SHOWN = {"mended": 5, "broken": 2, "right before and after": 1}
"""How many test images of each kind the contact sheet shows."""


def write_pictures(result: Result, out: Path) -> None:
    """Writes ``contact.png`` (images before, after, difference) and ``curve.png`` (accuracy against queries)."""
    write_png(out / "contact.png", _contact(result))
    if result.trajectory.points:
        write_png(out / "curve.png", _curve(result))


def _contact(result: Result) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    data, test = result.data, result.data.splits["test"]
    truth, before, after = data.labels[test], decide(result.before), decide(result.after)
    shown = _chosen(truth, before, after)
    images = data.images[test[shown]]
    names = data.classes
    captions = [
        (
            Caption(f"{names[before[i]]}", bool(before[i] == truth[i])),
            Caption(f"{names[after[i]]}", bool(after[i] == truth[i])),
            f"is {names[truth[i]]}",
        )
        for i in shown
    ]
    test_accuracy = result.summary.accuracy["test"]
    title = (
        f"{result.summary.verdict}: test accuracy {test_accuracy.before:.3f} before, {test_accuracy.after:.3f} after"
    )
    return contact_sheet(images, result.tuning(images), captions, title=title)


def _chosen(truth: Ints, before: Ints, after: Ints) -> Ints:
    """Test images to show: some of each kind, filled up with others to the same number."""
    kinds = [
        (before != truth) & (after == truth),
        (before == truth) & (after != truth),
        (before == truth) & (after == truth),
    ]
    rng = np.random.default_rng(0)
    picked: list[int] = []
    for kind, count in zip(kinds, SHOWN.values(), strict=True):
        picked += rng.permutation(np.flatnonzero(kind))[:count].tolist()
    total = min(sum(SHOWN.values()), len(truth))
    rest = [i for i in rng.permutation(len(truth)).tolist() if i not in picked]
    return np.array(picked + rest[: total - len(picked)], np.int64)


def _curve(result: Result) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    points = result.trajectory.points
    summary = result.summary
    test = summary.accuracy["test"]
    return accuracy_curve(
        {"training minibatches": ([p.queries for p in points], [p.accuracy for p in points])},
        marks={
            "test, before": test.before,
            "test, free threshold": summary.threshold.test,
            "test, after": test.after,
        },
        title=f"{summary.space} by {summary.estimator}: accuracy against tuning queries",
    )
