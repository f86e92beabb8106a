"""First look: whole runs on targets that give no scores, lose them, or are no better than chance."""

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from blackbox_dft.run.first_look import against_chance
from blackbox_dft.scoring.ledger import Ledger
from tests.conftest import Bbdft
from tests.helpers.recording_server import RecordingServer, decoded

Respond = Callable[[bytes], Any]


@pytest.fixture
def server() -> Iterator[RecordingServer]:
    recorder = RecordingServer()
    yield recorder
    recorder.server.shutdown()


def level(body: bytes) -> float:
    return float(decoded(json.loads(body)["image"]).mean()) / 255


def answer(dark: float) -> dict[str, Any]:
    return {"predictions": [{"label": "dark", "score": dark}, {"label": "bright", "score": 1 - dark}]}


def tone(body: bytes) -> dict[str, Any]:
    """As the model of ``tiny``: bright from a mean of 0.5 on."""
    return answer(float(1 / (1 + np.exp(80 * (level(body) - 0.5)))))


def service(url: str, tiny: Path, out: Path, *more: object) -> list[object]:
    return [
        "optimize", url, "--profile", "image-json", "--model-classes", "dark,bright", "--size", "16",
        "--data", tiny / "labels.csv", "--space", "color", "--budget", 700, "--out", out, "--concurrency", 4, *more,
    ]  # fmt: skip


def total(out: Path) -> int:
    return int(json.loads((out / "summary.json").read_text())["queries"]["total"])


@pytest.mark.parametrize(
    "response",
    [{"predictions": []}, {"predictions": [{"label": "Hell", "score": 1}]}, {"id": "job-1", "status": "processing"}],
)
def test_a_service_without_scores_costs_the_first_images_only(
    response: dict[str, Any], server: RecordingServer, bbdft: Bbdft, tiny: Path, tmp_path: Path
) -> None:
    server.respond = lambda body: response
    done = bbdft(*service(server.url, tiny, tmp_path / "run"), "--quiet")
    assert done.returncode in (2, 4)
    assert done.stderr.count("\n") == 1
    assert "Traceback" not in done.stderr
    assert 1 <= len(server.requests) <= 8
    assert not (tmp_path / "run/summary.json").exists()


def test_a_run_that_got_no_scores_goes_on_when_the_service_is_well_again(
    server: RecordingServer, bbdft: Bbdft, tiny: Path, tmp_path: Path
) -> None:
    server.respond = lambda body: {"predictions": []}
    bbdft(*service(server.url, tiny, tmp_path / "run"), code=2)
    server.respond = tone
    bbdft("resume", tmp_path / "run", code=0)
    assert total(tmp_path / "run") == len(server.requests)


def test_a_service_that_finds_half_of_the_images_goes_on_and_the_rest_counts_as_wrong(
    server: RecordingServer, bbdft: Bbdft, tiny: Path, tmp_path: Path
) -> None:
    # It knows bright images only, and finds nothing in the others. "bright" comes first by name.
    server.respond = lambda body: answer(0.1) if level(body) > 0.435 else {"predictions": []}
    done = bbdft(*service(server.url, tiny, tmp_path / "run", "--evaluate", "all"), code=0)
    summary = json.loads((tmp_path / "run/summary.json").read_text())
    before = summary["no_score"]["before"]
    assert 30 <= before <= 50
    assert summary["accuracy"]["test"]["before"] <= 0.5
    assert summary["verdict"] != "improved" or "this comes from" in done.stdout
    assert f"no score: {before} of 80 test images before" in done.stdout
    assert "unchanged validation images; they count as wrong" in done.stderr
    report = (tmp_path / "run/report.html").read_text()
    assert "no decision" in report
    assert f"No score: {before} of 80" in report
    assert summary["queries"]["total"] == len(server.requests)


