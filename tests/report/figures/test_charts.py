"""Charts as SVG and as figures."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from blackbox_dft.report.figures.charts import Axes, LineChart, Series, accuracy_range, line_figure, line_svg, strokes
from blackbox_dft.report.figures.style import LIGHT
from tests.helpers.pixels import count, rendered


def lines(levels: list[float], **marks: float) -> LineChart:
    x = np.array([0.0, 100.0])
    series = {f"series {number}": Series(x, np.full(2, level)) for number, level in enumerate(levels)}
    return LineChart(series, marks, Axes("queries", "accuracy", y_range=(0, 1)))


def test_svg_has_the_colours_of_the_page_and_an_escaped_name() -> None:
    x = np.array([500.0, 5000.0])
    series = {str(number): Series(x, x / 10_000, x / 20_000, x / 9_000) for number in range(8)}
    svg = line_svg(LineChart(series, {"before": 0.4}, Axes("q", "a", log=True, ticks=[500, 5000])), name='a "<b>"')
    assert svg.startswith("<svg role=")
    assert "&quot;&lt;b&gt;&quot;" in svg
    for variable in ("--ink", "--quiet", "--line", "--s5"):
        assert f"var({variable})" in svg
    assert "#fe0" not in svg
    assert ">5k<" in svg


def test_the_same_chart_is_the_same_svg() -> None:
    assert line_svg(lines([0.5], before=0.4), "name") == line_svg(lines([0.5], before=0.4), "name")


def test_a_figure_shows_every_series_and_names_it() -> None:
    chart = lines([0.1, 0.2, 0.3, 0.5, 0.6, 0.7], threshold=0.4)
    figure = line_figure({"All at once": chart, "The same": chart})
    picture = rendered(figure)
    assert picture.shape == (1200, 1200, 3)
    for color in (*LIGHT.series, LIGHT.quiet):
        assert count(picture, color) > 100
    (first, _) = figure.axes
    assert first.get_title(loc="left") == "All at once"
    labels = [text.get_text() for text in first.get_legend().get_texts()]
    assert labels[0] == "series 0 0.100"
    assert labels[-1] == "threshold 0.400"


def test_a_higher_accuracy_is_drawn_higher() -> None:
    picture = rendered(line_figure({"": lines([0.2, 0.8])}))[:, :800]
    low, high = (
        np.argwhere((picture == tuple(bytes.fromhex(color[1:]))).all(axis=-1))[:, 0].mean()
        for color in LIGHT.series[:2]
    )
    assert high < low - 200


def test_a_band_is_a_pale_area() -> None:
    x, y = np.array([500.0, 5000, 50_000]), np.array([0.5, 0.6, 0.7])
    axes = Axes("queries", "accuracy", log=True, ticks=[500, 5000, 50_000], y_range=(0, 1))
    plain, band = (
        rendered(line_figure({"": LineChart({"nes": series}, {}, axes)}))
        for series in (Series(x, y), Series(x, y, y - 0.1, y + 0.1))
    )
    assert (band != 255).any(axis=2).sum() > (plain != 255).any(axis=2).sum() + 20_000


@given(st.lists(st.tuples(st.integers(0, 10**6), st.floats(0, 1)), min_size=1, max_size=40), st.text(max_size=80))
@settings(max_examples=8, deadline=None)
@pytest.mark.filterwarnings("error")
def test_any_points_and_names_make_a_chart(points: list[tuple[int, float]], name: str) -> None:
    x, y = np.array(sorted(points), np.float64).T
    chart = LineChart({name * 3: Series(x, y)}, {name: 0.5}, Axes("queries", "accuracy", y_range=accuracy_range(y)))
    assert line_svg(chart, name).startswith("<svg")
    assert count(rendered(line_figure({name * 9: chart})), LIGHT.series[0]) > 20


def test_strokes_are_distinct_up_to_eighteen() -> None:
    assert len(set(strokes(18))) == 18
    assert strokes(19)[18] == strokes(1)[0]


@given(st.lists(st.floats(0, 1), min_size=1))
def test_the_range_holds_all_accuracies_and_ends_at_0_and_1(values: list[float]) -> None:
    low, high = accuracy_range(values)
    assert 0 <= low <= min(values) <= max(values) <= high <= 1
    assert low < high
