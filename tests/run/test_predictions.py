"""The file of a run's predictions."""

from pathlib import Path

import numpy as np
import pytest

from blackbox_dft.errors import InputError
from blackbox_dft.run.predictions import Predictions
from tests.helpers.predictions import made_up


def test_predictions_come_back_from_their_file(tmp_path: Path) -> None:
    odd = made_up([0, 1], [0, 0], [0, 1], groups=np.array([3, 4]), traits={"\udcff": ("ü", "\udc80")})
    odd.write(tmp_path)
    back = Predictions.read(tmp_path)
    assert (back.classes, back.files, dict(back.traits)) == (odd.classes, odd.files, dict(odd.traits))
    np.testing.assert_array_equal(back.after, odd.after)
    assert back.groups is not None
    np.savez(tmp_path / "answers.npz", labels=np.array([print], dtype=object))
    with pytest.raises(InputError, match="cannot be read"):
        Predictions.read(tmp_path)
