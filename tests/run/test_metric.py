"""Runs that are judged by another metric than accuracy: choice, proof, verdict, report, resume, evaluate, Python."""

import csv
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from blackbox_dft import evaluate, load_run, optimize
from blackbox_dft.errors import InputError
from blackbox_dft.evaluation.metric import make_metric
from blackbox_dft.run.experiment import Experiment
from blackbox_dft.run.predictions import Predictions
from blackbox_dft.run.record import RunRecord
from tests.conftest import Bbdft

COSTS = {"dark": {"dark": 0, "bright": 1}, "bright": {"dark": 4, "bright": -0.5}}
TABLE = "true,dark,bright\ndark,0,1\nbright,4,-0.5\n"


@pytest.fixture(scope="module")
def folder(tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny task with a third as many bright images, all of which it gets wrong before, and a table of costs."""
    here = tmp_path_factory.mktemp("metric") / "here"
    shutil.copytree(tiny, here)
    with (here / "labels.csv").open(newline="") as file:
        rows = list(csv.reader(file))
    kept = [row for number, row in enumerate(rows[1:]) if row[1] == "dark" or number % 6 == 1]
    (here / "labels.csv").write_text("\n".join(",".join(row) for row in [rows[0], *kept]) + "\n")
    (here / "costs.csv").write_text(TABLE)
    return here


def arguments(folder: Path, out: str, *more: object) -> list[object]:
    usual = ["--data", "labels.csv", "--space", "color", "--seed", 1, "--out", out, "-q"]
    return ["optimize", "model.onnx", *usual, *more]


def summary_of(run: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((run / "summary.json").read_text())
    return found


@pytest.fixture(scope="module")
def cost_run(bbdft: Bbdft, folder: Path) -> Path:
    """A run by costs, all test images, whose file of costs is gone."""
    (folder / "costs2.csv").write_text(TABLE)
    bbdft(
        *arguments(folder, "cost", "--metric", "cost:costs2.csv", "--budget", 600),
        "--evaluate",
        "all",
        cwd=folder,
        code=0,
    )
    (folder / "costs2.csv").unlink()
    return folder / "cost"


def test_costs_are_the_verdict_and_accuracy_stays_beside(cost_run: Path) -> None:
    summary, predictions = summary_of(cost_run), Predictions.read(cost_run)
    judged, metric = summary["metric"], make_metric(f"cost:{json.dumps(COSTS)}", predictions.classes)
    before, after = (
        -metric.contributions(p, predictions.labels).mean() for p in (predictions.before, predictions.after)
    )
    assert (judged["name"], judged["less_is_better"], judged["decomposes"]) == ("cost", True, True)
    assert judged["before"] == pytest.approx(before, abs=1e-6)
    assert judged["after"] == pytest.approx(after, abs=1e-6)
    assert judged["gain"] == pytest.approx(before - after, abs=1e-6)
    assert judged["ci95"][0] <= judged["gain"] <= judged["ci95"][1]
    assert summary["verdict"] == "improved"
    right = (predictions.after.argmax(axis=1) == predictions.labels).mean()
    assert summary["accuracy"]["test"]["after"] == pytest.approx(right, abs=1e-6)


def test_the_report_its_text_and_the_terminal_say_the_metric(cost_run: Path, bbdft: Bbdft) -> None:
    judged, accuracy = summary_of(cost_run)["metric"], summary_of(cost_run)["accuracy"]["test"]
    page, text = (cost_run / "report.html").read_text(), (cost_run / "report.txt").read_text()
    assert "the tables below are of accuracy, not of mean cost:" in text
    assert "These tables are of accuracy, whatever the run is judged by." in page
    assert f"{judged['gain']:+.3g} <small>saved an image</small>" in page
    assert f"Mean cost {judged['after']:.3g}, {judged['before']:.3g} before" in page
    assert f"the mean cost of the {judged['n']} test images is {judged['after']:.3g}" in text
    assert f"accuracy {accuracy['before']:.3f} -> {accuracy['after']:.3f}" in text
    # Without the file of costs, and at no query.
    again = bbdft("resume", cost_run.name, "-q", cwd=cost_run.parent, code=0).stdout
    assert (
        f"test mean cost {judged['before']:.3g} -> {judged['after']:.3g} ({judged['gain']:+.3g} saved an image" in again
    )


def test_what_parts_bring_is_said_to_be_accuracy(folder: Path, bbdft: Bbdft) -> None:
    line = arguments(folder, "parts", "--space", "color+sharpness", "--metric", "f1", "--budget", 500)
    bbdft(*line, cwd=folder, code=0)
    assert bbdft("evaluate", "parts", "--parts", cwd=folder, code=0).stdout.startswith("accuracy, not F1 of dark:")
    bbdft("report", "parts", cwd=folder, code=0)
    page = (folder / "parts/report.html").read_text()
    assert "Test accuracy, whatever the run is judged by, with some of the parts at rest" in page


def test_a_run_holds_its_costs(cost_run: Path, folder: Path) -> None:
    config = RunRecord.read(cost_run).config
    assert json.loads(config.metric.removeprefix("cost:")) == {true: COSTS[true] for true in ("bright", "dark")}


def test_evaluate_takes_the_metric_of_the_run_or_another(cost_run: Path, bbdft: Bbdft) -> None:
    own = json.loads(bbdft("evaluate", cost_run, "--json", cwd=cost_run.parent, code=0).stdout)
    assert own["metric"]["name"] == "cost"
    assert own["metric"]["after"] == summary_of(cost_run)["metric"]["after"]
    other = json.loads(bbdft("evaluate", cost_run, "--metric", "auc", "--json", cwd=cost_run.parent, code=0).stdout)
    assert (other["metric"]["name"], other["metric"]["title"]) == ("auc", "AUC of dark")
    assert other["queries"]["total"] == 0
    assert other["accuracy"] == own["accuracy"]
    shown = bbdft("evaluate", cost_run, "--metric", "f1:bright", "-q", cwd=cost_run.parent, code=0).stdout
    assert "test F1 of bright" in shown
    assert "; accuracy " in shown
    bad = bbdft("evaluate", cost_run, "--metric", "f1:blue", "-q", cwd=cost_run.parent, code=2)
    assert "'blue' is no label of the data" in bad.stderr


def test_a_balanced_proof_takes_as_many_images_of_each_label(folder: Path, bbdft: Bbdft) -> None:
    bbdft(
        *arguments(folder, "balanced", "--metric", "balanced-accuracy", "--budget", 300),
        "--evaluate",
        "enough",
        cwd=folder,
        code=0,
    )
    summary, predictions = summary_of(folder / "balanced"), Predictions.read(folder / "balanced")
    counts = np.bincount(predictions.labels)
    assert counts[0] == counts[1]
    judged, proof = summary["metric"], summary["proof"]
    assert proof["method"] == "betting"
    assert proof["decided_at"] is None or proof["decided_at"] % 2 == 0
    # As many of each: their mean is the balanced accuracy; accuracy is that of the labels' own shares.
    right = [(p.argmax(axis=1) == predictions.labels) for p in (predictions.before, predictions.after)]
    assert judged["before"] == pytest.approx(right[0].mean(), abs=1e-6)
    experiment = Experiment(RunRecord.read(folder / "balanced").config)
    recalls = [right[0][predictions.labels == label].mean() for label in (0, 1)]
    assert summary["accuracy"]["test"]["before"] == pytest.approx(recalls @ experiment.held_shares, abs=1e-6)
    assert abs(summary["accuracy"]["test"]["before"] - judged["before"]) > 0.1


def test_python_and_the_command_line_do_the_same(folder: Path, cost_run: Path, tmp_path: Path) -> None:
    result = optimize(
        folder / "model.onnx", folder / "labels.csv", out=tmp_path / "run", space="color", seed=1, budget=600,
        evaluate="all", metric=COSTS, progress=False,
    )  # fmt: skip
    by_command = load_run(cost_run)
    assert result.metric == by_command.metric
    assert result.accuracy == by_command.accuracy
    np.testing.assert_array_equal(result.tuning.z, by_command.tuning.z)
    assert "test mean cost" in repr(result)
    assert "test mean cost before" in result._repr_html_()
    assert evaluate(result, metric="balanced-accuracy", progress=False).metric.name == "balanced-accuracy"
    assert result.plot_parts().axes[0].get_xlabel() == "test mean cost"


def test_f1_is_measured_on_a_number_of_images_fixed_before(folder: Path, bbdft: Bbdft) -> None:
    # So many queries would be too few to score all test images before and after, were the proof of accuracy.
    refused = bbdft(*arguments(folder, "f1", "--metric", "f1", "--budget", 140), cwd=folder, code=3)
    assert "evaluate" in refused.stderr
    for more in (["--evaluate", "enough"], ["--precision", 3]):
        error = bbdft(*arguments(folder, "f1", "--metric", "f1", "--budget", 600), *more, cwd=folder, code=2).stderr
        assert "no mean over images" in error
    bbdft(*arguments(folder, "f1", "--metric", "f1", "--budget", 600), cwd=folder, code=0)
    summary = summary_of(folder / "f1")
    assert (summary["proof"]["method"], summary["metric"]["decomposes"]) == ("bootstrap", False)
    assert "no mean over images" in summary["interval"]
    refused = bbdft("resume", "f1", "--evaluate", "enough", "-q", cwd=folder, code=2)
    assert "give --evaluate all, or a number" in refused.stderr


@pytest.mark.parametrize(
    ("metric", "part"),
    [
        ("f2", "it must be accuracy, balanced-accuracy"),
        ("cost:missing.csv", "--metric cost:missing.csv cannot be read"),
        ("cost:labels.csv", "no row for the label 'bright'"),
        ("f1:blue", "'blue' is no label of the data: it has bright, dark"),
    ],
)
def test_a_metric_that_cannot_be_used_is_an_error_before_any_query(
    metric: str, part: str, folder: Path, bbdft: Bbdft
) -> None:
    done = bbdft(*arguments(folder, "never", "--metric", metric), cwd=folder, code=2)
    assert part in done.stderr
    assert "Traceback" not in done.stderr
    assert not (folder / "never").exists()


def test_auc_needs_scores(folder: Path) -> None:
    from blackbox_dft.data import load

    data = load(str(folder / "labels.csv"))

    def label(images: np.ndarray) -> list[str]:
        return ["bright" if image.mean() > 116 else "dark" for image in images]

    with pytest.raises(InputError, match="returns labels without scores"):
        optimize(label, data, budget=600, space="color", metric="auc", model_classes=["bright", "dark"], progress=False)
    by_accuracy = optimize(label, data, budget=600, space="color", model_classes=["bright", "dark"], progress=False)
    with pytest.raises(InputError, match="returns labels without scores"):
        evaluate(by_accuracy, metric="auc", progress=False)


def test_runs_of_earlier_versions_are_of_accuracy(copied: Path, bbdft: Bbdft) -> None:
    config = json.loads((copied / "run/config.json").read_text())
    del config["config"]["metric"]
    (copied / "run/config.json").write_text(json.dumps(config))
    summary = summary_of(copied / "run")
    metric = summary.pop("metric")
    (copied / "run/summary.json").write_text(json.dumps(summary))
    old = load_run(copied / "run")
    assert (old.metric.name, old.metric.before, old.metric.after) == ("accuracy", metric["before"], metric["after"])
    assert old.config.metric == "accuracy"
    assert "% of the" in bbdft("report", "run", cwd=copied, code=0).stdout or "classified rightly" in old.sentence()
    bbdft("resume", "run", "-q", cwd=copied, code=0)
    assert summary_of(copied / "run")["metric"] == metric
