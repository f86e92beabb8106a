"""The main job as users start it: real processes, real files."""

import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import onnxruntime as ort
import pandas as pd
import pytest

from blackbox_dft import Config, Tuning, optimize, resume
from blackbox_dft.data import load
from blackbox_dft.images.files import read_image
from tests.conftest import Bbdft

KEYS = {
    "target", "space", "epsilon", "estimator", "seed", "budget", "queries", "accuracy", "threshold", "mcnemar_p",
    "psnr_db", "ssim", "verdict", "seconds", "images_per_second",
}  # fmt: skip


def words(tiny: Path, out: Path, **options: object) -> list[object]:
    settings: dict[str, object] = {"data": tiny / "labels.csv", "out": out, "space": "color", "budget": 1000, **options}
    flags = [part for name, value in settings.items() for part in (f"--{name.replace('_', '-')}", value)]
    return ["optimize", tiny / "model.onnx", *flags]


@pytest.fixture(scope="module")
def run(bbdft: Bbdft, tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("runs") / "run"
    bbdft(*words(tiny, out), code=0, fresh=True)
    return out


def test_a_run_improves_and_says_so(run: Path) -> None:
    summary = json.loads((run / "summary.json").read_text())
    assert set(summary) >= KEYS
    test = summary["accuracy"]["test"]
    assert summary["verdict"] == "improved"
    assert test["before"] < 0.6
    assert test["after"] > 0.9
    assert test["ci95"][0] > 0
    # The images lie on both sides of a threshold that the model merely has wrong, so that the free shift does as well.
    assert summary["threshold"]["test"] > 0.9
    assert not summary["beats_threshold"]
    queries = summary["queries"]
    assert queries["total"] == queries["tune"] + queries["select"] + queries["evaluate"] <= 1000
    for name in ("contact.png", "curve.png"):
        assert read_image(run / name).std() > 10


def test_calibrate_tells_what_a_threshold_fitted_again_gives(bbdft: Bbdft, tiny: Path, tmp_path: Path) -> None:
    plain = json.loads(bbdft(*words(tiny, tmp_path / "plain"), "--json").stdout)
    shown = bbdft(*words(tiny, tmp_path / "run"), "--calibrate")
    summary = json.loads((tmp_path / "run" / "summary.json").read_text())
    assert plain["calibrated"] is None
    # It is told beside all else and changes none of it.
    volatile = {"calibrated", "seconds", "images_per_second"}
    assert {k: v for k, v in summary.items() if k not in volatile} == {
        k: v for k, v in plain.items() if k not in volatile
    }
    found = summary["calibrated"]
    assert found["test"] >= summary["accuracy"]["test"]["after"] - 0.02
    low, high = found["ci95"]
    assert low <= found["test"] - summary["threshold"]["test"] <= high
    assert f"with the threshold fitted again: {found['test']:.3f}" in shown.stdout


def test_auto_says_what_each_part_of_the_change_does(bbdft: Bbdft, tiny: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    shown = bbdft(*words(tiny, out, space="auto", budget=2500))
    summary = json.loads((out / "summary.json").read_text())
    parts = {part["part"]: part for part in summary["parts"]}
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
    assert done.stderr == ""


def test_the_plan_comes_before_anything_is_asked_or_written(bbdft: Bbdft, tiny: Path, tmp_path: Path) -> None:
    done = bbdft(*words(tiny, tmp_path / "run"), "--dry-run", "--price", "0.5", code=0)
    assert "evaluate" in done.stdout
    assert "500.00" in done.stdout
    assert not (tmp_path / "run").exists()


def test_too_small_a_budget_is_refused_with_the_least_that_would_do(bbdft: Bbdft, tiny: Path, tmp_path: Path) -> None:
    done = bbdft(*words(tiny, tmp_path / "run", budget=100), code=3)
    assert "give --budget" in done.stderr
    assert not (tmp_path / "run").exists()
    least = done.stderr.rsplit("--budget ", 1)[1].split()[0]
    bbdft(*words(tiny, tmp_path / "run", budget=least), code=0)


def test_the_same_seed_gives_the_same_bits(run: Path, bbdft: Bbdft, tiny: Path, tmp_path: Path) -> None:
    bbdft(*words(tiny, tmp_path / "again"), code=0)
    np.testing.assert_array_equal(Tuning.load(run).z, Tuning.load(tmp_path / "again").z)
    bbdft(*words(tiny, tmp_path / "other", seed=1), code=0)
    assert (Tuning.load(run).z != Tuning.load(tmp_path / "other").z).any()


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


def test_apply_one_file_and_as_jpeg(run: Path, bbdft: Bbdft, tiny: Path, tmp_path: Path) -> None:
    bbdft("apply", run / "tuning.npz", tiny / "images/000.png", tmp_path / "one.png", code=0)
    assert read_image(tmp_path / "one.png").shape == (16, 16, 3)
    done = bbdft("apply", run, tiny / "images", tmp_path / "jpeg", "--format", "jpeg:80", code=0)
    assert "JPEG is lossy" in done.stdout
    assert len(list((tmp_path / "jpeg").glob("*.jpg"))) == 200
    again = bbdft("apply", run, tiny / "images", tmp_path / "jpeg", "--format", "jpeg:80", code=2)
    assert "--overwrite" in again.stderr


def test_apply_never_touches_its_source(run: Path, bbdft: Bbdft, tiny: Path) -> None:
    for out in (tiny / "images", tiny / "images" / "changed"):
        assert "elsewhere" in bbdft("apply", run, tiny / "images", out, code=2).stderr


def test_export_and_fuse_agree_with_apply(run: Path, bbdft: Bbdft, tiny: Path, tmp_path: Path) -> None:
    bbdft("export", run, tmp_path / "change.onnx", code=0, fresh=True)
    bbdft("export", run, tmp_path / "fused.onnx", "--fuse", tiny / "model.onnx", code=0)
    images = load(tiny / "labels.csv").images[:32]
    fed = (images / np.float32(255)).transpose(0, 3, 1, 2)
    changed = Tuning.load(run)(images)
    (exported,) = ort.InferenceSession(tmp_path / "change.onnx").run(None, {"image": fed})
    assert np.abs(exported.transpose(0, 2, 3, 1) - changed / 255.0).max() <= 1 / 255 + 1e-6
    (fused,) = ort.InferenceSession(tmp_path / "fused.onnx").run(None, {"image": fed})
    sent = (changed / np.float32(255)).transpose(0, 3, 1, 2)
    (plain,) = ort.InferenceSession(tiny / "model.onnx").run(None, {"image": sent})
    assert np.abs(fused - plain).max() < 0.02


def test_evaluate_measures_other_images_and_remembers(run: Path, bbdft: Bbdft, tiny: Path) -> None:
    found = json.loads(bbdft("evaluate", run, "--split", "all", "--json", code=0, fresh=True).stdout)
    assert found["accuracy"]["all"]["n"] == 200
    assert found["accuracy"]["all"]["after"] > 0.9
    assert found["queries"]["total"] == 400
    test = json.loads(bbdft("evaluate", run, "--json", code=0).stdout)
    assert test["accuracy"]["test"] == json.loads((run / "summary.json").read_text())["accuracy"]["test"]


def ledger_steps(run: Path) -> list[bytes]:
    with closing(sqlite3.connect(run / "ledger.sqlite")) as db:
        return [row[0] for row in db.execute("SELECT digest FROM proposals ORDER BY id")]


def test_more_budget_goes_on_with_the_same_course(bbdft: Bbdft, tiny: Path, tmp_path: Path) -> None:
    bbdft(*words(tiny, tmp_path / "grown", budget=700), code=0)
    shutil.copytree(tmp_path / "grown", tmp_path / "short")
    bbdft("resume", tmp_path / "grown", "--budget", 1000, code=0, fresh=True)
    summary = json.loads((tmp_path / "grown" / "summary.json").read_text())
    assert summary["budget"] == 1000
    assert summary["queries"]["total"] <= 1000
    first, longer = (ledger_steps(tmp_path / name) for name in ("short", "grown"))
    assert len(longer) > len(first) > 0
    assert longer[: len(first)] == first
    bbdft("resume", tmp_path / "grown", "--budget", 1600, code=0)
    assert json.loads((tmp_path / "grown" / "summary.json").read_text())["queries"]["total"] <= 1600
    assert "a budget only grows" in bbdft("resume", tmp_path / "grown", "--budget", 900, code=2).stderr


HELD = """
import os, time
from pathlib import Path
import numpy as np
asked = 0
def score(images):
    global asked
    asked += len(images)
    # Amid the search, until it has been told to stop.
    while asked > 400 and "HELD_UNTIL" in os.environ and not Path(os.environ["HELD_UNTIL"]).exists():
        time.sleep(0.01)
    p = 1 / (1 + np.exp(-80 * (images.mean((1, 2, 3)) / 255 - 0.5)))
    return np.stack([1 - p, p], 1)
score.classes = ["dark", "bright"]
score.batch = 16
"""


def test_ctrl_c_and_resume_give_the_undisturbed_result(bbdft: Bbdft, tiny: Path, tmp_path: Path) -> None:
    (tmp_path / "held_model.py").write_text(HELD)
    settings = ["--data", tiny / "labels.csv", "--space", "color", "--budget", 1500]
    bbdft("optimize", "held_model:score", *settings, "--out", "whole", cwd=tmp_path, code=0)
    command = [sys.executable, "-m", "blackbox_dft", "optimize", "held_model:score", *settings, "--out", "cut"]
    stopped = tmp_path / "stopped"
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2]), "HELD_UNTIL": str(stopped)}
    process = subprocess.Popen(
        [*map(str, command)],
        cwd=tmp_path,
        env=environment,
        stderr=subprocess.PIPE,
        text=True,
        # What runs in a shell's background is told to ignore it, and hands that down.
        preexec_fn=partial(signal.signal, signal.SIGINT, signal.SIG_DFL),
    )
    assert process.stderr
    for line in process.stderr:
        if line.startswith("tuning: "):
            break
    process.send_signal(signal.SIGINT)
    stopped.touch()
    said = process.stderr.read()
    assert process.wait(60) == 130
    assert "bbdft resume cut" in said
    assert not (tmp_path / "cut" / "summary.json").exists()
    bbdft("resume", "cut", cwd=tmp_path, code=0)
    np.testing.assert_array_equal(Tuning.load(tmp_path / "whole").z, Tuning.load(tmp_path / "cut").z)
    whole, cut = (json.loads((tmp_path / name / "summary.json").read_text()) for name in ("whole", "cut"))
    assert whole["accuracy"] == cut["accuracy"]
    assert whole["queries"] == cut["queries"]


