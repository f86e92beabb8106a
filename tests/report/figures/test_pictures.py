"""The pictures of a run: contact sheet, curve, and writing them."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
import pytest
from blackbox_dft.report.figures.canvas import RIGHT, SERIES, WRONG, fitted, text_width
from blackbox_dft.report.figures.curve import accuracy_curve, smooth, spread, ticks, window
from blackbox_dft.report.figures.png import write_png
from hypothesis import given, settings
from hypothesis import strategies as st

from blackbox_dft._utils.types import Array
from blackbox_dft.errors import InputError
from blackbox_dft.report.figures.contact_sheet import Caption, automatic_factor, contact_sheet


def noise(*shape: int) -> Array:
    return np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)


def pixels(picture: Array, color: tuple[int, int, int]) -> int:
    return int((picture == color).all(axis=-1).sum())


# Contact sheet


@pytest.mark.parametrize(
    "shape",
    [(1, 32, 32, 3), (1, 1, 1, 1), (2, 32, 32, 1), (60, 8, 8, 3), (3, 40, 150, 3), (1, 700, 500, 3), (2, 1, 500, 3)],
)
def test_any_images_make_a_sheet(shape: tuple[int, ...]) -> None:
    before = noise(*shape)
    sheet = contact_sheet(before, 255 - before, [(Caption("a", True), Caption("b", False), "c")] * shape[0])
    assert sheet.dtype == np.uint8
    assert sheet.ndim == 3
    assert sheet.shape[-1] == 3
    assert sheet.shape[1] <= 1200
    assert (sheet[:4] == 255).all()
    assert (sheet[-4:] == 255).all()


def test_small_images_appear_enlarged_by_a_whole_factor_without_blur() -> None:
    before = np.array([[[[255, 0, 0], [0, 0, 255]]]], np.uint8).repeat(16, 1).repeat(16, 2)
    sheet = contact_sheet(before, before)
    # 32 pixels become 128, in the columns before and after.
    assert pixels(sheet, (255, 0, 0)) == pixels(sheet, (0, 0, 255)) == 2 * 64 * 64


def test_unchanged_images_have_a_neutral_difference() -> None:
    before = np.full((2, 112, 112, 3), 200, np.uint8)
    for magnify in (None, 16):
        sheet = contact_sheet(before, before, magnify=magnify)
        assert pixels(sheet, (128, 128, 128)) >= 2 * 112 * 112
        assert pixels(sheet, (200, 200, 200)) >= 4 * 112 * 112


def test_the_difference_is_magnified_with_its_sign() -> None:
    before = np.full((1, 112, 112, 3), 100, np.uint8)
    after = before + np.array([3, 0, -3], np.int8).view(np.uint8)
    assert pixels(contact_sheet(before, after, magnify=10), (158, 128, 98)) == 112 * 112
    # Beyond black and white nothing wraps around.
    assert pixels(contact_sheet(before, after, magnify=100), (255, 128, 0)) == 112 * 112


@pytest.mark.parametrize(("change", "factor"), [(0, 1), (1, 64), (8, 8), (-8, 8), (63, 2), (64, 1), (255, 1)])
def test_the_factor_fits_the_change(change: int, factor: int) -> None:
    assert automatic_factor(np.full((1, 5, 5, 3), change, np.int16)) == factor


def test_a_change_of_few_pixels_is_still_magnified() -> None:
    change = np.zeros((1, 100, 100, 1), np.int16)
    change[0, 3, 4] = 10
    assert automatic_factor(change) == 8


def test_right_and_wrong_are_coloured() -> None:
    images = np.full((1, 32, 32, 3), 128, np.uint8)
    plain = contact_sheet(images, images, [("read as 3", "read as 8")])
    told = contact_sheet(images, images, [(Caption("read as 3", False), Caption("read as 8", True))])
    assert pixels(plain, RIGHT) == pixels(plain, WRONG) == 0
    assert pixels(told, RIGHT) > 0
    assert pixels(told, WRONG) > 0


def test_long_captions_stay_in_their_column() -> None:
    images = np.full((1, 32, 32, 3), 128, np.uint8)
    sheet = contact_sheet(images, images, [(Caption("wide " * 100, True), "", "W" * 500)], title="title " * 300)
    assert sheet.shape[1] < 700
    # Nothing is drawn into the margins.
    assert (sheet[:, :10] == 255).all()
    assert (sheet[:, -10:] == 255).all()


def test_columns_are_as_asked() -> None:
    images = noise(6, 16, 16, 3)
    one, three = (contact_sheet(images, images, columns=columns) for columns in (1, 3))
    assert three.shape[1] > 2.5 * one.shape[1]
    assert three.shape[0] < one.shape[0] / 2
    # No empty columns beside fewer images.
    assert contact_sheet(images[:1], images[:1], columns=5).shape[1] == one.shape[1]


@pytest.mark.parametrize(
    ("before", "after", "options", "message"),
    [
        (noise(0, 8, 8, 3), noise(0, 8, 8, 3), {}, "one or more images"),
        (noise(8, 8, 3), noise(8, 8, 3), {}, "one or more images"),
        (noise(1, 8, 8, 4), noise(1, 8, 8, 4), {}, "one or more images"),
        (noise(2, 8, 8, 3), noise(1, 8, 8, 3), {}, "must be the same images"),
        (noise(1, 8, 8, 3) / 255, noise(1, 8, 8, 3) / 255, {}, "must be uint8"),
        (noise(2, 8, 8, 3), noise(2, 8, 8, 3), {"captions": [("a", "b")]}, "1 captions for 2 images"),
        (noise(1, 8, 8, 3), noise(1, 8, 8, 3), {"magnify": 0}, "magnify"),
        (noise(1, 8, 8, 3), noise(1, 8, 8, 3), {"columns": 0}, "columns"),
    ],
)
def test_what_does_not_belong_together_is_refused(before: Array, after: Array, options: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        contact_sheet(before, after, **options)


# Text


@given(st.text(max_size=60), st.integers(30, 300))
@settings(max_examples=50, deadline=None)
def test_fitted_text_fits_on_one_line(text: str, width: int) -> None:
    line = fitted(text, width, 14)
    assert "\n" not in line
    assert text_width(line, 14) <= width


@pytest.mark.parametrize("text", ["", "a\0b", "\x1b\r\n", "\udc80.png", "日本語", "\u0627\u0644", "\U0001f600"])
def test_any_text_can_be_drawn(text: str) -> None:
    images = np.full((1, 8, 8, 3), 128, np.uint8)
    assert contact_sheet(images, images, [(Caption(text, True), text)], title=text).dtype == np.uint8
    assert accuracy_curve({text: ([1], [0.5])}, marks={text: 0.4}, title=text).dtype == np.uint8


# Curve


def test_the_curve_has_the_size_asked_and_shows_every_series() -> None:
    queries = np.arange(1, 126) * 32
    rising = 1 - np.exp(-queries / 1000)
    series = {f"series {n}": (queries, rising * (0.5 + n / 20)) for n in range(len(SERIES))}
    picture = accuracy_curve(series, marks={"before": 0.4, "threshold": 0.41}, title="All at once", size=(900, 500))
    assert picture.shape == (500, 900, 3)
    assert picture.dtype == np.uint8
    for color in SERIES:
        assert pixels(picture, color) > 100


def test_a_higher_accuracy_stands_higher() -> None:
    picture = accuracy_curve({"low": ([0, 100], [0.2, 0.2]), "high": ([0, 100], [0.8, 0.8])})
    low, high = (np.argwhere((picture == color).all(axis=-1))[:, 0].mean() for color in SERIES[:2])
    assert high < low - 200


@pytest.mark.parametrize(
    ("queries", "accuracy"),
    [
        ([5], [0.5]),
        ([5, 5, 5], [0.5, 0.6, 0.7]),
        ([0, 10], [1.0, 1.0]),
        ([0, 10], [0.0, 0.0]),
        ([10, 0, 5], [0.3, 0.1, 0.2]),
        (np.arange(20000), np.tile([0.0, 1.0], 10000)),
        ([0, 1, 2], [0.1, float("nan"), 0.3]),
    ],
)
def test_any_points_make_a_curve(queries: list[float], accuracy: list[float]) -> None:
    picture = accuracy_curve({"a name that is longer than there is room for beside the plot" * 3: (queries, accuracy)})
    assert picture.shape == (700, 1200, 3)
    assert pixels(picture, SERIES[0]) > 20


@pytest.mark.parametrize(
    ("series", "message"),
    [
        ({}, "one series at least"),
        ({"nes": ([], [])}, "'nes' has no points"),
        ({"nes": ([1, 2], [float("nan")] * 2)}, "'nes' has no points"),
        ({"nes": ([1, 2], [0.5])}, "'nes' must be two vectors of one length"),
    ],
)
def test_series_without_points_are_refused(series: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        accuracy_curve(series)


def test_too_small_a_curve_is_refused() -> None:
    with pytest.raises(ValueError, match="400 x 240"):
        accuracy_curve({"nes": ([1], [1])}, size=(100, 100))


@given(st.lists(st.floats(0, 1), min_size=1, max_size=80), st.integers(0, 20))
def test_smooth_is_the_mean_of_the_neighbours(values: list[float], half: int) -> None:
    expected = [np.mean(values[max(0, at - half) : at + half + 1]) for at in range(len(values))]
    np.testing.assert_allclose(smooth(values, 2 * half + 1), expected, atol=1e-12)


@pytest.mark.parametrize("width", [0, 2, -1])
def test_smooth_refuses_windows_without_a_middle(width: int) -> None:
    with pytest.raises(ValueError, match="odd"):
        smooth([1, 2, 3], width)


@given(st.integers(1, 10**6))
def test_the_window_is_odd_and_about_a_tenth(count: int) -> None:
    assert window(count) % 2 == 1
    assert window(count) <= 1 + count / 10


@given(st.floats(-1e3, 1e6), st.floats(1e-3, 1e6), st.integers(2, 10))
def test_ticks_are_few_round_and_within(low: float, length: float, most: int) -> None:
    at = ticks(low, low + length, most)
    assert 1 <= len(at) <= most
    slack = 1e-6 * length + 1e-9 * abs(low)
    assert at[0] >= low - slack
    assert at[-1] <= low + length + slack
    if len(at) > 1:
        step = (at[-1] - at[0]) / (len(at) - 1)
        lead = float(f"{step:.6e}".split("e")[0])
        assert min(abs(lead - digit) for digit in (1, 2, 5)) < 1e-3


@given(st.lists(st.floats(0, 1000), min_size=1, max_size=15))
def test_spread_labels_keep_their_order_distance_and_bounds(places: list[float]) -> None:
    spaced = spread(sorted(places), 30, (0, 1000))
    assert all(after - before >= 30 - 1e-9 for before, after in pairwise(spaced))
    assert min(spaced) >= -1e-9
    assert max(spaced) <= 1000


def test_spread_leaves_alone_what_has_room() -> None:
    assert spread([10, 100, 200], 30, (0, 300)) == [10, 100, 200]


# Files


@pytest.mark.parametrize("shape", [(20, 30, 3), (20, 30)])
def test_a_written_picture_reads_back(tmp_path: Path, shape: tuple[int, ...]) -> None:
    picture = noise(*shape)
    write_png(tmp_path / "picture.png", picture)
    read = cv2.imread(str(tmp_path / "picture.png"), cv2.IMREAD_UNCHANGED)
    np.testing.assert_array_equal(read[..., ::-1] if read.ndim == 3 else read, picture)
    assert [path.name for path in tmp_path.iterdir()] == ["picture.png"]


def test_a_folder_that_is_not_there_is_an_input_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot write"):
        write_png(tmp_path / "missing" / "picture.png", noise(4, 4, 3))
