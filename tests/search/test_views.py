"""The choice of views, in whole runs: kept if they pay, counted, and the same to the bit after an interruption."""

import json
import sys
from pathlib import Path

import cv2
import numpy as np
import onnxruntime as ort
import pytest

from blackbox_dft import Config, InputError, Tuning, open_evaluation
from blackbox_dft.images.encoding import to_floats
from blackbox_dft.run.evaluate import evaluate, evaluate_parts
from blackbox_dft.run.record import RunRecord
from blackbox_dft.run.runner import Result, optimize, resume
from blackbox_dft.scoring.ledger import Ledger
from blackbox_dft.search.mapped_selection import BOTH, LAST_QUARTER
from blackbox_dft.search.views import view_queries
from tests import forked
from tests.conftest import Bbdft
from tests.helpers import half_model


@pytest.fixture(scope="module")
def half(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Images of which the model sees one half."""
    return half_model.folder(tmp_path_factory.mktemp("half") / "here")


def config(folder: Path, **options: object) -> Config:
    usual = {"space": "affine+color", "budget": 1600, "views": 3, "evaluate": "all"}
    return Config(str(folder / "model.onnx"), str(folder / "labels.csv"), **usual | options)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def result(half: Path) -> Result:
    return optimize(config(half), half / "run")


def test_a_view_that_pays_is_kept(result: Result) -> None:
    summary, tuning = result.summary, result.tuning
    assert summary.views[0] == "plain"
    assert summary.views[1].startswith("mirrored")
    assert summary.queries_per_image == len(summary.views) == tuning.queries_per_image
    assert summary.accuracy["test"].after > summary.parts.image + 0.02
    # Wherever the view is zoomed too, it is zoomed and nothing else; the space has geometry of its own.
    zoomed = tuning.views[1] - tuning.view_space.view(tuning.z, mirror=True)
    assert not np.delete(zoomed, 5).any()
    # Every query is planned and in the ledger.
    queries = summary.queries
    assert 0 < queries.views <= view_queries(32, 3)
    assert queries.total == queries.tune + queries.select + queries.views + queries.evaluate <= 1600
    changed = summary.chosen in (LAST_QUARTER, BOTH)
    assert queries.evaluate == len(result.data.splits["test"]) * (changed + len(summary.views))


def test_the_tuning_decides_as_the_run_did(result: Result, half: Path) -> None:
    tuning, data = Tuning.load(half / "run"), result.data
    test = data.splits["test"]
    session = ort.InferenceSession(half / "model.onnx")

    def scores(images: np.ndarray) -> np.ndarray:
        return np.asarray(session.run(None, {"image": to_floats(images).transpose(0, 3, 1, 2)})[0])

    views = tuning.each_view(data.images[test]).transpose(1, 0, 2, 3, 4)
    np.testing.assert_allclose(tuning.decide([scores(view) for view in views]), result.after, atol=1e-4)


def test_a_finished_run_of_several_views_is_evaluated_exported_and_reported(
    result: Result, half: Path, bbdft: Bbdft
) -> None:
    run, count = half / "run", result.summary.queries_per_image
    evaluation = open_evaluation(run)
    assert evaluation.queries == (1 + count) * len(result.data.splits["test"])
    assert evaluate(evaluation).accuracy["test"].after == result.summary.accuracy["test"].after
    assert evaluate_parts(open_evaluation(run)).rows[-1].name == "all"
    bbdft("export", run, half / "fused.onnx", "--fuse", half / "model.onnx", code=0)
    test = result.data.splits["test"]
    fed = to_floats(result.data.images[test]).transpose(0, 3, 1, 2)
    (labels,) = ort.InferenceSession(half / "fused.onnx").run(["labels"], {"image": fed})
    # A few pixels fall to the next level.
    np.testing.assert_allclose(labels, result.after, atol=0.02)
    bbdft("report", run, "--price", 0.001, code=0)
    text = (run / "report.txt").read_text()
    assert f"at use: {count} queries an image, {0.001 * count:g} an image (views: plain, mirrored" in text
    assert "queries an image at use" in (run / "report.html").read_text()


def test_a_gain_of_several_views_is_proven_image_by_image(half: Path, tmp_path: Path) -> None:
    done = optimize(config(half, evaluate="enough", budget=2200, seed=1), tmp_path / "run")
    summary, tuning = done.summary, done.tuning
    assert summary.verdict == "improved"
    assert summary.queries_per_image == len(tuning.views) > 1
    assert summary.views[1].startswith("mirrored")
    queries = summary.queries
    assert queries.total == queries.tune + queries.select + queries.views + queries.evaluate <= 2200
    # The race takes training images only: those of the proof were not seen before.
    assert summary.proof is not None
    assert 0 <= summary.proof.n * (1 + len(summary.views)) - queries.evaluate <= 16
    raw = np.stack([half_model.scores(view) for view in tuning.each_view(done.data.images).transpose(1, 0, 2, 3, 4)], 1)
    np.testing.assert_allclose(tuning.decide(raw)[done.tested], done.after, atol=1e-3)


def test_a_larger_budget_goes_on_within_it(half: Path, tmp_path: Path) -> None:
    first = optimize(config(half, budget=1200, views=2), tmp_path / "run").summary.queries
    longer = resume(tmp_path / "run", budget=2600).summary.queries
    assert longer.tune > first.tune
    assert longer.total <= 2600
    with Ledger(tmp_path / "run/ledger.sqlite", budget=0) as ledger:
        assert ledger.total == longer.total


def test_a_view_that_does_not_pay_is_not_kept(tiny: Path, tmp_path: Path) -> None:
    # Images of one colour are the same however they are mirrored and moved.
    rng, lines = np.random.default_rng(0), ["file,label"]
    for number in range(200):
        level = round(255 * (0.40 + 0.07 * (number % 2) + rng.normal(0, 0.02)))
        cv2.imwrite(str(tmp_path / f"{number}.png"), np.full((16, 16, 3), level, np.uint8))
        lines.append(f"{number}.png,{('dark', 'bright')[number % 2]}")
    (tmp_path / "labels.csv").write_text("\n".join(lines) + "\n")
    given = Config(str(tiny / "model.onnx"), str(tmp_path / "labels.csv"), space="affine+color", budget=1200, views=2)
    done = optimize(given, tmp_path / "run")
    assert (done.summary.queries_per_image, done.summary.views) == (1, ("plain",))
    assert done.summary.queries.views > 0
    assert len(Tuning.load(tmp_path / "run").views) == 0
    assert json.loads(str(np.load(tmp_path / "run/tuning.npz")["about"]))["format"] == 2


@pytest.mark.parametrize("space", ["dct:2", "color"])
def test_views_over_the_array_path_and_without_geometry_in_the_space(space: str, half: Path, tmp_path: Path) -> None:
    done = optimize(config(half, space=space, path="array", views=2), tmp_path / "run")
    assert done.summary.views[1].startswith("mirrored")


def test_labels_without_scores_are_joined_too(half: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "only_labels.py").write_text(
        "from tests.helpers.half_model import scores\n\n\ndef predict(images):\n    return scores(images).argmax(1)\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    given = config(half, views=2, budget=2000)
    given = Config("only_labels:predict", given.data, space="color", budget=2000, views=2, map=("dark=0", "bright=1"))
    done = optimize(given, tmp_path / "run")
    assert done.summary.scores == "index"
    assert done.summary.queries.views > 0
    sys.modules.pop("only_labels")


def test_one_view_is_the_default_and_part_of_the_fingerprint(result: Result, half: Path, tmp_path: Path) -> None:
    assert Config("m.onnx", "l.csv").views == 1
    path = half / "run/config.json"
    document = json.loads(path.read_text())
    assert RunRecord.read(half / "run").config.views == 3
    other = tmp_path / "run"
    other.mkdir()
    for file in ("ledger.sqlite", "summary.json"):
        (other / file).write_bytes((half / "run" / file).read_bytes())
    document["config"]["views"] = 2
    (other / "config.json").write_text(json.dumps(document))
    with pytest.raises(InputError, match="'views' is 2, and was 3"):
        resume(other)
    # Runs of earlier versions have one.
    del document["config"]["views"]
    (other / "config.json").write_text(json.dumps(document))
    assert RunRecord.read(other).config.views == 1


@pytest.mark.parametrize(("evaluate", "steps"), [("all", (500, 250, 150, 200)), ("enough", (550, 250, 150, 100))])
def test_a_run_that_is_killed_while_it_chooses_views_ends_the_same(
    evaluate: str, steps: tuple[int, ...], half: Path, tmp_path: Path, bbdft: Bbdft
) -> None:
    # A real SIGKILL after every few hundred images: within the search, the rounds of views, and the test images.
    (tmp_path / "dying.py").write_text(
        "import os, signal\n"
        "from pathlib import Path\n"
        "from tests.helpers.half_model import scores\n\n"
        "left = Path('left')\n\n\n"
        "def predict(images):\n"
        "    if left.exists():\n"
        "        more = int(left.read_text()) - len(images)\n"
        "        if more < 0:\n"
        "            left.unlink()\n"
        "            os.kill(os.getpid(), signal.SIGKILL)\n"
        "        left.write_text(str(more))\n"
        "    return scores(images)\n"
    )
    options = ["--data", half / "labels.csv", "--space", "color", "--budget", 1600, "--views", 3, "--batch", 16]
    options += ["--evaluate", evaluate]
    line = ["optimize", "dying:predict", *options, "--map", "dark=0", "--map", "bright=1", "--out"]
    bbdft(*line, "whole", cwd=tmp_path, code=0)
    killed = 0
    for images in steps:
        (tmp_path / "left").write_text(str(images))
        again = (tmp_path / "run/config.json").exists()
        done = forked.run(["resume", "run"] if again else [*line, "run"], tmp_path)
        killed += done.returncode == -9
        (tmp_path / "left").unlink(missing_ok=True)
    bbdft("resume", "run", cwd=tmp_path, code=0)
    assert killed >= 3
    one, two = (Tuning.load(tmp_path / name) for name in ("whole", "run"))
    assert one.queries_per_image > 1
    np.testing.assert_array_equal(one.views, two.views)
    batch = half_model.images(20, seed=1)[0]
    raw = np.stack([half_model.scores(view) for view in one.each_view(batch).transpose(1, 0, 2, 3, 4)], axis=1)
    np.testing.assert_array_equal(one.decide(raw), two.decide(raw))
    first, second = (json.loads((tmp_path / name / "summary.json").read_text()) for name in ("whole", "run"))
    assert (first["accuracy"], first["views"]) == (second["accuracy"], second["views"])
    with Ledger(tmp_path / "run/ledger.sqlite", budget=0) as ledger:
        assert ledger.spent("views") == first["queries"]["views"]