def test_resume_names_what_changed(bbdft: Bbdft, tiny: Path, tmp_path: Path) -> None:
    shutil.copytree(tiny, tmp_path / "data")
    bbdft(*words(tmp_path / "data", tmp_path / "run"), code=0)
    cv2.imwrite(str(tmp_path / "data/images/000.png"), np.zeros((16, 16, 3), np.uint8))
    assert "the images changed" in bbdft("resume", tmp_path / "run", code=2).stderr


@pytest.mark.parametrize("estimator", ["nes", "spsa", "spsa:correction=true", "finite-difference", "cma-es", "random"])
def test_every_estimator_in_every_space_ends_in_a_true_summary(estimator: str, tiny: Path, tmp_path: Path) -> None:
    for space in ("pixel", "tanh", "dct:4", "grid:3", "color", "affine", "affine+color+dct:4"):
        config = Config(str(tiny / "model.onnx"), str(tiny / "labels.csv"), space, estimator=estimator, budget=4000)
        out = tmp_path / space
        summary = optimize(config, out).summary
        test = summary["accuracy"]["test"]
        assert summary["queries"]["total"] <= 4000
        assert test["ci95"][1] >= 0, (space, test)
        assert resume(out).summary["accuracy"] == summary["accuracy"]


def test_label_only_targets_get_an_objective_that_suits(bbdft: Bbdft, tiny: Path, tmp_path: Path) -> None:
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


