"""Inspection: noise, rounding, batch effects and throughput are measured, within the queries announced before."""

import base64
import json
import os
import pty
import re
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from onnx import helper

from blackbox_dft import make_target
from blackbox_dft.targets.inspection import advise_repeats, inspect_target, rounding_step, smooth_images
from tests.conftest import Bbdft
from tests.helpers.brightness_model import out, with_end
from tests.helpers.mean_model import IMAGES, build
from tests.helpers.serving import serving
from tests.helpers.tones import write_tones

ROOT = Path(__file__).parents[2]


@pytest.fixture
def models(tmp_path: Path) -> Path:
    """A folder with the module ``tones``."""
    return write_tones(tmp_path)


def inspected(bbdft: Bbdft, *words: object, cwd: Path | None = None) -> tuple[dict[str, Any], int]:
    """What ``bbdft inspect`` reports, and the number of queries that it announced."""
    done = bbdft("inspect", *words, "--json", cwd=cwd, code=0)
    announced = re.search(r"scoring up to ([\d,]+) images", done.stderr)
    assert announced
    return json.loads(done.stdout), int(announced[1].replace(",", ""))


def test_a_model_on_this_machine_is_steady(bbdft: Bbdft, tiny: Path) -> None:
    found, announced = inspected(bbdft, tiny / "model.onnx", "--data", tiny / "labels.csv")
    assert found["deterministic"]
    assert found["noise"] == found["encoding_effect"]["png"] == 0
    assert found["batch_effect"] < 1e-5
    assert found["place_effect"] < 1e-5
    assert found["encoding_effect"]["jpeg:95"] > 0
    assert found["rounding"] is None
    assert found["latency_ms"] > 0
    assert "no --repeats needed" in found["advice"]
    best = max(found["throughput"], key=lambda trial: trial["images_per_second"])
    assert (found["best_batch"], found["best_concurrency"]) == (best["batch"], best["concurrency"])
    assert found["queries"] <= announced


@pytest.mark.parametrize(
    ("name", "steady", "rounding", "sentence"),
    [
        ("steady", True, None, "steady: no --repeats"),
        ("rounded", True, 0.01, "steady: no --repeats"),
        ("little", False, None, "paired differences average it"),
        ("noisy", False, None, "times the cost"),
        ("labels", False, None, "--repeats 3 takes the most frequent"),
    ],
)
def test_noise_and_rounding_are_measured(
    name: str, steady: bool, rounding: float | None, sentence: str, bbdft: Bbdft, models: Path, tiny: Path
) -> None:
    found, announced = inspected(bbdft, f"tones:{name}", "--data", tiny / "labels.csv", cwd=models)
    assert found["deterministic"] is steady
    assert found["rounding"] == rounding
    assert sentence in found["advice"]
    assert found["queries"] == int((models / "count").read_text()) <= announced


def test_effects_of_the_place_in_a_batch_are_measured(bbdft: Bbdft, models: Path) -> None:
    found, _ = inspected(bbdft, "tones:placed", cwd=models)
    assert found["noise"] == 0
    assert found["place_effect"] > 0
    assert found["batch_effect"] > 0


def test_advised_repeats_follow_the_noise() -> None:
    rng = np.random.default_rng(0)
    truth = rng.normal(0, 1, (400, 2))

    def advice(noise: float) -> str:
        scores = [(truth + rng.normal(0, noise, truth.shape)).astype(np.float32) for _ in range(3)]
        return advise_repeats(scores[0], scores[1:])

    assert "no --repeats needed" in advice(0.2)
    (repeats,) = re.findall(r"--repeats (\d+)", advice(0.5))
    assert 3 <= int(repeats) <= 5  # (0.5 / 0.25) squared
    (repeats,) = re.findall(r"--repeats (\d+)", advice(1.0))
    assert 12 <= int(repeats) <= 20
    assert "larger than all differences" in advise_repeats(np.float32([[0.5], [0.6]]), [np.float32([[0.9], [0.1]])])


@pytest.mark.parametrize("more", [[], ["--batch", "1"], ["--batch", "32"], ["--batch", "200"], ["--concurrency", "2"]])
def test_a_url_gets_at_most_the_announced_queries(more: list[str], bbdft: Bbdft, tmp_path: Path) -> None:
    with serving(tmp_path / "count") as url:
        found, announced = inspected(bbdft, url, *more)
    assert found["queries"] == int((tmp_path / "count").read_text()) <= announced <= 100
    assert found["deterministic"]
    assert found["best_concurrency"] <= (2 if "--concurrency" in more else 16)
    assert found["concurrency"] == found["workers"]


class BrightnessHandler(BaseHTTPRequestHandler):
    """Takes one image in a request, as base64 of a file, returns its rounded brightness, and counts the images."""

    scored = 0

    def log_message(self, *_: object) -> None:
        pass

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        image = cv2.imdecode(np.frombuffer(base64.b64decode(body["image"]), np.uint8), cv2.IMREAD_COLOR)
        type(self).scored += 1
        labels = [{"label": "bright", "score": round(float(image.mean()) / 255, 3)}]
        data = json.dumps({"predictions": labels}).encode()
        self.send_response(200)
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


