"""Compositions of spaces."""

import numpy as np
import pytest

from blackbox_dft.images.encoding import to_floats
from blackbox_dft.spaces import make_space
from blackbox_dft.spaces.composed import Composed
from tests.helpers.models import SHAPE, photos


def test_long_steps_are_those_of_the_parts_in_their_place() -> None:
    space = make_space("color+affine+dct:2", SHAPE)
    assert isinstance(space, Composed)
    np.testing.assert_array_equal(space.long_steps(), [[0] * 6 + [3.5, 0, 0, 0] + [0] * 12])
    assert make_space("color+dct:2", SHAPE).long_steps().shape == (0, 18)  # type: ignore[attr-defined]
    # Zooms of .7 and 1.42, and of .5 and 2, the ends of its range.
    np.testing.assert_allclose(np.exp(0.1 * np.array([3.5, 7])), [1.42, 2.01], atol=0.005)


def test_a_composition_concatenates_the_vectors_of_its_parts() -> None:
    space = make_space("affine+color+dct:4", SHAPE)
    assert space.size == 4 + 6 + 48 == len(space.names) == len(space.lower) == len(space.upper)
    assert space.spec == "affine+color+dct:4"
    assert space.names[0] == "affine zoom"
    assert np.isinf(space.upper[10:]).all()
    assert np.isfinite(space.upper[:10]).all()
    batch = to_floats(photos(2))
    z = np.random.default_rng(0).normal(size=space.size)
    steps = make_space("affine", SHAPE).apply(batch, z[:4])
    steps = make_space("color", SHAPE).apply(steps, z[4:10])
    steps = make_space("dct:4", SHAPE).apply(steps, z[10:])
    np.testing.assert_array_equal(space.apply(batch, z), steps)


def test_a_composition_passes_epsilon_and_channels_to_its_additive_part() -> None:
    space = make_space("affine+color+dct:4", SHAPE, epsilon=4 / 255, channels="luma")
    assert (space.epsilon, space.channels) == (4 / 255, "luma")
    assert make_space("affine+color", SHAPE).epsilon is None
    z = np.random.default_rng(0).normal(size=(3, space.size)) * 5
    batch = to_floats(photos(3))
    before = make_space("affine+color", SHAPE).apply(batch, z[:, :10])
    assert np.abs(space.apply(batch, z) - before).max() == pytest.approx(4 / 255, abs=1e-6)