def test_a_useless_run_does_no_harm(tiny: Path, tmp_path: Path) -> None:
    table = pd.read_csv(tiny / "labels.csv")
    table["label"] = np.random.default_rng(0).permutation(table["label"])
    table["file"] = [f"../{tiny.name}/{name}" for name in table["file"]]
    table.to_csv(tiny / "shuffled.csv", index=False)
    table["file"] = [name.split("/", 2)[2] for name in table["file"]]
    table.to_csv(tiny / "shuffled.csv", index=False)
    config = Config(str(tiny / "model.onnx"), str(tiny / "shuffled.csv"), "color", budget=2000)
    assert optimize(config, tmp_path / "run").summary["verdict"] == "no significant change"
    (tiny / "shuffled.csv").unlink()


def test_config_file_gives_defaults_that_options_override(bbdft: Bbdft, tiny: Path, tmp_path: Path) -> None:
    (tmp_path / "run.toml").write_text(f'data = "{tiny / "labels.csv"}"\nspace = "color"\nbudget = 1000\nseed = 3\n')
    model = tiny / "model.onnx"
    bbdft("optimize", model, "--config", tmp_path / "run.toml", "--out", tmp_path / "run", "--seed", 4, code=0)
    summary = json.loads((tmp_path / "run/summary.json").read_text())
    assert (summary["space"], summary["budget"], summary["seed"]) == ("color", 1000, 4)
    (tmp_path / "bad.toml").write_text("spce = 'color'\n")
    done = bbdft("optimize", model, "--config", tmp_path / "bad.toml", "--out", tmp_path / "no", code=2)
    assert "did you mean 'space'" in done.stderr


