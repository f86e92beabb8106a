"""Reliability of a run's probabilities: how often decisions of a confidence are right, before and after."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from blackbox_dft._utils.types import Floats, Ints
from blackbox_dft.objectives.losses import decide, lacks_score
from blackbox_dft.report.figures.style import LIGHT, drawing
from blackbox_dft.run.predictions import Predictions

if TYPE_CHECKING:
    from matplotlib.figure import Figure

BINS = 10


def reliability(probabilities: Floats, labels: Ints) -> tuple[Floats, Floats, Ints, float]:
    """Mean confidence, accuracy and number of images of each bin of confidence, and the expected calibration error.

    The error is the mean difference of confidence and accuracy, weighted by images (Guo et al. 2017, equation 3).
    Images without a score are left out; so are empty bins.

    Args:
        probabilities: ``(N, L)``.
        labels: ``(N,)``.

    >>> confidence, accuracy, count, error = reliability(np.array([[0.9, 0.1], [0.9, 0.1]]), np.array([0, 1]))
    >>> confidence.tolist(), accuracy.tolist(), count.tolist(), round(error, 3)
    ([0.9], [0.5], [2], 0.4)
    """
    scored = ~lacks_score(probabilities)
    top = probabilities[scored].max(axis=1)
    right = decide(probabilities[scored]) == labels[scored]
    bins = np.minimum((top * BINS).astype(np.int64), BINS - 1)
    count = np.bincount(bins, minlength=BINS)
    filled = count > 0
    confidence = np.bincount(bins, top, BINS)[filled] / count[filled]
    accuracy = np.bincount(bins, right, BINS)[filled] / count[filled]
    error = float((np.abs(confidence - accuracy) * count[filled]).sum() / max(1, count.sum()))
    return confidence, accuracy, count[filled], error


def reliability_figure(predictions: Predictions) -> Figure:
    """Accuracy against confidence, before and after; on the diagonal, a probability is what it says."""
    from blackbox_dft.report.figures.shown_figure import ShownFigure

    with drawing():
        figure = ShownFigure(figsize=(6, 5), dpi=100, layout="constrained")
        plot = figure.add_subplot()
        plot.grid()
        plot.plot([0, 1], [0, 1], color=LIGHT.quiet, linewidth=1.1, dashes=(5, 3), label="as it should be")
        rows = (("before", predictions.before, 1), ("after", predictions.after, 0))
        for name, probabilities, color in rows:
            confidence, accuracy, count, error = reliability(probabilities, predictions.labels)
            label = f"{name}: calibration error {error:.3f}"
            plot.plot(confidence, accuracy, color=LIGHT.series[color], linewidth=1.8, label=label, zorder=3)
            sizes = 12 + 160 * count / max(1, count.sum())
            plot.scatter(confidence, accuracy, s=sizes, color=LIGHT.series[color], zorder=4)
        plot.set(xlim=(0, 1.02), ylim=(0, 1.02), xlabel="confidence of the decision", ylabel="share that is right")
        plot.legend(frameon=False, loc="upper left")
        plot.set_title(f"{len(predictions.labels):,} test images; large dots are many", loc="left", fontsize=11)
    return figure
