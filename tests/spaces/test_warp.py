"""The exact warp of OpenCV 4 is that of OpenCV 5, with any of the two installed."""

import cv2
import numpy as np
import pytest

from blackbox_dft.errors import InputError
from blackbox_dft.spaces.warp import MAX_SIDE, interpolated, warp

MODES = {"edge": cv2.BORDER_REPLICATE, "mirror": cv2.BORDER_REFLECT_101, "constant": cv2.BORDER_CONSTANT}


@pytest.mark.parametrize("border", MODES)
@pytest.mark.parametrize("shape", [(24, 24, 3), (16, 64, 3), (60, 12, 1), (2, 9, 1)])
def test_four_neighbours_give_the_warp(shape: tuple[int, int, int], border: str) -> None:
    rng = np.random.default_rng(0)
    image = rng.random(shape, np.float32)
    beyond = (0.25, 0.5, 0.75, 0.0)
    for _ in range(8):
        matrix = np.eye(2, 3) + rng.uniform(-1, 1, (2, 3)) * [0.5, 0.5, 20]
        found = interpolated(image, matrix, MODES[border], beyond)
        warp(image, matrix, out := np.empty_like(image), MODES[border], beyond)
        np.testing.assert_allclose(found, out, atol=1e-4)


@pytest.mark.parametrize("border", MODES)
def test_the_identity_changes_no_bit(border: str) -> None:
    image = np.random.default_rng(0).random((31, 17, 3), np.float32)
    np.testing.assert_array_equal(interpolated(image, np.eye(2, 3), MODES[border], ()), image)


def test_positions_far_outside_are_those_of_the_border() -> None:
    image = np.random.default_rng(0).random((5, 6, 3), np.float32)
    far = np.array([[1, 0, -1e6], [0, 1, 1e6]])
    assert (interpolated(image, far, cv2.BORDER_REPLICATE, ()) == image[-1, 0]).all()
    assert (interpolated(image, far, cv2.BORDER_CONSTANT, (1, 1, 1, 1)) == 1).all()


def test_an_image_too_long_for_opencv_4_is_refused() -> None:
    with pytest.raises(InputError, match=r"32,767x2: install opencv-python-headless 5"):
        interpolated(np.zeros((2, MAX_SIDE + 1, 1), np.float32), np.eye(2, 3), cv2.BORDER_REPLICATE, ())
