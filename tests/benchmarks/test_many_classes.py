"""Generated tasks of many classes, and a whole run on one of which splits lack classes."""

import re
from pathlib import Path

import cv2

from benchmarks.accuracy.many_classes import Made, dataset, model
from blackbox_dft import Config, optimize
from blackbox_dft.report.breakdown import per_class
from blackbox_dft.report.run_report import MAX_HISTOGRAMS, write_run_report
from blackbox_dft.run.predictions import Predictions
from blackbox_dft.targets import make_target

MADE = Made(30, train=2, val=1, test=4, share=0.5)


def write(folder: Path) -> Path:
    data = dataset(MADE, folder)
    split = {number: name for name, numbers in data.splits.items() for number in numbers.tolist()}
    lines = ["file,label,split"]
    for number, image in enumerate(data.images):
        # Nothing of the first class is in test.
        if split[number] != "test" or data.labels[number]:
            cv2.imwrite(str(folder / f"{number}.png"), image)
            lines.append(f"{number}.png,c{data.labels[number]},{split[number]}")
    (folder / "labels.csv").write_text("\n".join(lines) + "\n")
    return folder / "labels.csv"


def test_the_model_knows_its_patterns_and_the_camera_hides_some(tmp_path: Path) -> None:
    data = dataset(MADE, tmp_path)
    assert {split: len(numbers) for split, numbers in data.splits.items()} == {"train": 60, "val": 15, "test": 120}
    with make_target(str(model(tmp_path / "model.onnx", 30))) as target:
        assert target.classes == tuple(f"c{number}" for number in range(30))
        right = target.scores(data.images).argmax(axis=1) == data.labels
    assert 0.3 < right.mean() < 0.9


def test_a_run_in_which_splits_lack_classes(tmp_path: Path) -> None:
    found = optimize(
        Config(str(model(tmp_path / "model.onnx", 30)), str(write(tmp_path)), space="affine+color", budget=900),
        tmp_path / "run",
    )
    assert found.summary.accuracy["test"].n == 116
    run = tmp_path / "run"
    write_run_report(run)
    page = (run / "report.html").read_text(encoding="utf-8")
    assert "Test accuracy per class, those that changed most of 29" in page
    assert "those that changed most, of 29" in (run / "report.txt").read_text()
    # The scores that are drawn are those of the classes that changed most.
    changes = {one.name: abs(one.change) for one in per_class(Predictions.read(run))}
    drawn = re.findall(r"Histogram of the probability of (c\d+) ", page)
    assert len(drawn) == MAX_HISTOGRAMS
    assert min(changes[name] for name in drawn) >= sorted(changes.values())[-MAX_HISTOGRAMS]
