"""``bbdft apply``: the images written are those the model was sent."""

import json
from pathlib import Path

import cv2
import numpy as np
import onnxruntime as ort

from blackbox_dft import Tuning
from blackbox_dft.data import load
from blackbox_dft.images.files import read_image
from tests.conftest import Bbdft


def test_apply_writes_what_the_model_was_sent(run: Path, bbdft: Bbdft, tiny: Path, tmp_path: Path) -> None:
    done = bbdft("apply", run, tiny, tmp_path / "changed", code=0, fresh=True)
    assert "200 images" in done.stdout
    data = load(tiny / "labels.csv")
    expected = Tuning.load(run)(data.images)
    session = ort.InferenceSession(tiny / "model.onnx")
    right = []
    for number in data.splits["test"]:
        written = cv2.imread(str(tmp_path / "changed" / data.files[number]))[..., ::-1]
        np.testing.assert_array_equal(written, expected[number])
        (scores,) = session.run(None, {"image": (written / np.float32(255)).transpose(2, 0, 1)[None]})
        right.append(("dark", "bright")[scores.argmax()] == data.classes[data.labels[number]])
    assert np.mean(right) == json.loads((run / "summary.json").read_text())["accuracy"]["test"]["after"]


def test_apply_to_one_file_and_as_jpeg(run: Path, bbdft: Bbdft, tiny: Path, tmp_path: Path) -> None:
    bbdft("apply", run / "tuning.npz", tiny / "images/000.png", tmp_path / "one.png", code=0)
    assert read_image(tmp_path / "one.png").shape == (16, 16, 3)
    done = bbdft("apply", run, tiny / "images", tmp_path / "jpeg", "--format", "jpeg:80", code=0)
    assert "JPEG is lossy" in done.stdout
    assert len(list((tmp_path / "jpeg").glob("*.jpg"))) == 200
    again = bbdft("apply", run, tiny / "images", tmp_path / "jpeg", "--format", "jpeg:80", code=2)
    assert "--overwrite" in again.stderr


def test_apply_never_touches_its_source(run: Path, bbdft: Bbdft, tiny: Path) -> None:
    for out in (tiny / "images", tiny / "images" / "changed"):
        assert "give another folder" in bbdft("apply", run, tiny / "images", out, code=2).stderr
