"""Text and files of the pictures."""

import re
from pathlib import Path

import cv2
import matplotlib as mpl
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.figure import Figure

import blackbox_dft.report
from blackbox_dft.errors import InputError
from blackbox_dft.report.figures.contact_sheet import Caption, contact_sheet
from blackbox_dft.report.figures.style import LIGHT, drawing, fitted, font, text_width, write_png
from tests.helpers.pixels import noise, rendered


def small_sheet() -> Figure:
    return contact_sheet(noise(1, 8, 8, 3), noise(1, 8, 8, 3), [[Caption("a")] * 3])


def test_the_palette_is_that_of_the_pages() -> None:
    page = (Path(blackbox_dft.report.__file__).parent / "templates/page.html").read_text()
    light = dict(re.findall(r"--(\w+): (#\w{6})", page[: page.index("@media")]))
    names = ("ink", "quiet", "line", "good", "bad")
    assert {name: light[name] for name in names} == {name: getattr(LIGHT, name) for name in names}
    assert tuple(light[f"s{number}"] for number in range(6)) == LIGHT.series
    assert "s6" not in light


@given(st.text(max_size=60), st.integers(30, 300))
@settings(max_examples=50, deadline=None)
def test_fitted_text_fits_on_one_line(text: str, width: int) -> None:
    with drawing():
        line = fitted(text, width, font(14))
        assert "\n" not in line
        assert text_width(line, font(14)) <= width


def test_text_with_enough_room_is_kept() -> None:
    with drawing():
        assert fitted("two  words\n", 200, font(14)) == "two words"
        assert fitted("many words " * 50, 100, font(14)).endswith("…")


def test_the_users_settings_neither_matter_nor_change() -> None:
    plain = rendered(small_sheet())
    with mpl.rc_context({"text.color": "red", "font.size": 40, "figure.facecolor": "black", "text.usetex": True}):
        before = dict(mpl.rcParams)
        np.testing.assert_array_equal(rendered(small_sheet()), plain)
        assert dict(mpl.rcParams) == before


def test_a_written_picture_reads_back(tmp_path: Path) -> None:
    for name in ("one.png", "two.png"):
        write_png(small_sheet(), tmp_path / name)
    picture = cv2.imread(str(tmp_path / "one.png"), cv2.IMREAD_COLOR)
    assert picture is not None
    np.testing.assert_array_equal(picture[..., ::-1], rendered(small_sheet()))
    assert (tmp_path / "one.png").read_bytes() == (tmp_path / "two.png").read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["one.png", "two.png"]


def test_a_missing_folder_is_an_input_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot write"):
        write_png(small_sheet(), tmp_path / "missing" / "picture.png")
