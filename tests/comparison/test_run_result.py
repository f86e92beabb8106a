"""The file of one run's result."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from blackbox_dft._utils.types import Floats
from blackbox_dft.comparison.judged import Judged
from blackbox_dft.comparison.run_result import RunResult

RESULT = RunResult(
    np.array([100, 200, 300]), np.array([96, 192, 288]), np.array([64, 64, 80]),
    Judged.by_accuracy(np.array([[True, False], [True, True], [False, True]])), np.array([[0.0], [0.5], [1.0]]),
    ("identity", "last iterate", "mean"), 500,
)  # fmt: skip


def test_a_result_comes_back_cut_to_the_budgets(tmp_path: Path) -> None:
    RESULT.save(tmp_path / "run.npz")
    found = RunResult.load(tmp_path / "run.npz", [100, 300])
    assert found is not None
    assert (found.chosen, found.paid) == (("identity", "mean"), 500)
    for name in ("budgets", "spent", "val_images", "z"):
        np.testing.assert_array_equal(getattr(found, name), getattr(RESULT, name)[[0, 2]])
    for name in ("right", "measured", "averaged"):
        np.testing.assert_array_equal(getattr(found.judged, name), getattr(RESULT.judged, name)[[0, 2]])


@pytest.mark.parametrize("averaged", [None, np.array([[-5.0, 0.0], [0.0, 0.0], [-1.0, 0.0]])])
def test_a_metric_comes_back_too(averaged: Floats | None, tmp_path: Path) -> None:
    measured = np.array([[-4.5, 0.5], [0.0, 0.0], [-1.0, 0.0]])
    judged = Judged(RESULT.judged.right, measured, averaged)
    replace(RESULT, judged=judged).save(tmp_path / "run.npz")
    found = RunResult.load(tmp_path / "run.npz", [200, 300])
    assert found is not None
    for name in ("right", "measured", "averaged"):
        kept = getattr(judged, name)
        np.testing.assert_array_equal(getattr(found.judged, name), kept if kept is None else kept[1:])


def test_a_missing_budget_is_no_result(tmp_path: Path) -> None:
    RESULT.save(tmp_path / "run.npz")
    assert RunResult.load(tmp_path / "run.npz", [100, 150]) is None


@pytest.mark.parametrize("size", [None, 0, 50, 400])
def test_a_missing_or_damaged_file_is_no_result(size: int | None, tmp_path: Path) -> None:
    path = tmp_path / "run.npz"
    if size is not None:
        RESULT.save(path)
        path.write_bytes(path.read_bytes()[:size])
    assert RunResult.load(path, [100]) is None
