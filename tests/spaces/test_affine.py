"""The affine space: directions, and the reflected border."""

from itertools import product

import numpy as np
import pytest

from blackbox_dft.spaces.affine import Affine


def test_each_coordinate_moves_a_dot_as_documented() -> None:
    dot = np.zeros((1, 41, 41, 3), np.float32)
    dot[0, 20, 30] = 1
    space = Affine((41, 41, 3))

    def place(z: list[float]) -> tuple[float, float]:
        out = space.apply(dot, np.array(z))[0, :, :, 0]
        y, x = np.mgrid[:41, :41]
        return float((out * y).sum() / out.sum()), float((out * x).sum() / out.sum())

    assert place([0, 1, 0, 0]) == pytest.approx((20, 30 + 0.05 * 41), abs=0.02)
    assert place([0, 0, 1, 0]) == pytest.approx((20 + 0.05 * 41, 30), abs=0.02)
    assert place([1, 0, 0, 0]) == pytest.approx((20, 20 + 10 * np.exp(0.1)), abs=0.1)
    turned = place([0, 0, 0, 3])
    assert turned == pytest.approx((20 - 10 * np.sin(np.pi / 12), 20 + 10 * np.cos(np.pi / 12)), abs=0.1)


def test_the_border_is_reflected_and_images_of_a_batch_do_not_mix() -> None:
    batch = np.zeros((3, 16, 16, 3), np.float32)
    batch[1] = 1
    space = Affine((16, 16, 3))
    z = np.random.default_rng(0).uniform(space.lower, space.upper, (3, 4))
    out = space.apply(batch, z)
    assert (out[0] == 0).all()
    assert (out[1] == 1).all()
    assert (out[2] == 0).all()
    ramp = np.tile(np.arange(16, dtype=np.float32)[None, None, :, None] / 15, (1, 16, 1, 3))
    shifted = space.apply(ramp, np.array([0, 2 / (0.05 * 16), 0, 0]))[0, 0, :, 0] * 15
    np.testing.assert_allclose(shifted, [2, 1, *range(14)], atol=1e-4)


@pytest.mark.parametrize("shape", [(24, 24, 3), (16, 64, 3), (60, 12, 3), (2, 9, 1)])
def test_images_of_any_proportion_are_reflected_within_all_bounds(shape: tuple[int, int, int]) -> None:
    height, width, _ = shape
    rng = np.random.default_rng(0)
    image = rng.random(shape, np.float32)
    space = Affine(shape)
    # The documented border: mirrored copies next to one another, bilinear between them.
    tiles = 16
    pad = [(tiles * height, tiles * height), (tiles * width, tiles * width), (0, 0)]
    plane = np.pad(image, pad, mode="reflect")
    y, x = np.mgrid[:height, :width].astype(float)
    for z in [*(np.array(list(product([-1, 1], repeat=4))) * space.upper), *rng.normal(size=(8, 4))]:
        zoom, angle = np.exp(0.1 * z[0]), np.deg2rad(5 * z[3])
        dx = x - (width - 1) / 2 - 0.05 * z[1] * width
        dy = y - (height - 1) / 2 - 0.05 * z[2] * height
        across = (np.cos(angle) * dx - np.sin(angle) * dy) / zoom + (width - 1) / 2 + tiles * width
        down = (np.sin(angle) * dx + np.cos(angle) * dy) / zoom + (height - 1) / 2 + tiles * height
        i, j = np.floor(down).astype(int), np.floor(across).astype(int)
        fu, fv = (across - j)[..., None], (down - i)[..., None]
        top = plane[i, j] * (1 - fu) + plane[i, j + 1] * fu
        below = plane[i + 1, j] * (1 - fu) + plane[i + 1, j + 1] * fu
        np.testing.assert_allclose(space.apply(image[None], z)[0], top * (1 - fv) + below * fv, atol=0.1 / 255)
