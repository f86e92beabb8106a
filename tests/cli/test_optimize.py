"""``bbdft optimize`` as users start it: real processes, real files."""

import json
import re
from pathlib import Path

import numpy as np
import pytest

from blackbox_dft import Config, Tuning
from blackbox_dft.cli.run_command import time_lines
from blackbox_dft.fusion.fused_path import FusedPath
from blackbox_dft.images.files import read_image
from blackbox_dft.run.experiment import Experiment
from tests.conftest import Bbdft
from tests.helpers.main_job import words
from tests.helpers.serving import serving

KEYS = [
    "target", "space", "epsilon", "estimator", "distance_weight", "seed", "budget", "repeats", "queries", "accuracy",
    "threshold", "calibrated", "parts", "space_parts", "proof", "mcnemar_p", "psnr_db", "ssim", "verdict",
    "beats_threshold", "no_score", "scored", "warnings", "interval",
    "chosen", "images", "skipped", "objective", "scores", "stopped_early", "metric", "queries_per_image", "views",
    "price", "input", "seconds", "images_per_second",
]  # fmt: skip


def test_a_run_improves_and_says_so(run: Path) -> None:
    summary = json.loads((run / "summary.json").read_text())
    assert list(summary) == KEYS
    assert list(summary["queries"]) == [
        "total",
        "tune",
        "select",
        "evaluate",
        "watch",
        "cached",
        "in_doubt",
        "views",
        "input",
    ]
    assert list(summary["accuracy"]) == ["val", "test"]
    assert list(summary["accuracy"]["test"]) == ["before", "after", "n", "ci95"]
    assert list(summary["threshold"]) == ["test", "ci95", "bias"]
    test = summary["accuracy"]["test"]
    assert summary["verdict"] == "improved"
    assert test["before"] < 0.6
    assert test["after"] > 0.9
    assert test["ci95"][0] > 0
    # The model has only its threshold wrong on these images, so the free shift is as good.
    assert summary["threshold"]["test"] > 0.9
    assert not summary["beats_threshold"]
    queries = summary["queries"]
    assert queries["total"] == queries["tune"] + queries["select"] + queries["evaluate"] <= 1000
    for name in ("contact.png", "curve.png"):
        assert read_image(run / name).std() > 10


def test_calibrate_adds_the_accuracy_with_a_threshold_fitted_again(bbdft: Bbdft, tiny: Path, tmp_path: Path) -> None:
    plain = json.loads(bbdft(*words(tiny, tmp_path / "plain"), "--json").stdout)
    shown = bbdft(*words(tiny, tmp_path / "run"), "--calibrate")
    summary = json.loads((tmp_path / "run" / "summary.json").read_text())
    assert plain["calibrated"] is None
    # Nothing else changes.
    volatile = {"calibrated", "seconds", "images_per_second"}
    assert {k: v for k, v in summary.items() if k not in volatile} == {
        k: v for k, v in plain.items() if k not in volatile
    }
    found = summary["calibrated"]
    assert found["test"] >= summary["accuracy"]["test"]["after"] - 0.02
    low, high = found["ci95"]
    assert low <= found["test"] - summary["threshold"]["test"] <= high
    assert f"with the threshold fitted again: {found['test']:.3f}" in shown.stdout