def test_a_url_of_one_image_a_request(bbdft: Bbdft, tmp_path: Path) -> None:
    server = ThreadingHTTPServer(("127.0.0.1", 0), BrightnessHandler)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    url = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        found, announced = inspected(bbdft, url, "--profile", "image-json", "--model-classes", "dark,bright")
    finally:
        server.shutdown()
    assert found["queries"] == BrightnessHandler.scored <= announced <= 100
    assert found["best_batch"] == 1
    assert found["rounding"] == 0.001


def test_the_cost_is_announced_and_confirmed_on_a_terminal(tmp_path: Path) -> None:
    with serving(tmp_path / "count") as url:
        line = [sys.executable, "-m", "blackbox_dft", "inspect", url, "--price", "0.5", "--json"]
        results = {}
        for answer in ("n", "y", "--yes"):
            ours, theirs = pty.openpty()
            more = [answer] if answer == "--yes" else []
            os.write(ours, b"" if more else f"{answer}\n".encode())
            done = subprocess.run([*line, *more], stdin=theirs, capture_output=True, text=True, cwd=ROOT, timeout=60)
            os.close(ours)
            os.close(theirs)
            results[answer] = done
            if answer == "n":
                assert not (tmp_path / "count").exists()
    refused, confirmed, unasked = (results[key] for key in ("n", "y", "--yes"))
    assert (refused.returncode, confirmed.returncode, unasked.returncode) == (2, 0, 0)
    assert "scoring up to 92 images, for up to 46.00" in refused.stderr
    assert "Go on?" in confirmed.stderr
    assert "Go on?" not in unasked.stderr
    for done in (confirmed, unasked):
        assert json.loads(done.stdout)["queries"] <= 92


def test_no_call_has_more_images_than_the_batch_that_was_given(bbdft: Bbdft, tmp_path: Path) -> None:
    end = [helper.make_node("Reshape", ["p", "one_row"], ["y"])]
    path = with_end(tmp_path / "m.onnx", end, [out("y")], {"one_row": np.array([1, 3])})
    assert "give --batch 1" in bbdft("inspect", path, code=4).stderr
    found, announced = inspected(bbdft, path, "--batch", "1")
    assert {trial["batch"] for trial in found["throughput"]} == {1}
    assert found["queries"] <= announced
    assert found["path"] == "fused"
    found, _ = inspected(bbdft, build(tmp_path / "n.onnx"), "--batch", "3")
    assert {trial["batch"] for trial in found["throughput"]} == {1, 3}


def test_sorted_scores_are_noted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "sorting.py").write_text(
        "import numpy as np\ndef best(images):\n    return -np.sort(-images.mean(axis=(1, 2)), axis=1)\n"
    )
    monkeypatch.chdir(tmp_path)
    found, _ = inspect_target(make_target("sorting:best"), IMAGES)
    assert any("ranks and not classes" in note for note in found["notes"])
    found, _ = inspect_target(make_target(str(build(tmp_path / "m.onnx"))), IMAGES)
    assert not any("ranks" in note for note in found["notes"])


SOME_SCORES = """
import numpy as np
def none(images):
    return np.full((len(images), 2), np.nan)
def some(images):
    scores = images.mean(axis=(1, 2))[:, :2] / 255
    scores[images[:, 0, 0, 0] < 128] = np.nan
    return scores
calls = 0
def at_times(images):
    global calls
    calls += 1
    return np.full((len(images), 2), 0.5 if calls % 2 else np.nan)
"""


def test_images_without_a_score(bbdft: Bbdft, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "scores_at_times.py").write_text(SOME_SCORES)
    done = bbdft("inspect", "scores_at_times:none", "--size", "8x8", cwd=tmp_path, code=2)
    assert "returned NaN or infinite scores for all of 16 images: check the model, and --range" in done.stderr
    monkeypatch.syspath_prepend(tmp_path)
    found, scores = inspect_target(make_target("scores_at_times:some"), IMAGES)
    missing = int(np.isnan(scores).any(axis=1).sum())
    assert 0 < missing < len(scores)
    assert f"{missing} of {len(scores)} images have no score" in found["notes"]
    assert found["noise"] == found["batch_effect"] == 0
    assert found["encoding_effect"]["jpeg:95"] > 0
    assert "steady" in found["advice"]
    found, _ = inspect_target(make_target("scores_at_times:at_times"), IMAGES)
    assert found["advice"] == "no image has a score each time it is scored"


def test_inspection_of_a_local_model(tmp_path: Path) -> None:
    target = make_target(str(build(tmp_path / "m.onnx")))
    found, scores = inspect_target(target)
    assert found["noise"] == 0
    assert found["best_batch"] in (1, 4, 16, 64)
    assert scores.shape == (16, 3)
    assert inspect_target(target, IMAGES[:2])[1].shape == (2, 3)
    assert smooth_images(3, (10, 12)).shape == (3, 10, 12, 3)


@pytest.mark.parametrize(("digits", "step"), [(1, 0.1), (2, 0.01), (4, 1e-4)])
def test_rounding_step(digits: int, step: float) -> None:
    scores = np.random.default_rng(0).random((50, 3)).astype(np.float32)
    assert rounding_step(scores) is None
    assert rounding_step(np.round(scores, digits)) == pytest.approx(step)
    assert rounding_step(100 * scores) is None
    if digits < 4:  # In percent, float32 itself is no finer.
        assert rounding_step(np.round(100 * scores, digits)) == pytest.approx(step)
