"""The sharpness space: blur and sharpening by one number."""

import numpy as np
import pytest

from blackbox_dft import InputError
from blackbox_dft.spaces import make_space


def changed(image: np.ndarray, z: float) -> np.ndarray:
    return make_space("sharpness", image.shape).apply(image[None].astype(np.float32), np.array([z]))[0]


def test_the_least_z_is_a_gaussian_blur_by_a_64th_of_the_side() -> None:
    dot = np.zeros((129, 129, 1), np.float32)
    dot[64, 64] = 1
    blurred = changed(dot, -4)
    y, x = np.mgrid[:129, :129] - 64
    sigma = 129 / 64
    wanted = np.exp(-(x**2 + y**2) / 2 / sigma**2)
    np.testing.assert_allclose(blurred[..., 0], wanted / wanted.sum(), atol=2e-4)
    assert blurred.sum() == pytest.approx(1, abs=1e-4)


def test_sharpening_adds_what_the_blur_removes() -> None:
    image = 0.4 + 0.2 * np.random.default_rng(0).random((20, 24, 3))
    removed = image - changed(image, -4)
    np.testing.assert_allclose(changed(image, 2), image + 0.5 * removed, atol=1e-5)


def test_outer_pixels_are_drawn_out() -> None:
    for level in (0.0, 0.3, 1.0):
        np.testing.assert_allclose(changed(np.full((9, 7, 3), level), -4), level, atol=1e-6)


def test_it_takes_no_number() -> None:
    with pytest.raises(InputError, match="write sharpness instead of sharpness:3"):
        make_space("sharpness:3", (8, 8, 3))