def test_auto_reports_what_each_part_of_the_space_gains(bbdft: Bbdft, tiny: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    shown = bbdft(*words(tiny, out, space="auto", flat="keep", budget=2500))
    summary = json.loads((out / "summary.json").read_text())
    parts = {part["part"]: part for part in summary["space_parts"]}
    assert list(parts) == ["affine", "color", "dct:8"]
    # Brightness is what is wrong with these images.
    assert max(parts, key=lambda name: parts[name]["gain"]) == "color"
    assert all(part["ci95"][0] <= part["gain"] <= part["ci95"][1] for part in parts.values())
    assert "each part's points, by leaving it out, on val: affine " in shown.stdout
    assert summary["queries"]["total"] <= 2500
    assert "points of accuracy lost on validation images without it" in (out / "report.html").read_text()


def test_json_prints_the_summary_alone(bbdft: Bbdft, tiny: Path, tmp_path: Path) -> None:
    done = bbdft(*words(tiny, tmp_path / "run"), "--json", code=0)
    assert json.loads(done.stdout) == json.loads((tmp_path / "run" / "summary.json").read_text())
    # Its unchanged images are at chance.
    assert done.stderr.startswith("WARNING: unchanged validation images")
    assert done.stderr.count("\n") == 1


def test_dry_run_prints_the_plan_and_writes_nothing(bbdft: Bbdft, tiny: Path, tmp_path: Path) -> None:
    done = bbdft(*words(tiny, tmp_path / "run"), "--dry-run", "--price", "0.5", code=0)
    assert "evaluate" in done.stdout
    # 16 first, 450 for the search, 240 for the 120 held-out images.
    assert "353.00" in done.stdout
    assert not (tmp_path / "run").exists()


def test_a_budget_that_is_too_small_is_refused_with_the_smallest_that_will_do(
    bbdft: Bbdft, tiny: Path, tmp_path: Path
) -> None:
    done = bbdft(*words(tiny, tmp_path / "run", budget=100), code=3)
    assert "give --budget" in done.stderr
    assert not (tmp_path / "run").exists()
    smallest = done.stderr.rsplit("--budget ", 1)[1].split()[0]
    bbdft(*words(tiny, tmp_path / "run", budget=smallest), code=0)


def test_the_same_seed_gives_the_same_bits(run: Path, bbdft: Bbdft, tiny: Path, tmp_path: Path) -> None:
    bbdft(*words(tiny, tmp_path / "again"), code=0)
    np.testing.assert_array_equal(Tuning.load(run).z, Tuning.load(tmp_path / "again").z)
    bbdft(*words(tiny, tmp_path / "other", seed=1), code=0)
    assert (Tuning.load(run).z != Tuning.load(tmp_path / "other").z).any()


def test_targets_that_return_labels_only_get_the_zero_one_objective(bbdft: Bbdft, tiny: Path, tmp_path: Path) -> None:
    (tmp_path / "labeller.py").write_text(
        "import numpy as np\ndef name(images):\n"
        "    return np.where(images.mean((1, 2, 3)) > 127.5, 'bright', 'dark')\nname.classes = ['dark', 'bright']\n"
    )
    settings = ["--data", tiny / "labels.csv", "--space", "color", "--budget", 1500, "--out", "run"]
    bbdft("optimize", "labeller:name", *settings, cwd=tmp_path, code=0)
    summary = json.loads((tmp_path / "run/summary.json").read_text())
    assert summary["objective"] == "zero-one"
    assert summary["scores"] == "index"
    assert summary["accuracy"]["test"]["after"] > 0.8


def test_the_plan_says_how_long_it_takes_at_a_given_rate(bbdft: Bbdft, tiny: Path, tmp_path: Path) -> None:
    with serving(tmp_path / "count") as url:
        line = ["optimize", url, "--data", tiny / "labels.csv", "--space", "color", "--budget", 500, "--batch", 2]
        done = bbdft(*line, "--rate", "2/s", "--out", tmp_path / "run", "--dry-run", code=0)
        shown = json.loads(bbdft(*line, "--rate", "2/s", "--out", tmp_path / "run", "--dry-run", "--json").stdout)
    # Four images a second.
    assert f"time: about {shown['expected'] / 240:.2g} min at 2/s requests of 2 images" in done.stdout


def test_the_plan_says_how_long_it_takes_here(
    bbdft: Bbdft, tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By a first look at a local model, then as in its last run; of a URL only the latter, and nothing is sent."""
    monkeypatch.setenv("BBDFT_CACHE", str(tmp_path / "cache"))
    line = ["--data", tiny / "labels.csv", "--space", "color", "--budget", 500, "--out", tmp_path / "run"]
    plan = bbdft("optimize", tiny / "model.onnx", *line, "--dry-run", code=0).stdout
    assert re.search(r"^  time: .* images/s, by a first look", plan, re.M)
    bbdft("optimize", tiny / "model.onnx", *line, code=0)
    assert "images/s, as in its last run" in bbdft("evaluate", tmp_path / "run", "--fresh", code=0).stderr
    with serving(tmp_path / "count") as url:
        plan = bbdft("optimize", url, *line[:-1], tmp_path / "other", "--dry-run", code=0).stdout
        assert "time: known once the first images are scored" in plan
    assert not (tmp_path / "count").exists() or not (tmp_path / "count").read_text()


def test_a_first_look_adds_what_a_run_takes_beside_the_model(
    tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BBDFT_CACHE", str(tmp_path))
    experiment = Experiment(Config(str(tiny / "model.onnx"), str(tiny / "labels.csv"), space="color"))
    assert isinstance(experiment.path, FusedPath)
    experiment.path.images_per_second = 2500.0
    # .4 ms and .1 ms beside it.
    assert time_lines(experiment, 4000, 6000) == ["  time: about 2 s at 2,000 images/s, by a first look; 3 s at most"]
