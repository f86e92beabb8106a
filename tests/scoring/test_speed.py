"""Speed of a target: kept from run to run, or by a first look at a local model."""

import math
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from blackbox_dft.demo import assets
from blackbox_dft.scoring.speed import MIN_IMAGES, measured_speed, remember_speed, remembered_speed
from blackbox_dft.targets import make_target
from blackbox_dft.targets.base import Target
from blackbox_dft.targets.callable import CallableTarget


@pytest.fixture
def model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Target:
    monkeypatch.setenv("BBDFT_CACHE", str(tmp_path / "cache"))
    return make_target(str(assets() / "digits.onnx"))


def test_the_speed_of_the_last_long_run_is_kept(model: Target) -> None:
    assert remembered_speed(model) is None
    remember_speed(model, MIN_IMAGES - 1, 1.0)
    assert remembered_speed(model) is None
    remember_speed(model, 300, 2.0)
    assert remembered_speed(model) == 150
    remember_speed(model, 500, 2.0)
    assert remembered_speed(model) == 250
    assert remembered_speed(make_target(str(assets() / "digits.onnx"))) == 250


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"images_per_second": 0}', '{"images_per_second": "fast"}'])
def test_a_damaged_file_counts_as_none(text: str, model: Target, tmp_path: Path) -> None:
    remember_speed(model, 300, 2.0)
    (kept,) = (tmp_path / "cache/speeds").iterdir()
    kept.write_text(text)
    assert remembered_speed(model) is None


def test_a_cache_that_cannot_be_written_is_no_error(
    model: Target, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("BBDFT_CACHE", str(tmp_path / "file"))
    remember_speed(model, 300, 2.0)
    assert remembered_speed(model) is None


def test_only_a_model_in_a_file_is_measured(model: Target) -> None:
    images = np.zeros((3, 32, 32, 3), np.uint8)
    speed = measured_speed(model, images)
    assert speed is not None
    assert 0 < speed < math.inf
    calls: list[int] = []

    def score(images: npt.NDArray[np.uint8]) -> npt.NDArray[np.float64]:
        calls.append(len(images))
        return np.ones((len(images), 2))

    assert measured_speed(CallableTarget("score", function=score), images) is None
    assert not calls
