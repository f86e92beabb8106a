"""The contrast space: what each number does, by values computed by hand."""

import numpy as np
import pytest

from blackbox_dft import InputError
from blackbox_dft.images.encoding import to_floats
from blackbox_dft.spaces import make_space
from blackbox_dft.spaces.contrast import Contrast, tone_width


def changed(image: np.ndarray, **z: float) -> np.ndarray:
    space = make_space("contrast", image.shape)
    vector = np.zeros(space.size)
    for name, value in z.items():
        vector[space.names.index(name)] = value
    return space.apply(image[None].astype(np.float32), vector)[0]


def ramp(low: float, high: float) -> np.ndarray:
    """Ten rows of ten: 100 tones in steps, the second from each end is that of the stretch."""
    return np.linspace(low, high, 100).reshape(10, 10, 1)


def test_a_whole_stretch_maps_the_second_and_98th_percentile_to_black_and_white() -> None:
    image = ramp(0.2, 0.299)  # steps of .001: from .201 to .298
    whole = changed(image, stretch=5)
    np.testing.assert_allclose(whole, np.clip((image - 0.201) / 0.097, 0, 1), atol=1e-5)
    np.testing.assert_allclose(changed(image, stretch=1), image + 0.2 * ((image - 0.201) / 0.097 - image), atol=1e-5)


def test_single_pixels_do_not_decide() -> None:
    image = np.tile(ramp(0.4, 0.6), (10, 10, 1))
    spoiled = image.copy()
    spoiled[7, 7], spoiled[50, 50] = 0, 1
    np.testing.assert_allclose(changed(spoiled, stretch=5)[20:40], changed(image, stretch=5)[20:40], atol=1e-3)


def test_a_flat_image_is_not_blown_up() -> None:
    image = ramp(0.5, 0.501)
    assert np.ptp(changed(image, stretch=5)) < 0.001 * 16 + 1e-6


def test_level_moves_every_mean_to_the_same_brightness() -> None:
    for mean in (0.1, 0.3):
        assert changed(ramp(mean - 0.05, mean + 0.05), level=10).mean() == pytest.approx(0.45, abs=1e-3)
    # Half of the way, as a factor: .45 = 4.5 * .1, and the root of 4.5 is 2.12.
    assert changed(ramp(0.05, 0.15), level=5).mean() == pytest.approx(0.2121, abs=1e-3)
    np.testing.assert_array_equal(changed(np.zeros((8, 8, 3)), level=10), 0)


def test_a_whole_balance_makes_the_mean_grey_and_keeps_its_luma() -> None:
    image = np.full((8, 8, 3), (0.5, 0.3, 0.2))
    luma = 0.299 * 0.5 + 0.587 * 0.3 + 0.114 * 0.2
    np.testing.assert_allclose(changed(image, balance=5)[0, 0], [luma] * 3, atol=1e-5)
    assert "balance" not in make_space("contrast", (8, 8, 1)).names


def test_images_are_flat_by_the_median_of_their_tones() -> None:
    steps = (255 * ramp(0.2, 0.299)).round().astype(np.uint8)
    wide = (255 * ramp(0, 1)).round().astype(np.uint8)
    # From the second of 100 tones to the 99th: 51 to 76, and 3 to 252, of 255.
    assert tone_width(np.stack([steps, steps, wide])) == pytest.approx(25 / 255)
    assert tone_width(np.stack([steps, wide, wide])) == pytest.approx(249 / 255)


def test_the_whole_stretch_is_a_long_step() -> None:
    np.testing.assert_array_equal(make_space("contrast+affine", (8, 8, 3)).long_steps()[0], [5, 0, 0, 0, 0, 0, 0])  # type: ignore[attr-defined]


def test_it_takes_no_number() -> None:
    with pytest.raises(InputError, match="write contrast instead of contrast:3"):
        make_space("contrast:3", (8, 8, 3))


@pytest.mark.parametrize("shape", [(9, 7, 1), (32, 40, 3), (112, 112, 3), (131, 70, 3)])
def test_tones_of_bytes_are_those_of_floats(shape: tuple[int, int, int]) -> None:
    image = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    space = Contrast(shape)
    np.testing.assert_allclose(space.tones_of_bytes(image), space.tones(to_floats(image)), atol=1e-6)
