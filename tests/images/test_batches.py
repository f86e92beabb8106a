"""as_batch: arrays of any type, lists and Pillow images as one batch."""

import numpy as np
import pytest
from PIL import Image

from blackbox_dft.errors import InputError
from blackbox_dft.images.batches import as_batch
from blackbox_dft.images.encoding import to_floats

LEVELS = np.random.default_rng(0).integers(0, 256, (2, 4, 5, 3)).astype(np.uint8)


@pytest.mark.parametrize("kind", [np.uint8, np.int16, np.int64, np.uint16])
def test_whole_numbers_are_levels(kind: type) -> None:
    batch = as_batch(LEVELS.astype(kind))
    assert batch.dtype == np.uint8
    np.testing.assert_array_equal(batch, LEVELS)


@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_floats_from_0_to_1_equal_levels_to_the_bit(kind: type) -> None:
    floats = LEVELS.astype(kind) / kind(255)
    np.testing.assert_array_equal(as_batch(floats), to_floats(LEVELS))
    np.testing.assert_array_equal(as_batch(list(floats)), to_floats(LEVELS))


def test_one_image_is_a_batch_of_one() -> None:
    np.testing.assert_array_equal(as_batch(LEVELS[0]), LEVELS[:1])
    np.testing.assert_array_equal(as_batch(Image.fromarray(LEVELS[0])), LEVELS[:1])
    np.testing.assert_array_equal(as_batch(LEVELS[0].tolist()), LEVELS[:1])


def test_lists_are_stacked_whatever_they_hold() -> None:
    np.testing.assert_array_equal(as_batch([LEVELS[0], Image.fromarray(LEVELS[1])]), LEVELS)
    np.testing.assert_array_equal(as_batch((Image.fromarray(LEVELS[0]), LEVELS[1] / 255)), to_floats(LEVELS))


def test_pillow_images_are_read_as_files_are() -> None:
    grey = Image.fromarray(LEVELS[0, ..., 0])
    np.testing.assert_array_equal(as_batch(grey)[0], np.repeat(LEVELS[0, ..., :1], 3, axis=2))
    turned = Image.fromarray(LEVELS[0])
    turned.getexif()[274] = 6
    np.testing.assert_array_equal(as_batch(turned)[0], np.rot90(LEVELS[0], 3))
    with pytest.raises(InputError, match=r"a Pillow image holds int32 numbers.*convert it to RGB"):
        as_batch(Image.fromarray(np.full((4, 5), 70000, np.int32)))


def test_rounding_may_leave_the_range_by_half_a_level() -> None:
    assert as_batch(np.array([[[[-1e-7, 0.5, 1 + 1e-7]]]])).ravel().tolist() == [0, 0.5, 1]


@pytest.mark.parametrize(
    ("images", "words"),
    [
        (LEVELS.astype(np.float32), "float32 from 0 to 255, and may be levels: give them as uint8, or divided by 255"),
        (LEVELS / 127.5 - 1, "float64 from -1 to 1: give uint8, or floats in"),
        (np.full((1, 2, 2, 3), np.nan), "images hold NaN, which is no colour: fill it in"),
        (np.full((1, 2, 2, 3), 40000, np.uint16), "uint16 from 0 to 40000: give uint8"),
        (LEVELS.astype(np.int16) - 1, "int16 from -1"),
        (LEVELS > 100, "images are bool, not numbers"),
        (np.array(["a.png"]), "not numbers"),
        ("a.png", "not numbers"),
        (None, "not numbers"),
        ([LEVELS[0], LEVELS[0, :2]], r"several shapes, such as \(2, 5, 3\) and \(4, 5, 3\): resize"),
        ([[1, 2], [3]], "images are not an array"),
    ],
    ids=str,
)
def test_what_is_ambiguous_is_refused_in_one_sentence(images: object, words: str) -> None:
    with pytest.raises(InputError, match=words) as error:
        as_batch(images)
    assert "\n" not in str(error.value)
