"""The demo's model and images: complete, small, and as hard to classify as the README says."""

from __future__ import annotations

import csv
import subprocess
import sys
from collections import Counter
from pathlib import Path

import cv2
import numpy as np
import onnx
import onnxruntime
import pytest

from blackbox_dft._utils.types import Array
from blackbox_dft.demo import assets


@pytest.fixture(scope="module")
def rows() -> list[dict[str, str]]:
    with (assets() / "labels.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def images(rows: list[dict[str, str]]) -> Array:
    return np.stack([cv2.imread(str(assets() / row["file"]), cv2.IMREAD_UNCHANGED) for row in rows])


def accuracy(images: Array, labels: Array) -> float:
    session = onnxruntime.InferenceSession(assets() / "digits.onnx", providers=["CPUExecutionProvider"])
    (scores,) = session.run(None, {"image": images.transpose(0, 3, 1, 2).astype(np.float32) / 255})
    assert scores.shape == (len(images), 10)
    np.testing.assert_allclose(scores.sum(axis=1), 1, atol=1e-5)
    return float((scores.argmax(axis=1) == labels).mean())


def test_the_table_names_every_image_once(rows: list[dict[str, str]]) -> None:
    named = [row["file"] for row in rows]
    present = {path.relative_to(assets()).as_posix() for path in (assets() / "images").iterdir()}
    assert len(named) == len(set(named)) == 800
    assert set(named) == present


def test_splits_hold_every_digit_about_equally_often(rows: list[dict[str, str]]) -> None:
    assert Counter(row["split"] for row in rows) == {"train": 240, "val": 160, "test": 400}
    for split, size in (("train", 240), ("val", 160), ("test", 400)):
        counts = Counter(row["label"] for row in rows if row["split"] == split)
        assert set(counts) == set("0123456789")
        assert min(counts.values()) >= 0.6 * size / 10


def test_images_are_small_colour_pngs_and_all_differ(images: Array) -> None:
    assert images.shape == (800, 32, 32, 3)
    assert images.dtype == np.uint8
    assert len({image.tobytes() for image in images}) == 800


def test_the_whole_is_small() -> None:
    sizes = {path: path.stat().st_size for path in assets().rglob("*") if path.is_file()}
    assert sizes[assets() / "digits.onnx"] <= 300_000
    assert sum(sizes.values()) <= 1_250_000


def test_the_model_is_valid_and_names_its_classes() -> None:
    model = onnx.load(assets() / "digits.onnx")
    onnx.checker.check_model(model, full_check=True)
    assert {entry.key: entry.value for entry in model.metadata_props} == {"classes": "0,1,2,3,4,5,6,7,8,9"}


def test_the_worse_scanner_costs_accuracy_that_can_be_won_back(rows: list[dict[str, str]], images: Array) -> None:
    test = np.array([row["split"] == "test" for row in rows])
    labels = np.array([int(row["label"]) for row in rows])[test]
    assert 0.7 <= accuracy(images[test], labels) <= 0.8

    # The scanner's change undone by hand, with the constants of the training script.
    done = cv2.getRotationMatrix2D((15.5, 15.5), -9.0, 0.9)
    done[:, 2] += 2.0, -1.5
    undo = cv2.invertAffineTransform(done)
    lighter = (images[test].astype(np.float32) * 1.35).clip(0, 255)
    mended = [cv2.warpAffine(image, undo, (32, 32), borderMode=cv2.BORDER_REFLECT) for image in lighter]
    assert accuracy(np.stack(mended), labels) >= 0.95


def test_the_licence_of_the_data_is_stated() -> None:
    text = (assets() / "README.md").read_text(encoding="utf-8")
    for words in ("CC BY 4.0", "Alpaydin", "Kaynak", "https://doi.org/10.24432/C50P49", "scikit-learn", "changed"):
        assert words in text


def test_naming_the_folder_imports_nothing_heavy() -> None:
    code = (
        "import sys; from blackbox_dft.demo import assets; assets(); "
        "print(*{'cv2', 'onnx', 'onnxruntime', 'scipy', 'pandas'} & set(sys.modules))"
    )
    root = Path(__file__).parents[2]
    done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""
