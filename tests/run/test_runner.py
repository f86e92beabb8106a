"""Runs from Python: every estimator in every space, a run with nothing to gain, and two on real faces."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from blackbox_dft import Config
from blackbox_dft.run.runner import optimize, resume
from blackbox_dft.search.progress import NoProgress, Point


@pytest.mark.slow
@pytest.mark.parametrize("estimator", ["nes", "spsa", "spsa:correction=true", "finite-difference", "cma-es", "random"])
def test_every_estimator_in_every_space_finishes_and_resumes_to_the_same_summary(
    estimator: str, tiny: Path, tmp_path: Path
) -> None:
    for space in ("pixel", "tanh", "dct:4", "grid:3", "color", "affine", "affine+color+dct:4"):
        config = Config(str(tiny / "model.onnx"), str(tiny / "labels.csv"), space, estimator=estimator, budget=4000)
        out = tmp_path / space
        summary = optimize(config, out).summary
        test = summary.accuracy["test"]
        assert summary.queries.total <= 4000
        assert test.ci95[1] >= 0, (space, test)
        assert resume(out).summary.accuracy == summary.accuracy


class Interrupt(NoProgress):
    """Stops the search after so many steps."""

    def __init__(self, steps: int) -> None:
        self.left = steps

    def step(self, point: Point) -> None:
        self.left -= 1
        if not self.left:
            raise KeyboardInterrupt


@pytest.mark.parametrize(("estimator", "in_flight"), [("surface", 1), ("surface", 3), ("nes", 3), ("cma-es", 1)])
@pytest.mark.parametrize("steps", [1, 4])
def test_a_search_interrupted_while_its_start_is_raced_goes_on_to_the_bit(
    estimator: str, in_flight: int, steps: int, tiny: Path, tmp_path: Path
) -> None:
    config = Config(
        str(tiny / "model.onnx"), str(tiny / "labels.csv"), "affine+color", estimator=estimator, in_flight=in_flight,
        budget=1000,
    )  # fmt: skip
    whole = optimize(config, tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        optimize(config, tmp_path / "cut", Interrupt(steps))
    again = resume(tmp_path / "cut")
    np.testing.assert_array_equal(again.tuning.z, whole.tuning.z)
    assert again.trajectory.points == whole.trajectory.points
    assert again.summary.queries.total == whole.summary.queries.total


def test_a_run_that_scores_nothing_keeps_its_speed(tiny: Path, tmp_path: Path) -> None:
    config = Config(str(tiny / "model.onnx"), str(tiny / "labels.csv"), "affine", budget=600)
    summary = optimize(config, tmp_path / "run").summary
    assert summary.images_per_second > 0
    assert resume(tmp_path / "run").summary.images_per_second == summary.images_per_second


def test_a_run_on_shuffled_labels_finds_no_change(tiny: Path, tmp_path: Path) -> None:
    table = pd.read_csv(tiny / "labels.csv")
    table["label"] = np.random.default_rng(0).permutation(table["label"])
    table.to_csv(tiny / "shuffled.csv", index=False)
    config = Config(str(tiny / "model.onnx"), str(tiny / "shuffled.csv"), "color", budget=2000)
    assert optimize(config, tmp_path / "run").summary.verdict == "no significant change"
    (tiny / "shuffled.csv").unlink()


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1])
def test_gender_on_real_faces(shared: Path, tmp_path: Path, seed: int) -> None:
    config = Config(
        str(shared / "models/age_gender_faceapi.onnx"),
        str(shared / "data/lfw/labels_gender.csv"),
        space="affine+color",
        budget=6000,
        seed=seed,
    )
    summary = optimize(config, tmp_path / "run").summary
    assert summary.verdict == "improved"
    assert summary.accuracy["test"].before == pytest.approx(0.882, abs=0.0006)
    assert summary.accuracy["test"].after >= 0.935
    assert summary.beats_threshold
