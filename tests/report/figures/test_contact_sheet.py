"""The contact sheet."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from blackbox_dft.report.figures.contact_sheet import MARGIN, Caption, contact_sheet
from blackbox_dft.report.figures.style import LIGHT
from tests.helpers.pixels import count, noise, rendered

CAPTIONS = (Caption("a", True), Caption("b", False), Caption("c"))


@pytest.mark.parametrize(
    "shape",
    [(1, 32, 32, 3), (1, 1, 1, 1), (2, 32, 32, 1), (19, 8, 8, 3), (3, 40, 150, 3), (1, 700, 500, 3), (2, 1, 500, 3)],
)
def test_any_images_make_a_sheet(shape: tuple[int, ...]) -> None:
    before = noise(*shape)
    sheet = rendered(contact_sheet(before, 255 - before, [CAPTIONS] * shape[0], "a title"))
    assert sheet.shape[1] <= 1200
    for edge in (sheet[:4], sheet[-4:], sheet[:, :4], sheet[:, -4:]):
        assert (edge == 255).all()


def test_small_images_are_enlarged_by_a_whole_factor_without_blur() -> None:
    before = np.array([[[[255, 0, 0], [0, 0, 255]]]], np.uint8).repeat(16, 1).repeat(16, 2)
    sheet = rendered(contact_sheet(before, before, [CAPTIONS]))
    # 32 pixels become 128, in the columns before and after.
    assert count(sheet, (255, 0, 0)) == count(sheet, (0, 0, 255)) == 2 * 64 * 64


def test_unchanged_images_have_a_grey_difference() -> None:
    before = np.full((2, 112, 112, 3), 200, np.uint8)
    sheet = rendered(contact_sheet(before, before, [CAPTIONS] * 2))
    assert count(sheet, (128, 128, 128)) >= 2 * 112 * 112
    assert count(sheet, (200, 200, 200)) >= 4 * 112 * 112


def test_the_difference_is_magnified_with_its_sign() -> None:
    before = np.full((1, 112, 112, 3), 100, np.uint8)
    after = before + np.array([3, 0, -2], np.int8).view(np.uint8)
    # 3 levels times 32 stay within 127.
    assert count(rendered(contact_sheet(before, after, [CAPTIONS])), (224, 128, 64)) == 112 * 112


def test_right_and_wrong_differ_by_colour_and_mark() -> None:
    images = np.full((1, 32, 32, 3), 128, np.uint8)
    plain = contact_sheet(images, images, [[Caption("3"), Caption("8"), Caption("")]])
    marked = contact_sheet(images, images, [[Caption("3", False), Caption("8", True), Caption("")]])
    for color in (LIGHT.good, LIGHT.bad):
        assert count(rendered(plain), color) == 0
        assert count(rendered(marked), color) > 0
    assert {"✔ 8", "✘ 3"} <= {text.get_text() for text in marked.texts}


def test_long_captions_stay_in_their_column() -> None:
    images = np.full((1, 32, 32, 3), 255, np.uint8)
    captions = [Caption("wide " * 100, True), Caption(""), Caption("W" * 500)]
    sheet = rendered(contact_sheet(images, images, [captions], "title " * 300))
    assert sheet.shape[1] < 700
    below = sheet[-50:]
    # The empty caption leaves its column white, with the gaps beside it.
    middle = sheet.shape[1] // 2
    assert (below[-25:, middle - 80 : middle + 80] == 255).all()
    assert (sheet[:, : MARGIN - 4] == 255).all()
    assert (sheet[:, 4 - MARGIN :] == 255).all()


@given(st.text(max_size=40), st.booleans())
@settings(max_examples=15, deadline=None)
def test_any_text_can_be_drawn(text: str, right: bool) -> None:
    images = np.full((1, 8, 8, 3), 128, np.uint8)
    rendered(contact_sheet(images, images, [[Caption(text, right), Caption(text), Caption("")]], text))


@pytest.mark.parametrize(
    "text", ["a\0b", "\x1b\r\n", "\udc80.png", "日本語", "\u0627\u0644", "\U0001f600", "$x^{2$", "\\"]
)
@pytest.mark.filterwarnings("error")
def test_unusual_text_is_drawn_without_a_warning(text: str) -> None:
    images = np.full((1, 8, 8, 3), 128, np.uint8)
    rendered(contact_sheet(images, images, [[Caption(text, True), Caption(text), Caption("")]], text))
