"""Bytes to floats and back, luma weights, and the encodings sent to a target."""

import numpy as np
import pytest

from blackbox_dft.errors import InputError
from blackbox_dft.images.encoding import LUMA_WEIGHTS, Encoding, to_bytes, to_floats
from tests.helpers.images import COLORS

LEVELS = np.arange(256, dtype=np.uint8)


def test_floats_are_levels_divided_by_255() -> None:
    floats = to_floats(LEVELS)
    assert floats.dtype == np.float32
    np.testing.assert_array_equal(floats, np.arange(256, dtype=np.float32) / np.float32(255))
    assert floats[[0, 51, 255]].tolist() == [0, np.float32(0.2), 1]
    out = np.empty(256, np.float32)
    assert to_floats(LEVELS, out) is out
    np.testing.assert_array_equal(out, floats)
    assert to_floats(floats) is floats
    out[:] = 7
    assert to_floats(floats, out) is out
    np.testing.assert_array_equal(out, floats)


def test_bytes_are_the_nearest_levels_and_halves_go_up() -> None:
    np.testing.assert_array_equal(to_bytes(to_floats(LEVELS)), LEVELS)
    assert to_bytes(LEVELS) is LEVELS
    # .5, 1.5 and 2.5 levels; to even would give 0, 2 and 2.
    halves = np.array([0.5, 1.5, 2.5]) / 255
    assert to_bytes(halves.astype(np.float32)).tolist() == [1, 2, 3]
    assert to_bytes(np.array([0.49, 254.49, 254.51], np.float32) / 255).tolist() == [0, 254, 255]
    # So a shift by whole levels commutes with rounding.
    values = np.random.default_rng(0).uniform(0, 0.9, 1000)
    np.testing.assert_array_equal(to_bytes(values + 20 / 255), to_bytes(values) + 20)


def test_luma_weights_are_those_of_bt_601() -> None:
    assert LUMA_WEIGHTS.dtype == np.float32
    assert LUMA_WEIGHTS.tolist() == np.array([0.299, 0.587, 0.114], np.float32).tolist()
    assert LUMA_WEIGHTS.sum() == pytest.approx(1)


@pytest.mark.parametrize("text", ["none", "png", "jpeg:60"])
def test_unchanged_bytes_are_encoded_like_their_floats(text: str) -> None:
    encoding = Encoding.parse(text)
    assert str(encoding) == text
    images = COLORS[None]
    sent = encoding.encode_bytes(images)
    np.testing.assert_array_equal(sent, encoding.encode(to_floats(images)))
    assert sent.dtype == (np.uint8 if encoding.levels else np.float32)
    assert (sent == images).all() == (text == "png")


@pytest.mark.parametrize("text", ["", "jpg", "png:3", "none:1", "jpeg", "jpeg:0", "jpeg:101", "jpeg:x", "jpeg:-1"])
def test_unknown_encodings_are_refused(text: str) -> None:
    with pytest.raises(InputError, match="give --encoding none, png or jpeg:Q with Q from 1 to 100"):
        Encoding.parse(text)
