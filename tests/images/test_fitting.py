"""Fitting: stretch, centre crop and letterbox, by hand; filters; the spellings of --fit."""

import numpy as np
import pytest
from PIL import Image

from blackbox_dft.errors import InputError
from blackbox_dft.images.files import resize
from blackbox_dft.images.fitting import Fitting
from tests.helpers.images import NOISY

WIDE = np.random.default_rng(0).integers(0, 256, (16, 32, 3)).astype(np.uint8)


def test_the_default_is_a_plain_resize() -> None:
    np.testing.assert_array_equal(Fitting()(WIDE, (8, 8)), resize(WIDE, (8, 8)))
    np.testing.assert_array_equal(Fitting()(WIDE, (40, 40)), resize(WIDE, (40, 40)))


def test_crops_are_centred_and_have_the_aspect_of_the_model() -> None:
    np.testing.assert_array_equal(Fitting("crop")(WIDE, (16, 16)), WIDE[:, 8:24])
    np.testing.assert_array_equal(Fitting("crop")(WIDE, (32, 16)), resize(WIDE[:, 12:20], (32, 16)))
    # Of 16 rows and columns, .875 are 14.
    np.testing.assert_array_equal(Fitting("crop:.875")(WIDE, (14, 14)), WIDE[1:15, 9:23])
    # Also of an image that has the model's size.
    square = WIDE[:, :16]
    np.testing.assert_array_equal(Fitting("crop:.5")(square, (16, 16)), resize(square[4:12, 4:12], (16, 16)))


@pytest.mark.parametrize(("fit", "border"), [("pad", 0), ("pad:grey", 114)])
def test_a_letterbox_keeps_the_whole_image(fit: str, border: int) -> None:
    fitted = Fitting(fit)(WIDE, (32, 32))
    np.testing.assert_array_equal(fitted[8:24], WIDE)
    assert (fitted[:8] == border).all()
    assert (fitted[24:] == border).all()


def test_a_letterbox_repeats_the_edge() -> None:
    fitted = Fitting("pad:edge")(WIDE, (32, 32))
    np.testing.assert_array_equal(fitted[:8], np.repeat(WIDE[:1], 8, axis=0))
    np.testing.assert_array_equal(fitted[24:], np.repeat(WIDE[-1:], 8, axis=0))


def test_filters_are_those_of_pillow() -> None:
    for name, method in (("bilinear", Image.Resampling.BILINEAR), ("bicubic", Image.Resampling.BICUBIC)):
        wanted = Image.fromarray(NOISY).resize((10, 8), method)
        np.testing.assert_array_equal(Fitting("stretch", name)(NOISY, (8, 10)), np.asarray(wanted))  # type: ignore[arg-type]
    np.testing.assert_array_equal(resize(WIDE, (8, 16), "area"), resize(WIDE, (8, 16)))
    np.testing.assert_array_equal(resize(WIDE, (32, 64), "area"), WIDE.repeat(2, axis=0).repeat(2, axis=1))


@pytest.mark.parametrize("size", [(1, 1), (1, 50), (50, 1), (7, 3)])
@pytest.mark.parametrize("fit", ["crop", "crop:.1", "pad", "pad:edge"])
def test_any_shape_fits(fit: str, size: tuple[int, int]) -> None:
    assert Fitting(fit)(WIDE, size).shape == (*size, 3)
    assert Fitting(fit)(np.zeros((*size, 3), np.uint8), (9, 9)).shape == (9, 9, 3)


@pytest.mark.parametrize("fit", ["crop:2", "crop:.05", "crop:x", "pad:blue", "squash", ""])
def test_other_fits_are_refused(fit: str) -> None:
    with pytest.raises(InputError, match=r"--fit .*such as crop:\.875"):
        Fitting(fit)


def test_one_spelling_is_kept() -> None:
    assert [Fitting(fit).fit for fit in ("crop:.875", "Crop:1.0", "pad:black")] == ["crop:0.875", "crop", "pad"]