def test_hiding_images_is_no_improvement(server: RecordingServer, bbdft: Bbdft, tiny: Path, tmp_path: Path) -> None:
    # Everything is dark to it; with more light it finds nothing, first in bright images. "bright" comes first by name.
    server.respond = lambda body: answer(0.9) if level(body) < 0.5 else {"predictions": []}
    bbdft(*service(server.url, tiny, tmp_path / "run"), code=0)
    summary = json.loads((tmp_path / "run/summary.json").read_text())
    assert summary["verdict"] != "improved"
    assert summary["accuracy"]["test"]["after"] <= 0.5


def test_losing_scores_under_bright_images_does_not_end_a_run(
    server: RecordingServer, bbdft: Bbdft, tiny: Path, tmp_path: Path
) -> None:
    server.respond = lambda body: tone(body) if level(body) < 0.52 else {"predictions": []}
    bbdft(*service(server.url, tiny, tmp_path / "run"), code=0)
    summary = json.loads((tmp_path / "run/summary.json").read_text())
    assert summary["queries"]["total"] == len(server.requests)
    assert summary["accuracy"]["test"]["after"] >= summary["accuracy"]["test"]["before"]


@pytest.mark.slow
@pytest.mark.parametrize("when", ["tune", "before", "after"])
def test_a_service_that_stops_to_return_scores_ends_the_run_soon_and_can_be_resumed(
    when: str, server: RecordingServer, bbdft: Bbdft, tiny: Path, tmp_path: Path
) -> None:
    server.respond = tone
    bbdft(*service(server.url, tiny, tmp_path / "well"), code=0)
    queries = json.loads((tmp_path / "well/summary.json").read_text())["queries"]
    after = {"tune": 100, "before": queries["total"] - 150, "after": queries["total"] - 40}[when]
    server.requests.clear()
    ill = [True]

    def respond(body: bytes) -> Any:
        return {"message": "quota exceeded"} if ill[0] and len(server.requests) > after else tone(body)

    server.respond = respond
    done = bbdft(*service(server.url, tiny, tmp_path / "run"), code=4)
    assert "no longer returns scores" in done.stderr
    assert "bbdft resume" in done.stderr
    # During the search within two steps; in the evaluation, at its end.
    assert len(server.requests) <= after + 150
    ill[0] = False
    bbdft("resume", tmp_path / "run", code=0)
    assert total(tmp_path / "run") == len(server.requests)
    summary = json.loads((tmp_path / "run/summary.json").read_text())
    assert summary["no_score"] == {"before": 0, "after": 0}


def function(folder: Path, expression: str) -> None:
    (folder / "box.py").write_text(
        "import numpy as np\n\ndef score(images):\n    level = images.mean((1, 2, 3)) / 255\n"
        "    p = 1 / (1 + np.exp(-80 * (level - 0.5)))\n    p = np.stack([1 - p, p], 1)\n"
        f"    return {expression}\n\nscore.classes = ['dark', 'bright']\n"
    )


@pytest.fixture
def job(tiny: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny, tmp_path / "job"))


def local(*more: object) -> list[object]:
    return [
        "optimize",
        "box:score",
        "--data",
        "labels.csv",
        "--space",
        "color",
        "--budget",
        1000,
        "--out",
        "run",
        *more,
    ]


def test_nan_for_some_changed_images_is_no_score_and_a_run_goes_on(bbdft: Bbdft, job: Path) -> None:
    function(job, "np.where(level[:, None] > 0.65, np.nan, p)")
    bbdft(*local(), cwd=job, code=0)
    summary = json.loads((job / "run/summary.json").read_text())
    assert summary["verdict"] != "worse"
    with Ledger(job / "run/ledger.sqlite", budget=1000) as ledger:
        assert np.isnan(ledger._scores[: len(ledger)]).any()
    bbdft("resume", "run", cwd=job, code=0)
    assert json.loads((job / "run/summary.json").read_text())["accuracy"] == summary["accuracy"]


