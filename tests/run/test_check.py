"""Checks of a run whose model stays, is swapped, or is trained again; their record, and what they refuse."""

import json
import shutil
from pathlib import Path

import cv2
import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from blackbox_dft import InputError
from blackbox_dft.run.check import CHECKS, CheckResult, accuracy_change, open_check, run_check
from tests.helpers import half_model


def check(run: Path, images: int | None = None) -> CheckResult:
    return run_check(open_check(run, images))


def change(model: Path, **weights: np.ndarray) -> None:
    """Gives a model other weights."""
    made = onnx.load(model)
    for tensor in made.graph.initializer:
        if tensor.name in weights:
            tensor.CopyFrom(numpy_helper.from_array(weights[tensor.name].astype(np.float32), tensor.name))
    onnx.save(made, model)


def test_an_unchanged_model_is_found_unchanged_day_after_day(copied: Path) -> None:
    first = check(copied / "run", 40)
    assert (first.images, first.queries, first.checks, first.drift) == (40, 80, 1, False)
    for number in (2, 3):
        again = check(copied / "run")
        assert (again.queries, again.checks, again.drift, again.moved.largest) == (40, number, False, 0)
    assert again.accuracy["then"] == again.accuracy["now"] > 0.9
    low, high = again.change["ci95"]
    assert low < 0 < high < first.change["ci95"][1]
    record = json.loads((copied / "run" / CHECKS).read_text())
    assert len(record["images"]) == len(set(record["images"])) == 40
    labels = [dict(line.split(",") for line in (copied / "labels.csv").read_text().splitlines())[file]
              for file in record["images"]]  # fmt: skip
    assert abs(labels.count("dark") - 20) <= 1
    assert not list((copied / "run").glob("check.*"))
    assert again.to_json()["drift"] is False
    with pytest.raises(InputError, match="is checked with the 40 images of its first check: leave --images out"):
        open_check(copied / "run", 50)


def test_swapped_classes_and_a_retrained_model_are_found_at_the_first_check(copied: Path, tmp_path: Path) -> None:
    other = Path(shutil.copytree(copied, tmp_path / "other"))
    change(copied / "model.onnx", w=np.array([[40.0, -40.0]]), b=np.array([-20.0, 20.0]))
    found = check(copied / "run")
    assert found.drift
    assert found.moved.largest > 0.9
    assert len(found.files) > 30
    assert set(found.labels) == {"dark", "bright"}
    assert found.accuracy["now"] < 0.1
    assert any("accuracy over all checks is lower" in reason for reason in found.reasons)
    assert found.queries == 2 * found.images + 2 * 10
    assert "model.onnx is another file, or describes itself otherwise, than at the run" in found.notes[0]
    # Logits moved by .4, which moves scores near the middle by .1.
    change(other / "model.onnx", b=np.array([19.9, -19.9]))
    found = check(other / "run")
    assert found.drift
    assert found.moved.largest < 0.2
    assert found.accuracy["now"] > 0.8


def test_every_view_of_a_tuning_is_scored(tmp_path: Path) -> None:
    from blackbox_dft import Config, optimize

    folder = half_model.folder(tmp_path / "half")
    config = Config(str(folder / "model.onnx"), str(folder / "labels.csv"), space="color", budget=3000, views=2)
    result = optimize(config, tmp_path / "run")
    assert result.tuning.queries_per_image == 2
    found = check(tmp_path / "run", 30)
    assert (found.queries, found.drift, found.moved.largest) == (120, False, 0)
    assert 0.6 < found.accuracy["then"] == found.accuracy["now"]


def test_what_stands_in_the_way_of_a_check_is_said(copied: Path) -> None:
    run = copied / "run"
    check(run, 20)
    file = json.loads((run / CHECKS).read_text())["images"][3]
    old = (copied / file).read_bytes()
    blank = cv2.imencode(".png", np.full((16, 16, 3), 99, np.uint8))[1].tobytes()
    (copied / file).write_bytes(blank)
    with pytest.raises(InputError, match=f"{file} was changed or removed since the first check"):
        open_check(run)
    (copied / file).write_bytes(old)
    (run / CHECKS).write_text('{"images": []}')
    with pytest.raises(InputError, match=r"checks\.json cannot be read \('right'\): restore it, or move it away"):
        open_check(run)
    (run / CHECKS).unlink()
    for image in sorted((copied / "images").iterdir()):
        image.write_bytes(image.read_bytes() if image.name < "005" else blank)
    with pytest.raises(InputError, match=r"holds the scores of \d images under its tuning, and a check needs 10"):
        open_check(run)


def test_accuracy_may_be_looked_at_after_every_check() -> None:
    rng = np.random.default_rng(0)
    right = rng.random(60) < 0.9
    proof = accuracy_change(right, [right & (rng.random(60) > 0.1) for _ in range(10)])
    assert proof.verdict == "worse"
    assert proof.interval[0] < -0.08 < proof.interval[1] < 0
    # Noise that turns decisions at any time is no loss.
    noisy = [right ^ (rng.random(60) < 0.02) for _ in range(30)]
    assert accuracy_change(noisy[0], noisy).interval[1] > -0.02
