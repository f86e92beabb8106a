"""The figure of what image change, output map and parts gain."""

from dataclasses import replace

from blackbox_dft import Result
from blackbox_dft.report.figures.parts_chart import parts_figure
from blackbox_dft.run.summary import PartSummary
from tests.api.conftest import tuned

__all__ = ["tuned"]


def test_bars_are_the_accuracies_of_the_summary(tuned: Result) -> None:
    summary = tuned.summary
    (axes,) = parts_figure(summary).axes
    names = [label.get_text() for label in axes.get_yticklabels()]
    widths = dict(zip(names, (bar.get_width() for bar in axes.patches), strict=True))
    assert widths["unchanged"] == summary.accuracy["test"].before
    assert widths["as kept"] == summary.parts.both
    assert widths["image change alone"] == summary.parts.image


def test_parts_of_the_space_are_a_panel_of_their_own(tuned: Result) -> None:
    parts = (PartSummary("affine", 0.04, (0.01, 0.07)), PartSummary("color", -0.01, (-0.03, 0.02)))
    _, below = parts_figure(replace(tuned.summary, space_parts=parts)).axes
    assert [label.get_text() for label in below.get_yticklabels()] == ["affine", "color"]
