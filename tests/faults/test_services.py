"""Whole runs on services that behave badly: the verdict or the mend, and the server's own count of images."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from blackbox_dft.scoring.ledger import count_queries
from blackbox_dft.targets.http.v2_tensors import decode_request, encode_response
from tests.conftest import Bbdft
from tests.helpers.messages import errors
from tests.helpers.recording_server import RecordingServer, Reply, decoded

CUT_OFF = Reply(200, b"junk", {"content-encoding": "gzip"})
"""Cannot be read, so its images are in doubt."""


@pytest.fixture
def server() -> Iterator[RecordingServer]:
    recorder = RecordingServer()
    yield recorder
    recorder.server.shutdown()


def tone(body: bytes, names: tuple[str, str] = ("dark", "bright")) -> Any:
    """As the model of ``tiny``: bright from a mean of 0.5 on."""
    level = float(decoded(json.loads(body)["image"]).mean()) / 255
    bright = float(1 / (1 + np.exp(-80 * (level - 0.5))))
    return {"predictions": [{"label": names[0], "score": 1 - bright}, {"label": names[1], "score": bright}]}


def job(url: str, tiny: Path, out: Path, *more: object) -> list[object]:
    return [
        "optimize", url, "--profile", "image-json", "--size", "16", "--data", tiny / "labels.csv", "--space", "color",
        "--budget", 600, "--out", out, "--concurrency", 4, "--quiet", *more,
    ]  # fmt: skip


def total(out: Path) -> int:
    return int(json.loads((out / "summary.json").read_text())["queries"]["total"])


def test_an_evaluation_sends_lost_images_again_within_a_reserve(
    server: RecordingServer, bbdft: Bbdft, tiny: Path, tmp_path: Path
) -> None:
    server.respond = tone
    bbdft(*job(server.url, tiny, tmp_path / "run", "--model-classes", "dark,bright"), code=0)
    line = ["evaluate", tmp_path / "run", "--split", "val", "--quiet"]
    server.requests.clear()
    # 40 images before and after, and as many as 10 of them again.
    # Every image is lost once.
    seen: set[bytes] = set()
    server.respond = lambda body: tone(body) if body in seen else (seen.add(body), CUT_OFF)[1]
    failed = bbdft(*line, code=4)
    assert "got lost than the 10 that may be sent again: see whether" in failed.stderr
    assert len(errors(failed.stderr)) == 1
    sent, scored = count_queries(tmp_path / "run/evaluations.sqlite") or (0, 0)
    assert sent == len(server.requests) <= 80 + 10
    assert scored >= 40
    # What came is kept.
    server.respond = tone
    bbdft(*line, code=0)
    sent, scored = count_queries(tmp_path / "run/evaluations.sqlite") or (0, 0)
    assert (sent, scored) == (len(server.requests), 80)


def summary_of(out: Path) -> Any:
    return json.loads((out / "summary.json").read_text())


def test_a_service_that_spells_labels_in_its_own_case_is_understood(
    server: RecordingServer, bbdft: Bbdft, tiny: Path, tmp_path: Path
) -> None:
    server.respond = lambda body: tone(body, ("DARK", "Bright"))
    bbdft(*job(server.url, tiny, tmp_path / "run", "--model-classes", "dark,bright", "--budget", 420), code=0)
    summary = summary_of(tmp_path / "run")
    assert summary["verdict"] == "improved"
    assert summary["no_score"] == {"before": 0, "after": 0}
    assert summary["queries"]["total"] == len(server.requests)


@pytest.mark.parametrize("classes", ["dark,bright", "LABEL_0,LABEL_1"])
def test_a_service_with_names_of_its_own_costs_one_image(
    classes: str, server: RecordingServer, bbdft: Bbdft, tiny: Path, tmp_path: Path
) -> None:
    server.respond = lambda body: tone(body, ("LABEL_0", "LABEL_1"))
    done = bbdft(*job(server.url, tiny, tmp_path / "run", "--model-classes", classes), code=2)
    assert len(errors(done.stderr)) == 1
    assert "LABEL_0" in done.stderr
    assert "--map" in done.stderr
    # Labels without a class are refused before the first image.
    assert len(server.requests) <= (8 if classes == "dark,bright" else 0)


def test_a_service_that_wants_to_be_polled_costs_one_image(
    server: RecordingServer, bbdft: Bbdft, tiny: Path, tmp_path: Path
) -> None:
    server.respond = lambda body: Reply(202, {"job": "7"}, {"location": "/jobs/7"})
    done = bbdft(*job(server.url, tiny, tmp_path / "run", "--model-classes", "dark,bright"), code=2)
    assert "have to be fetched later" in done.stderr
    assert "module:function" in done.stderr
    assert "bbdft resume" not in done.stderr
    assert len(server.requests) == 1
    assert count_queries(tmp_path / "run/ledger.sqlite") == (1, 0)


def test_a_service_that_finds_nothing_in_bright_images_is_no_better_for_it(
    server: RecordingServer, bbdft: Bbdft, tiny: Path, tmp_path: Path
) -> None:
    # Everything is dark to it, and whatever would make images brighter loses every score.
    server.respond = lambda body: (
        {"predictions": []} if decoded(json.loads(body)["image"]).mean() > 125 else {"predictions": [DARK]}
    )
    bbdft(*job(server.url, tiny, tmp_path / "run", "--model-classes", "dark,bright"), code=0)
    summary = summary_of(tmp_path / "run")
    assert summary["verdict"] == "no significant change"
    assert summary["accuracy"]["test"]["after"] <= 0.5
    assert summary["queries"]["total"] == len(server.requests)


DARK = {"label": "dark", "score": 0.9}


def test_a_v2_server_without_metadata_works_with_options(
    server: RecordingServer, bbdft: Bbdft, tiny: Path, tmp_path: Path
) -> None:
    def infer(body: bytes) -> Any:
        # No server of this kind says which extensions it has, so JSON alone is sent.
        (images,) = decode_request({}, body)[0].values()
        bright = 1 / (1 + np.exp(-80 * (images.astype(np.float64).mean((1, 2, 3)) - 0.5)))
        scored.append(len(images))
        return json.loads(encode_response("tone", {"p": np.stack([1 - bright, bright], 1)}, binary=False)[1])

    scored: list[int] = []
    server.respond = infer
    url = server.url.replace("/score", "/v2/models/tone")
    line = ["optimize", url, "--data", tiny / "labels.csv", "--space", "color", "--budget", 450, "--quiet"]
    refused = bbdft(*line, "--out", tmp_path / "run", code=2)
    assert "--input" in refused.stderr
    assert not scored
    named = ["--input", "image", "--datatype", "FP32", "--size", 16, "--model-classes", "dark,bright"]
    bbdft(*line, *named, "--out", tmp_path / "run", code=0)
    summary = summary_of(tmp_path / "run")
    assert summary["verdict"] == "improved"
    assert summary["queries"]["total"] == sum(scored)