def test_demo_improves_without_a_network(bbdft: Bbdft, tmp_path: Path) -> None:
    done = bbdft("demo", cwd=tmp_path, code=0, fresh=True)
    assert done.stdout.startswith("improved")
    assert (tmp_path / "bbdft-demo/contact.png").exists()
    bbdft("demo", "--seed", 1, cwd=tmp_path, code=0)
    assert (tmp_path / "bbdft-demo-2/summary.json").exists()


def loaded_by(module: str) -> set[str]:
    code = f"import sys, {module}\nprint(*sys.modules)"
    return set(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split())


def test_help_loads_nothing_heavy() -> None:
    assert not loaded_by("blackbox_dft.cli") & {
        "numpy", "scipy", "onnx", "onnxruntime", "cv2", "pandas", "cma", "httpx",
    }  # fmt: skip


def test_a_run_does_not_load_what_takes_longer_than_a_small_one() -> None:
    assert not loaded_by("blackbox_dft.run.runner") & {
        "scipy.stats",
        "scipy.optimize",
        "pandas",
        "cma",
        "httpx",
        "matplotlib",
    }


def test_inspect_shows_what_was_inferred(bbdft: Bbdft, tiny: Path) -> None:
    found = json.loads(bbdft("inspect", tiny / "model.onnx", "--json", code=0, fresh=True).stdout)
    assert found["layout"] == "nchw"
    assert found["classes"] == ["dark", "bright"]
    assert found["provider"] == "cpu"
    assert found["noise"] == 0
    assert found["scores"]["kind"] == "probabilities"
    assert "best batch" in bbdft("inspect", tiny / "model.onnx", code=0).stdout


@pytest.mark.parametrize("seed", [0, 1])
def test_faces_gender(shared: Path, tmp_path: Path, seed: int) -> None:
    config = Config(
        str(shared / "models/age_gender_faceapi.onnx"),
        str(shared / "data/lfw/labels_gender.csv"),
        space="affine+color",
        budget=6000,
        seed=seed,
    )
    summary = optimize(config, tmp_path / "run").summary
    assert summary["verdict"] == "improved"
    assert summary["accuracy"]["test"]["before"] == pytest.approx(0.882, abs=0.0006)
    assert summary["accuracy"]["test"]["after"] >= 0.935
    assert summary["beats_threshold"]
