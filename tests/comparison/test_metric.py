"""Comparisons by another metric than accuracy."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from blackbox_dft import compare
from blackbox_dft.errors import InputError
from blackbox_dft.report.compare_report import page, text_lines
from blackbox_dft.run.config import Config
from blackbox_dft.run.experiment import Experiment
from tests.conftest import Bbdft
from tests.helpers.comparisons import GAINING, assembled, read_json, read_table
from tests.helpers.html_page import read_page
from tests.helpers.tone_arrays import tone_arrays

COSTS = "true,dark,bright\ndark,0,1\nbright,5,0\n"
"""A bright image that is taken for a dark one is dear."""


def words(tiny: Path, out: Path, *more: object) -> list[object]:
    line = ["compare", tiny / "model.onnx", "--data", tiny / "labels.csv", "--out", out, "--space", "color"]
    return [*line, "--estimator", "surface", "--estimator", "spsa:pairs=8", "--budgets", "32,64", "--seeds", 1, *more]


@pytest.fixture(scope="module")
def by_cost(bbdft: Bbdft, tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cost")
    (folder / "costs.csv").write_text(COSTS)
    bbdft(*words(tiny, folder / "out", "--metric", f"cost:{folder / 'costs.csv'}", "--processes", 1), code=0)
    return folder


def test_levels_are_the_mean_costs_of_what_each_run_decides(by_cost: Path, tiny: Path) -> None:
    data = Experiment(Config(str(tiny / "model.onnx"), str(tiny / "labels.csv"))).data
    truth = data.labels[data.splits["test"]]
    found = read_json(by_cost / "out")
    assert found["metric"]["name"] == "cost"
    assert found["metric"]["less_is_better"]
    rows = {(row["estimator"], row["budget"]): row for row in read_table(by_cost / "out")}
    for variant in found["ways"]:
        path = next((by_cost / "out/runs").glob(f"color.{variant['estimator'][:4]}*.npz"))
        wrong = ~np.load(path)["right"]
        for at, (budget, point) in enumerate(zip((32, 64), variant["course"], strict=True)):
            # With two labels, a wrong decision is for the other one.
            cost = float((wrong[at] * np.where(truth == data.classes.index("bright"), 5, 1)).mean())
            assert point["median"] == pytest.approx(cost, abs=1e-6)
            row = rows[variant["estimator"], str(budget)]
            assert float(row["level"]) == pytest.approx(cost, abs=1e-6)
            assert float(row["accuracy"]) == pytest.approx(1 - wrong[at].mean(), abs=1e-6)
        # Costs are a mean over images, so that there can be a proof.
        assert len(variant["bills"]) == 2
    best = found["at"][1]["best"]
    assert found["ways"][best]["course"][1]["mean"] == min(way["course"][1]["mean"] for way in found["ways"])
    against = found["at"][1]["against_free"][best]
    free = found[found["free"]]
    # What is saved is a gain.
    assert against["difference"] == pytest.approx(free - found["ways"][best]["course"][1]["mean"], abs=1e-5)


def test_the_page_and_the_text_name_the_metric(by_cost: Path) -> None:
    found = read_json(by_cost / "out")
    lines = text_lines(found)
    assert any(line.startswith("median test mean cost at") for line in lines)
    assert not any(" -0" in line for line in lines)
    assert "test mean cost" in found["recommendation"]["sentence"] or found["recommendation"]["take"] is None
    text = read_page(by_cost / "out/compare.html").text
    assert "Test mean cost against tuning queries" in text
    assert "saved an image" in text
    assert "test accuracy" not in text.lower()
    if found["recommendation"]["take"] is not None:
        assert "--metric" in text


def test_costs_that_changed_are_another_comparison(by_cost: Path, bbdft: Bbdft, tiny: Path) -> None:
    line = words(tiny, by_cost / "out", "--metric")
    assert "was begun with --metric cost:" in bbdft(*line, "f1", code=2).stderr
    (by_cost / "others.csv").write_text(COSTS.replace("5", "7"))
    assert "was begun with --metric cost:" in bbdft(*line, f"cost:{by_cost / 'others.csv'}", code=2).stderr
    # The same costs, from whatever file, are the same comparison, and its runs are done.
    (by_cost / "same.csv").write_text(COSTS)
    bbdft(*line, f"cost:{by_cost / 'same.csv'}", code=0)


def test_what_is_no_mean_over_images_has_no_bill_and_says_why(tmp_path: Path) -> None:
    def score(images: Any) -> Any:
        second = images.mean((1, 2, 3)) / 255
        return np.stack([1 - second, second], 1)

    grid: dict[str, Any] = {"estimators": ["surface"], "spaces": ["color"], "budgets": [64], "seeds": 2}
    names = {"model_classes": ["dark", "bright"], "out": tmp_path / "out"}
    found = compare(score, tone_arrays(), metric="auc", progress=False, **grid, **names)
    assert found.results["metric"]["title"] == "AUC of 1"
    assert "bills" not in found.results["ways"][0]
    said = "AUC of 1 is no mean over images, so that no proof of it may stop at any time"
    assert said in str(found)
    assert said in page(found.results)
    assert "influence function" in page(found.results)
    names["out"] = tmp_path / "labels"
    with pytest.raises(InputError, match="needs probabilities, and the target returns labels without scores"):
        compare(lambda images: np.eye(2)[score(images).argmax(1)], tone_arrays(), metric="auc", **grid, **names)


@pytest.mark.parametrize("option", [{"views": 2}, {"evaluate": "enough"}, {"known": "known.csv"}])
def test_options_of_a_run_alone_are_refused(option: dict[str, Any]) -> None:
    with pytest.raises(InputError, match=f"{next(iter(option))}= has no effect in a comparison: leave it out"):
        compare(len, tone_arrays(), estimators=["surface"], spaces=["color"], **option)


def test_a_comparison_of_an_earlier_version_is_by_accuracy() -> None:
    found = assembled(GAINING)
    assert found["metric"]["name"] == "accuracy"
    old = json.loads(json.dumps({key: value for key, value in found.items() if key != "metric"}))
    # One of an earlier version looks the same.
    assert (text_lines(old), page(old)) == (text_lines(found), page(found))
