"""Whole runs on services that behave badly: the verdict or the mend, and the server's own count of images."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from blackbox_dft.scoring.ledger import count_queries
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
