"""Figures of a finished run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from blackbox_dft._utils.types import ImageBytes, Ints
from blackbox_dft.deploy.tuning import Tuning
from blackbox_dft.errors import InputError
from blackbox_dft.report.figures.charts import line_figure
from blackbox_dft.report.figures.parts_chart import parts_figure
from blackbox_dft.report.figures.pictures import contact_figure, curve_figure, shown_images
from blackbox_dft.report.figures.proof_chart import proof_chart
from blackbox_dft.report.figures.reliability import reliability_figure
from blackbox_dft.report.outcome import Outcome
from blackbox_dft.run.predictions import Predictions
from blackbox_dft.run.summary import Summary

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class Run(Protocol):
    """What a figure is drawn from; a ``Result`` is one."""

    @property
    def summary(self) -> Summary:
        """All that was measured."""
        ...

    @property
    def tuning(self) -> Tuning:
        """The learned change."""
        ...

    def predictions(self) -> Predictions:
        """Probabilities of the test images."""
        ...

    def pictures(self, positions: Ints) -> tuple[ImageBytes, ImageBytes]:
        """Test images before and after, ``(M, H, W, 3)`` each."""
        ...


def trajectory(run: Run) -> Figure:
    """See ``blackbox_dft.plots.trajectory``."""
    predictions = run.predictions()
    if not (figure := curve_figure(predictions, run.summary)):
        raise InputError("the search made no step, so there is no trajectory: give a larger --budget.")
    return figure


def proof(run: Run) -> Figure:
    """See ``blackbox_dft.plots.proof``."""
    path = run.predictions().proof
    if not len(path):
        if not run.summary.judged.decomposes:
            raise InputError(f"a run by {run.summary.judged.title} has no sequential proof to show: see plot_parts().")
        raise InputError("the run scored all of its test images, without a sequential proof: give --evaluate enough.")
    shown = Outcome.of(run.summary.to_json())
    chart = proof_chart(path, shown.unit, shown.factor)
    return line_figure({f"{run.summary.verdict}: the gain of the images drawn so far": chart})


def images(run: Run) -> Figure:
    """See ``blackbox_dft.plots.images``."""
    predictions = run.predictions()
    return contact_figure(predictions, run.summary, *run.pictures(shown_images(predictions)))


def parts(run: Run) -> Figure:
    """See ``blackbox_dft.plots.parts``."""
    return parts_figure(run.summary)


def reliability(run: Run) -> Figure:
    """See ``blackbox_dft.plots.reliability``."""
    return reliability_figure(run.predictions())
