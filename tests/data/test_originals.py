"""Originals: images at their own sizes in random order, with one a class and without splits."""

from pathlib import Path

import numpy as np
import pytest

from blackbox_dft.data import load
from blackbox_dft.data.originals import list_originals
from blackbox_dft.errors import InputError
from tests.helpers.datasets import SPLIT, table
from tests.helpers.images import save


def test_one_image_a_class_is_enough_and_sizes_are_kept(tmp_path: Path) -> None:
    for number in range(12):
        save(tmp_path / str(number) / "x.png", np.full((3 + number, 4, 3), number, np.uint8))
    originals = list_originals(tmp_path, count=10)
    assert originals.classes == tuple(map(str, range(12)))
    for place, label in enumerate(originals.labels.tolist()):
        image = originals.image(place)
        assert image.shape == (3 + label, 4, 3)
        assert (image == label).all()
    assert len(set(originals.rows.tolist())) == 10
    assert originals.rows.tolist() != list_originals(tmp_path, count=10, seed=1).rows.tolist()


def test_images_of_the_test_split_come_last(tmp_path: Path) -> None:
    originals = list_originals(table(tmp_path, SPLIT), count=16)
    splits = [originals.listing.rows[row].split for row in originals.rows.tolist()]
    assert splits[-6:] == ["test"] * 6
    assert "test" not in splits[:10]
    assert originals.classes == load(tmp_path / "t.csv").classes


def test_a_source_that_does_not_exist_is_an_input_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="does not exist"):
        list_originals(tmp_path / "none.csv", count=3)
