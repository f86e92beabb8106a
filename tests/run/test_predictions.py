"""Predictions come back from their file; a damaged one is an error that says what to do."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from blackbox_dft import InputError
from blackbox_dft.run.predictions import FILE, Predictions
from tests.helpers.predictions import made_up

PREDICTIONS = Predictions(
    classes=("cat", "dog"),
    files=("a.png", "b.png", "c.png"),
    labels=np.array([0, 1, 1]),
    before=np.array([[0.75, 0.25], [0.5, 0.5], [1.0, 0.0]]),
    after=np.array([[0.25, 0.75], [0.125, 0.875], [0.0, 1.0]]),
    points=np.array([[32.0, 0.5, 0.75]]),
    estimates=np.array([[0.0, 0.5, 0.25, 0.75]]),
    groups=np.array([0, 0, 1]),
    traits={"light": ("day", "night", "day")},
)


def test_predictions_come_back_from_their_file(tmp_path: Path) -> None:
    PREDICTIONS.write(tmp_path)
    found = Predictions.read(tmp_path)
    assert (found.classes, found.files, found.traits) == (PREDICTIONS.classes, PREDICTIONS.files, PREDICTIONS.traits)
    for name in ("labels", "before", "after", "points", "estimates", "groups"):
        np.testing.assert_array_equal(getattr(found, name), getattr(PREDICTIONS, name))


def test_a_missing_or_damaged_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"has no answers\.npz: give 'bbdft resume"):
        Predictions.read(tmp_path)
    PREDICTIONS.write(tmp_path)
    data = (tmp_path / FILE).read_bytes()
    (tmp_path / FILE).write_bytes(data[: len(data) // 2])
    with pytest.raises(InputError, match=r"answers\.npz cannot be read"):
        Predictions.read(tmp_path)


def test_arrays_that_do_not_belong_together_are_an_error(tmp_path: Path) -> None:
    replace(PREDICTIONS, files=("a.png",)).write(tmp_path)
    with pytest.raises(InputError, match="do not belong together"):
        Predictions.read(tmp_path)


def test_odd_names_come_back_and_pickles_are_refused(tmp_path: Path) -> None:
    odd = made_up([0, 1], [0, 0], [0, 1], groups=np.array([3, 4]), traits={"\udcff": ("ü", "\udc80")})
    odd.write(tmp_path)
    back = Predictions.read(tmp_path)
    assert (back.classes, back.files, dict(back.traits)) == (odd.classes, odd.files, dict(odd.traits))
    np.testing.assert_array_equal(back.after, odd.after)
    assert back.groups is not None
    np.savez(tmp_path / "answers.npz", labels=np.array([print], dtype=object))
    with pytest.raises(InputError, match="cannot be read"):
        Predictions.read(tmp_path)
