"""Labels of new images: what is scored, what is free, and images that cannot be read."""

import csv
import json
import shutil
from pathlib import Path

import cv2
import numpy as np
import onnx
import pytest

from blackbox_dft import BudgetError, InputError, Tuning, open_evaluation, open_prediction
from blackbox_dft.run.evaluate import evaluate
from blackbox_dft.run.predict import PREDICTIONS, predict
from blackbox_dft.search.progress import NoProgress


def rows(folder: Path) -> list[dict[str, str]]:
    with (folder / "labels.csv").open() as file:
        return list(csv.DictReader(file))


def test_the_runs_own_images_are_free_and_as_accurate_as_in_the_evaluation(copied: Path) -> None:
    data = evaluate(open_evaluation(copied / "run", split="all"))
    prediction = open_prediction(copied / "run", [copied / "labels.csv"])
    result = predict(prediction)
    assert (result.queries, result.cached, prediction.queries) == (0, 200, 200)
    truth = [row["label"] for row in rows(copied)]
    right = np.mean([one == other for one, other in zip(result.table.decided, truth, strict=True)])
    assert right == pytest.approx(data.accuracy["all"].after, abs=1e-6)
    assert result.table.files == tuple(row["file"] for row in rows(copied))
    # All again, without the data of the run.
    shutil.move(copied / "labels.csv", copied / "new.csv")
    fresh = predict(open_prediction(copied / "run", [copied / "new.csv"], fresh=True))
    assert fresh.queries == 200
    np.testing.assert_allclose(fresh.table.probabilities, result.table.probabilities, atol=1e-6)
    plain = Tuning.load(copied / "run").predict(
        [cv2.imread(str(copied / row["file"]))[..., ::-1] for row in rows_of(copied / "new.csv")],
        str(copied / "model.onnx"),
    )
    np.testing.assert_allclose(plain, result.table.probabilities, atol=1e-5)


class Warned(NoProgress):
    def __init__(self) -> None:
        self.said: list[str] = []

    def warning(self, text: str) -> None:
        self.said.append(text)


def test_another_file_in_the_models_place_is_named(copied: Path) -> None:
    run, seen = copied / "run", Warned()
    predict(open_prediction(run, [copied / "labels.csv"]), seen)
    evaluate(open_evaluation(run), seen)
    assert not seen.said
    model = onnx.load(copied / "model.onnx")
    model.doc_string = "another"
    onnx.save(model, copied / "model.onnx")
    predict(open_prediction(run, [copied / "labels.csv"]), seen)
    evaluate(open_evaluation(run), seen)
    assert len(seen.said) == 2
    for text in seen.said:
        assert "model.onnx is another file, or describes itself otherwise, than at the run: 'bbdft check " in text


def rows_of(table: Path) -> list[dict[str, str]]:
    with table.open() as file:
        return list(csv.DictReader(file))


def test_new_images_are_paid_for_once_and_bad_ones_lose_no_other(copied: Path) -> None:
    new = copied / "new"
    new.mkdir()
    rng = np.random.default_rng(1)
    for number in range(6):
        cv2.imwrite(str(new / f"{number}.png"), rng.integers(0, 256, (20 + number, 16, 3), np.uint8))
    (new / "3.png").write_bytes(b"no image")
    with pytest.raises(BudgetError, match="5 images need 5 queries more, and --budget allows 4"):
        predict(open_prediction(copied / "run", [new], budget=4))
    result = predict(open_prediction(copied / "run", [new, "-"], [str(copied / "gone.png")], budget=5))
    assert (result.queries, result.cached) == (5, 0)
    assert [bool(error) for error in result.table.errors] == [False, False, False, True, False, False, True]
    assert result.table.errors[6] == f"{copied / 'gone.png'} does not exist"
    assert [label is None for label in result.table.decided] == [False, False, False, True, False, False, True]
    again = predict(open_prediction(copied / "run", [new]))
    assert (again.queries, again.cached) == (0, 5)
    np.testing.assert_array_equal(again.table.probabilities, result.table.probabilities[:6])
    assert (copied / "run" / PREDICTIONS).exists()
    with pytest.raises(InputError, match=r"none of the 1 images can be read \(.*3\.png"):
        open_prediction(copied / "run", [new / "3.png"])


def test_a_run_that_cannot_predict_says_why(copied: Path) -> None:
    (copied / "run/summary.json").rename(copied / "summary.json")
    with pytest.raises(InputError, match="is not finished: continue it with 'bbdft resume"):
        open_prediction(copied / "run", [copied / "images"])
    (copied / "summary.json").rename(copied / "run/summary.json")
    path = copied / "run/tuning.npz"
    with np.load(path) as file:
        arrays = dict(file)
    arrays["about"] = np.array(json.dumps(json.loads(str(arrays["about"])) | {"scores": None}))
    np.savez(path, **arrays)
    with pytest.raises(InputError, match="does not say what the scores mean: give 'bbdft resume"):
        open_prediction(copied / "run", [copied / "images"])
