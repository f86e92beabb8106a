"""The colour space."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from blackbox_dft.images.encoding import LUMA_WEIGHTS, to_floats
from blackbox_dft.spaces import make_space
from blackbox_dft.spaces.blocks import changed_images
from blackbox_dft.spaces.color import MAX_Z


def test_each_coordinate_changes_a_colour_as_documented() -> None:
    space = make_space("color", (4, 4, 3))
    image = np.full((1, 4, 4, 3), (0.6, 0.4, 0.2), np.float32)

    def changed(name: str, z: float) -> np.ndarray:
        vector = np.zeros(space.size)
        vector[space.names.index(name)] = z
        return space.apply(image, vector)[0, 0, 0]

    np.testing.assert_allclose(changed("gain", 1), [0.66, 0.44, 0.22], atol=1e-6)
    np.testing.assert_allclose(changed("bias", 1), [0.65, 0.45, 0.25], atol=1e-6)
    np.testing.assert_allclose(changed("gamma", 1), np.array([0.6, 0.4, 0.2]) ** np.exp(0.1), atol=1e-6)
    luma = np.dot([0.6, 0.4, 0.2], [0.299, 0.587, 0.114])
    np.testing.assert_allclose(changed("saturation", -5), [luma] * 3, atol=1e-6)
    assert changed("temperature", 1)[0] > 0.6 > 0.2 > changed("temperature", 1)[2]
    assert changed("tint", 1)[1] < 0.4


def formula(images: np.ndarray, z: np.ndarray) -> np.ndarray:
    """What the module says of itself."""
    gain, bias, gamma, saturation, temperature, tint = z * [0.1, 0.05, 0.1, 0.2, 0.05, 0.05]
    # As floats: powers of numbers near zero amplify the last bit. The rest is in doubles.
    linear = to_floats(images) * np.float32(1 + np.float32(gain)) + np.float32(bias)
    x = np.clip(linear, 0, 1).astype(np.float64) ** np.exp(gamma)
    x += saturation * (x - (x @ LUMA_WEIGHTS.astype(float))[..., None])
    warmth = np.exp(temperature * np.array([1, 0, -1]) + tint * np.array([0.5, -1, 0.5]))
    return np.clip(x * warmth, 0, 1)


@settings(max_examples=60, deadline=None)
@given(z=arrays(np.float64, 6, elements=st.floats(-1, 1)), steep=st.booleans())
def test_the_table_of_bytes_is_the_formula_for_each_byte(z: np.ndarray, steep: bool) -> None:
    z = z * (list(MAX_Z.values()) if steep else 1)
    levels = np.arange(256, dtype=np.uint8)
    batch = np.stack([levels, levels[::-1], np.roll(levels, 77)], -1).reshape(1, 16, 16, 3)
    space = make_space("color", (16, 16, 3))
    by_table = changed_images(space, batch, z, levels=False)
    np.testing.assert_array_equal(by_table, space.apply(to_floats(batch), z))
    np.testing.assert_allclose(by_table, formula(batch, z), atol=2e-6)


@pytest.mark.parametrize("gamma", [-12, -3, 0, 3, 12])
def test_black_stays_black_for_every_gamma(gamma: float) -> None:
    space = make_space("color", (8, 8, 3))
    z = np.zeros(6)
    z[2] = gamma
    batch = np.zeros((2, 8, 8, 3), np.uint8)
    batch[1, 4:] = 255
    for images in (batch, to_floats(batch)):
        changed = changed_images(space, images, z, levels=False)
        assert (changed[batch == 0] == 0).all()
        np.testing.assert_allclose(changed[batch == 255], 1, atol=1e-6)
