"""The affine space: directions, and what lies beyond the image."""

from itertools import product

import numpy as np
import pytest

from blackbox_dft.spaces.affine import BORDERS, Affine, Border


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


@pytest.mark.parametrize(
    ("border", "beyond"),
    [("edge", [1, 1]), ("black", [0, 0]), ("white", [16, 16]), ("mean", [8.5, 8.5]), ("mirror", [3, 2])],
)
def test_each_border_is_as_documented(border: Border, beyond: list[float]) -> None:
    ramp = np.tile(np.arange(1, 17, dtype=np.float32)[None, None, :, None] / 16, (1, 16, 1, 3))
    shifted = Affine((16, 16, 3), border).apply(ramp, np.array([0, 2 / (0.05 * 16), 0, 0]))[0, 0, :, 0] * 16
    np.testing.assert_allclose(shifted, [*beyond, *range(1, 15)], atol=1e-4)


@pytest.mark.parametrize("border", BORDERS)
def test_images_of_a_batch_do_not_mix(border: Border) -> None:
    batch = np.zeros((3, 16, 16, 3), np.float32)
    batch[1] = 1
    space = Affine((16, 16, 3), border)
    z = np.random.default_rng(0).uniform(space.lower, space.upper, (3, 4))
    out = space.apply(batch, z)
    assert (out[0] == 0).all() or border == "white"
    assert (out[1] == 1).all() or border == "black"
    assert (out[2] == 0).all() or border == "white"


@pytest.mark.parametrize("border", BORDERS)
@pytest.mark.parametrize("shape", [(24, 24, 3), (16, 64, 3), (60, 12, 3), (2, 9, 1)])
def test_images_of_any_proportion_are_continued_within_all_bounds(shape: tuple[int, int, int], border: Border) -> None:
    height, width, _ = shape
    rng = np.random.default_rng(0)
    image = rng.random(shape, np.float32)
    space = Affine(shape, border)
    # The documented border, as pixels beside the image, bilinear between them.
    tiles = 16
    pad = [(tiles * height, tiles * height), (tiles * width, tiles * width), (0, 0)]
    level = image.mean(axis=(0, 1)) if border == "mean" else np.float32(border == "white")
    modes = {"edge": "edge", "mirror": "reflect"}
    plane = np.pad(image - level, pad, mode=modes.get(border, "constant")) + level  # type: ignore[call-overload]
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
