"""``--output all``: the numbers of further outputs reach the output map, and all that follows it."""

import json
from pathlib import Path

import numpy as np
import onnxruntime as ort
import pytest

from blackbox_dft.deploy.tuning import Tuning
from blackbox_dft.errors import InputError
from blackbox_dft.targets.onnx.target import OnnxTarget
from blackbox_dft.targets.options import TargetOptions
from tests.conftest import Bbdft
from tests.helpers import mean_model, two_heads


@pytest.fixture(scope="module")
def job(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return two_heads.write(tmp_path_factory.mktemp("heads"))


def optimized(bbdft: Bbdft, job: tuple[Path, Path], out: Path, *more: object) -> dict[str, dict[str, dict[str, float]]]:
    model, labels = job
    words = [
        "optimize",
        model,
        "--data",
        labels,
        "--out",
        out,
        "--space",
        "color",
        "--budget",
        600,
        "--evaluate",
        "all",
    ]
    bbdft(*words, *more, code=0)
    found: dict[str, dict[str, dict[str, float]]] = json.loads((out / "summary.json").read_text())
    return found


@pytest.fixture(scope="module")
def run(bbdft: Bbdft, job: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("runs") / "run"
    optimized(bbdft, job, out, "--output", "all")
    return out


def test_rows_end_in_the_numbers_of_the_other_outputs(tmp_path: Path) -> None:
    path = mean_model.build(tmp_path / "m.onnx", outputs=("scores", "label", "age"))
    with OnnxTarget(path, TargetOptions(output="all", provider="cpu", range="0..1")) as target:
        rows = target.scores(mean_model.IMAGES)
        assert target.head_widths == (1,)
        assert target.resolved_options.output == "all:scores"
        assert any("also reads age" in note for note in target.notes)
    with OnnxTarget(path, TargetOptions(output="scores", provider="cpu", range="0..1")) as target:
        np.testing.assert_array_equal(rows[:, :3], target.scores(mean_model.IMAGES))
    np.testing.assert_allclose(rows[:, 3], mean_model.IMAGES.mean((1, 2, 3)) / 255, atol=1e-6)


def test_the_one_with_the_labels_is_named_if_two_could_be_it(tmp_path: Path) -> None:
    path = mean_model.build(tmp_path / "m.onnx", outputs=("scores", "other"))
    with pytest.raises(InputError, match="several outputs"):
        OnnxTarget(path, TargetOptions(output="all", provider="cpu"))
    with OnnxTarget(path, TargetOptions(output="all:other", provider="cpu")) as target:
        assert target.output_names == ("other", "scores")


def test_a_single_output_stays_one(tmp_path: Path) -> None:
    path = mean_model.build(tmp_path / "m.onnx")
    with OnnxTarget(path, TargetOptions(output="all", provider="cpu")) as target:
        assert target.head_widths == ()
        assert target.scores(mean_model.IMAGES).shape == (7, 3)


def test_the_map_learns_from_the_other_output(bbdft: Bbdft, job: tuple[Path, Path], run: Path, tmp_path: Path) -> None:
    alone = optimized(bbdft, job, tmp_path / "alone")
    found = json.loads((run / "summary.json").read_text())
    assert found["accuracy"]["test"]["before"] == alone["accuracy"]["test"]["before"]
    assert found["accuracy"]["test"]["after"] > alone["accuracy"]["test"]["after"] + 0.05
    assert found["verdict"] == "improved"


def test_what_follows_reads_it_too(bbdft: Bbdft, job: tuple[Path, Path], run: Path, tmp_path: Path) -> None:
    model, labels = job
    found = json.loads((run / "summary.json").read_text())
    # Every image of the data, by command and by the fused file.
    predicted = tmp_path / "p.jsonl"
    bbdft("predict", run, labels, "--out", predicted, code=0)
    rows = [json.loads(line) for line in predicted.read_text().splitlines()]
    assert len(rows) == 200
    bbdft("export", run, tmp_path / "fused.onnx", "--fuse", model, code=0)
    pixels, _ = two_heads.images()
    session = ort.InferenceSession(tmp_path / "fused.onnx")
    planes = (pixels.transpose(0, 3, 1, 2) / 255).astype(np.float32)
    (probabilities,) = session.run(["labels"], {"image": planes})
    tuning = Tuning.load(run)
    with OnnxTarget(model, TargetOptions(output="all", provider="cpu")) as target:
        expected = tuning.predict(pixels, target)
    np.testing.assert_allclose(probabilities, expected, atol=1e-5)
    assert [row["label"] for row in rows] == [tuning.labels[n] for n in expected.argmax(axis=1)]
    again = json.loads(bbdft("evaluate", run, "--json", code=0).stdout)
    assert again["accuracy"]["test"]["after"] == found["accuracy"]["test"]["after"]


def test_several_views(bbdft: Bbdft, job: tuple[Path, Path], tmp_path: Path) -> None:
    optimized(
        bbdft, job, tmp_path / "run", "--output", "all", "--views", 2, "--space", "affine+color", "--budget", 1200
    )
    tuning = Tuning.load(tmp_path / "run")
    bbdft("export", tmp_path / "run", tmp_path / "fused.onnx", "--fuse", job[0], code=0)
    pixels, _ = two_heads.images()
    planes = (pixels.transpose(0, 3, 1, 2) / 255).astype(np.float32)
    (probabilities,) = ort.InferenceSession(tmp_path / "fused.onnx").run(["labels"], {"image": planes})
    with OnnxTarget(job[0], TargetOptions(output="all", provider="cpu")) as target:
        np.testing.assert_allclose(probabilities, tuning.predict(pixels, target), atol=1e-5)


def test_a_run_goes_on_after_its_last_steps_were_lost(bbdft: Bbdft, run: Path) -> None:
    before = (run / "summary.json").read_text()
    (run / "summary.json").unlink()
    bbdft("resume", run, code=0)
    kept = ("accuracy", "parts", "queries", "verdict")
    assert [json.loads((run / "summary.json").read_text())[key] for key in kept] == [
        json.loads(before)[key] for key in kept
    ]


def test_known_scores_are_of_one_output(bbdft: Bbdft, job: tuple[Path, Path], tmp_path: Path) -> None:
    (tmp_path / "known.csv").write_text("file,cold,warm\n000.png,0.5,0.5\n")
    words = ["optimize", job[0], "--data", job[1], "--out", tmp_path / "run", "--budget", 600, "--output", "all"]
    found = bbdft(*words, "--known", tmp_path / "known.csv", code=2)
    assert "scores of one output only" in found.stderr
