"""The learned change in words and pictures."""

import numpy as np
import pytest

from blackbox_dft.deploy.tuning import Tuning
from blackbox_dft.images.sample_card import card
from blackbox_dft.report.change import field, in_words, part_effects
from tests.helpers.pixels import noise


@pytest.mark.parametrize(
    ("name", "z", "words"),
    [
        ("zoom", 1, "11% larger"), ("right", -2, "10.0% of the image left"), ("down", 1, "of the image down"),
        ("turn", 2, "10.0° counter-clockwise"), ("gain", 1, "× 1.10"), ("bias", -1, "-13 levels"),
        ("gamma", 1, "darker"), ("saturation", 1, "× 1.20"), ("temperature", 1, "warmer"), ("tint", -1, "green"),
        ("stretch", 2, "40% of the way to its own full contrast"), ("level", -1, "10% of the way away from a common"),
        ("balance", 1, "20% of the way to a grey mean"), ("sharpness", -2, "details × 0.50: blurred"),
        ("sharpness", 4, "sharper"), ("luma 0,1", 3, ""),
    ],
)  # fmt: skip
def test_numbers_in_words(name: str, z: float, words: str) -> None:
    assert words in in_words(name, z)


def tuning(space: str, size: int, **values: float) -> Tuning:
    z = np.zeros(size)
    for place, value in values.items():
        z[int(place.removeprefix("z"))] = value
    return Tuning(space, z, (16, 16, 3), 0.1, "rgb", "none")


def test_each_part_is_measured_alone() -> None:
    color, dct = part_effects(tuning("color+dct:2", 18, z0=1), noise(4, 16, 16, 3))
    assert (color.spec, color.numbers, color.additive) == ("color", 6, False)
    assert color.values[0] == ("gain", "+1.00", "contrast × 1.10")
    assert color.psnr_db is not None
    assert (dct.spec, dct.psnr_db, dct.additive) == ("dct:2", None, True)


def test_the_additive_field_leaves_out_the_other_parts() -> None:
    assert field(tuning("color", 6, z0=1)) is None
    still = field(tuning("color+dct:2", 18, z0=1))
    assert still is not None
    assert (still == 128).all()
    moved = field(tuning("color+dct:2", 18, z6=1))
    assert moved is not None
    assert (moved != 128).any()


@pytest.mark.parametrize("shape", [(32, 32, 3), (8, 20, 1), (1, 1, 3)])
def test_the_test_card_has_any_shape(shape: tuple[int, int, int]) -> None:
    image = card(shape)
    assert (image.shape, image.dtype) == (shape, np.uint8)
