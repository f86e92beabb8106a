"""Additive spaces: epsilon, bases, distance."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from blackbox_dft.images.encoding import to_bytes, to_floats
from blackbox_dft.spaces import distance_of, make_space
from tests.helpers.models import SHAPE
from tests.helpers.spaces import images


@pytest.mark.parametrize("spec", ["pixel", "tanh", "dct:4", "grid:3"])
@pytest.mark.parametrize("channels", ["rgb", "luma"])
@settings(max_examples=25, deadline=None)
@given(given_images=images, scale=st.floats(0, 100), levels=st.floats(1, 60), seed=st.integers(0, 99))
def test_epsilon_holds_after_rounding(
    spec: str, channels: str, given_images: np.ndarray, scale: float, levels: float, seed: int
) -> None:
    epsilon = levels / 255
    space = make_space(spec, SHAPE, epsilon=epsilon, channels=channels)
    z = np.random.default_rng(seed).normal(size=(len(given_images), space.size)) * scale
    sent = to_bytes(space.apply(to_floats(given_images), z))
    moved = np.abs(sent.astype(int) - given_images)
    assert moved.max() <= np.floor(levels + 1e-6)
    if channels == "luma" and spec != "tanh":
        field = sent.astype(int) - given_images
        inside = ((given_images > 60) & (given_images < 195)).all(axis=3)
        assert (np.ptp(field[inside], axis=-1) == 0).all()


def test_additive_changes_reach_epsilon_and_are_about_epsilon_for_standard_normal_z() -> None:
    grey = np.full((64, 32, 32, 3), 0.5, np.float32)
    for spec in ("pixel", "dct:8", "grid:8"):
        space = make_space(spec, (32, 32, 3), epsilon=8 / 255, channels="luma", levels=False)
        z = np.random.default_rng(0).normal(size=(64, space.size))
        assert np.abs(space.apply(grey, 50 * z) - grey).max() == pytest.approx(8 / 255, abs=1e-6)
        small = (space.apply(grey, 0.05 * z) - grey) / 0.05
        assert np.sqrt((small**2).mean()) == pytest.approx(8 / 255, rel=0.25)


def test_dct_is_made_of_cosines_and_grid_of_tiles() -> None:
    grey = np.full((1, 16, 16, 3), 0.5, np.float32)
    dct = make_space("dct:4", (16, 16, 3), channels="luma", levels=False)
    z = np.zeros(dct.size)
    z[dct.names.index("luma 0,1")] = 0.1
    field = (dct.apply(grey, z) - grey)[0, :, :, 0]
    cosine = np.cos(np.pi * (np.arange(16) + 0.5) / 16)
    np.testing.assert_allclose(field, np.tile(field[:, :1] / cosine[0], 16) * cosine, atol=1e-7)
    grid = make_space("grid:2", (16, 16, 3), channels="luma", levels=False)
    z = np.array([1.0, 0, 0, 0])
    field = (grid.apply(grey, z) - grey)[0, :, :, 0]
    assert field[0, 0] == pytest.approx(8 / 255, abs=1e-6)
    assert field[15, 15] == 0
    assert (np.diff(field[0]) <= 0).all()


@pytest.mark.parametrize("spec", ["pixel", "tanh", "dct:4", "grid:3"])
@pytest.mark.parametrize("channels", ["rgb", "luma"])
@pytest.mark.parametrize("epsilon", [8 / 255, 1.0])
def test_the_distance_is_the_mean_squared_change_of_a_grey_image(spec: str, channels: str, epsilon: float) -> None:
    space = make_space(spec, SHAPE, epsilon=epsilon, channels=channels, levels=False)
    distance = distance_of(space)
    assert distance is not None
    z = 0.3 * np.random.default_rng(0).normal(size=(5, space.size))
    if epsilon == 1 and spec != "tanh":
        z /= 32  # So that nothing reaches black or white.
    grey = np.full((5, *SHAPE), 0.5, np.float32)
    moved = ((space.apply(grey, z) - grey).astype(np.float64) ** 2).reshape(5, -1).mean(axis=1)
    np.testing.assert_allclose(distance(z), moved, rtol=1e-4, atol=1e-9)
    assert distance(space.initial()[None])[0] == 0


@pytest.mark.parametrize("spec", ["dct:4", "grid:3"])
def test_the_field_of_the_last_z_is_remembered_to_the_bit(spec: str) -> None:
    grey = np.random.default_rng(0).random((2, 16, 16, 3), np.float32)
    space = make_space(spec, (16, 16, 3))
    candidates = np.random.default_rng(1).normal(size=(2, space.size)) * 20
    for z in (*candidates, *candidates[::-1]):
        rows = np.stack([z, z])
        np.testing.assert_array_equal(space.apply(grey, z), space.apply(grey, rows))
        np.testing.assert_array_equal(space.apply(grey, z), space.apply(grey, rows))
    # A vector that is changed in place is another z.
    moving = candidates[0].copy()
    before = space.apply(grey, moving)
    moving += 1
    np.testing.assert_array_equal(space.apply(grey, moving), space.apply(grey, moving[None]))
    assert (space.apply(grey, moving) != before).any()


def test_threads_with_a_z_of_their_own_do_not_mix_their_fields() -> None:
    space = make_space("dct:4", (16, 16, 3))
    grey = np.full((1, 16, 16, 3), 0.5, np.float32)
    candidates = np.random.default_rng(1).normal(size=(4, space.size))
    expected = [space.apply(grey, z[None]) for z in candidates]
    with ThreadPoolExecutor(4) as threads:
        for number, changed in enumerate(threads.map(lambda n: space.apply(grey, candidates[n % 4]), range(400))):
            np.testing.assert_array_equal(changed, expected[number % 4])