@pytest.mark.parametrize("value", ["np.nan", "np.inf", "-np.inf"])
def test_scores_that_are_never_finite_are_refused_with_the_mend(value: str, bbdft: Bbdft, job: Path) -> None:
    function(job, f"p * {value}")
    done = bbdft(*local("--quiet"), cwd=job, code=2)
    assert "NaN or infinite scores for all of" in done.stderr
    assert "--range" in done.stderr
    assert done.stderr.count("\n") == 1
    # Again: the same sentence, from new scores.
    assert "NaN or infinite scores for all of" in bbdft("resume", "run", cwd=job, code=2).stderr


def test_classes_that_no_label_stands_for_are_named(bbdft: Bbdft, job: Path) -> None:
    function(job, "np.eye(4)[np.full(len(p), 3)]")
    text = (job / "box.py").read_text().replace("['dark', 'bright']", "['dark', 'bright', 'night', 'fish']")
    (job / "box.py").write_text(text)
    done = bbdft(*local("--quiet"), cwd=job, code=2)
    assert "for classes that count for no label (fish): say which" in done.stderr


@pytest.mark.parametrize(
    ("expression", "how"), [("p * 0 + [.6, .4]", "hardly better than"), ("p[:, ::-1] ** .01", "worse than by chance")]
)
def test_unchanged_images_at_chance_are_warned_of_before_the_search(
    expression: str, how: str, bbdft: Bbdft, job: Path
) -> None:
    if "::-1" in expression:
        # A model that tells the labels apart at .435, and has their names the wrong way round.
        expression = "np.stack([level > 0.435, level <= 0.435], 1) * 0.9"
    function(job, expression)
    done = bbdft(*local(), cwd=job, code=0)
    first = done.stderr.index("WARNING: unchanged validation images are decided " + how)
    assert "tuning:" not in done.stderr[:first]
    assert "--map" in done.stderr
    assert "--range" not in done.stderr  # a function prepares its images itself
    assert "warning: unchanged validation images" in done.stdout
    assert json.loads((job / "run/summary.json").read_text())["warnings"]
    # Also if nothing else is said.
    quiet = bbdft(*local("--quiet", "--json", "--overwrite"), cwd=job, code=0)
    assert quiet.stderr == done.stderr[first:].splitlines()[0] + "\n"


def test_a_few_validation_images_with_a_score_are_enough(bbdft: Bbdft, job: Path) -> None:
    # Whatever images a fold of the output map is fitted on, there may be none with a score among them.
    function(job, "np.where((np.arange(len(p)) % 13 == 12)[:, None], p, np.nan)")
    done = bbdft(*local("--quiet", "--batch", 40), cwd=job, code=0)
    assert "Traceback" not in done.stderr
    assert json.loads((job / "run/summary.json").read_text())["verdict"] != "improved"


def test_equal_scores_for_all_labels_are_told_from_wrong_ones(bbdft: Bbdft, job: Path) -> None:
    function(job, "p * 0 + 0.5")
    done = bbdft(*local("--quiet"), cwd=job, code=0)
    assert "WARNING: 40 of 40 unchanged validation images have equal scores for several labels" in done.stderr
    assert "by chance" not in done.stderr


def test_a_model_fed_in_the_wrong_range_is_warned_of(bbdft: Bbdft, job: Path) -> None:
    words = ["optimize", "model.onnx", "--range", "0..255", *local()[2:]]
    done = bbdft(*words, cwd=job, code=0)
    assert "--range, --channel-order" in done.stderr.partition("tuning:")[0]


def test_chance_by_hand() -> None:
    labels = np.array([0, 0, 0, 1])
    assert against_chance(np.eye(2)[[0, 0, 1, 1]], labels) == pytest.approx(((2 / 3 + 1) / 2, 0.5, 0.25))
    without = np.where(np.arange(4)[:, None] < 3, np.eye(2)[[0, 0, 1, 1]], np.nan)
    # Of images with a score only.
    assert against_chance(without, labels) == pytest.approx((2 / 3, 0.5, np.sqrt(0.25 / 3)))
