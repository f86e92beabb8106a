"""Small pictures inside a page."""

import base64

import cv2
import numpy as np
import pytest

from blackbox_dft.report.figures.thumbnails import magnification, magnified_difference, thumbnail
from tests.helpers.pixels import noise


@pytest.mark.parametrize(("change", "factor"), [(0, 1), (1, 64), (8, 8), (-8, 8), (63, 2), (64, 1), (255, 1)])
def test_the_factor_fits_the_change(change: int, factor: int) -> None:
    assert magnification(np.full((1, 5, 5, 3), change, np.int16)) == factor


def test_a_change_of_few_pixels_is_still_magnified() -> None:
    change = np.zeros((1, 100, 100, 1), np.int16)
    change[0, 3, 4] = 10
    assert magnification(change) == 8


def test_a_difference_beyond_black_and_white_does_not_wrap_around() -> None:
    before = np.full((1, 20, 20, 1), 100, np.uint8)
    after = before.copy()
    after[0, 0, 0], after[0, 0, 1], after[0, 1:] = 255, 0, 101
    difference, factor = magnified_difference(before, after)
    assert factor == 64
    assert difference[0, 0, :3, 0].tolist() == [255, 0, 128]
    assert difference[0, 1, 0, 0] == 192


@pytest.mark.parametrize(
    ("shape", "shown", "kind"),
    [((32, 32, 3), (32, 32), "png"), ((48, 20, 1), (48, 20), "png"), ((300, 600, 3), (72, 144), "jpeg")],
)
def test_small_images_are_kept_to_the_bit_and_large_ones_shrunk(
    shape: tuple[int, ...], shown: tuple[int, int], kind: str
) -> None:
    image = noise(*shape)
    small = thumbnail(image)
    assert (small.height, small.width) == shown
    head, data = small.src.split(",")
    assert head == f"data:image/{kind};base64"
    pixels = cv2.imdecode(np.frombuffer(base64.b64decode(data), np.uint8), cv2.IMREAD_COLOR)
    assert pixels.shape[:2] == shown
    if small.coarse:
        np.testing.assert_array_equal(pixels[..., ::-1], np.broadcast_to(image, (*shown, 3)))
