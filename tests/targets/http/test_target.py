"""HttpTarget: whole runs against a server with faults, and URLs and options that are refused."""

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from blackbox_dft import Tuning
from tests.conftest import Bbdft
from tests.helpers.messages import errors
from tests.helpers.recording_server import RecordingServer, Reply
from tests.helpers.serving import BUDGET, same_result, serving, words


@pytest.fixture(scope="module")
def undisturbed(bbdft: Bbdft, tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("http")
    with serving(folder / "count", swift=0) as url:
        bbdft(*words(url, tiny, folder / "run"), code=0)
    summary = json.loads((folder / "run/summary.json").read_text())
    assert summary["verdict"] == "improved"
    assert int((folder / "count").read_text()) == summary["queries"]["total"] <= BUDGET
    return folder / "run"


def test_a_concurrency_that_the_search_cannot_use_is_reported(bbdft: Bbdft, tiny: Path, tmp_path: Path) -> None:
    with serving(tmp_path / "count") as url:
        output = bbdft(*words(url, tiny, tmp_path / "one", concurrency=16), code=0).stderr
        assert "a step of the search is 2 requests, and 16 may be sent at once: --in-flight 8 would use them" in output
        assert (
            "--in-flight" not in bbdft(*words(url, tiny, tmp_path / "two", concurrency=16, in_flight=8), code=0).stderr
        )


def test_a_url_gives_the_same_change_as_the_file(undisturbed: Path, bbdft: Bbdft, tiny: Path, tmp_path: Path) -> None:
    # The plans differ by the drift check alone, so that one search is a little longer.
    bbdft(*words(str(tiny / "model.onnx"), tiny, tmp_path / "run", in_doubt="count", evaluate="enough"), code=0)
    np.testing.assert_allclose(Tuning.load(undisturbed).z, Tuning.load(tmp_path / "run").z, atol=0.3)


LOST = ("reset-after", "half", "garbage", "rows", "nan", "deep", "packed")


@pytest.mark.parametrize("kind", ["500", "502", "503", "429", "reset-before", "gzip", *LOST])
def test_faults_that_heal_leave_no_trace(
    kind: str, undisturbed: Path, bbdft: Bbdft, tiny: Path, tmp_path: Path
) -> None:
    with serving(tmp_path / "count", fault=kind, share=0.08) as url:
        done = bbdft(*words(url, tiny, tmp_path / "run"), code=0)
    same_result(undisturbed, tmp_path / "run")
    summary = json.loads((tmp_path / "run/summary.json").read_text())
    scored = int((tmp_path / "count").read_text())
    assert scored <= summary["queries"]["total"] <= BUDGET
    if kind in LOST:
        assert summary["queries"]["in_doubt"] > 0
    assert "Traceback" not in done.stderr


def test_a_silent_request_is_cut_short_and_repeated(
    undisturbed: Path, bbdft: Bbdft, tiny: Path, tmp_path: Path
) -> None:
    with serving(tmp_path / "count", fault="silence", share=0.05) as url:
        bbdft(*words(url, tiny, tmp_path / "run", timeout=0.5), code=0)
    same_result(undisturbed, tmp_path / "run")


@pytest.mark.parametrize(
    ("kind", "sentence"),
    [
        ("400", "refused: 400"),
        ("redirect", "give that URL as TARGET"),
        ("loop", "give that URL as TARGET"),
        ("large", "sent more than 64 MiB"),
        ("bomb", "sent more than 64 MiB"),
        ("garbage", "5 times in a row"),
        ("slow", "did not respond within 1 s"),
        ("503", "did not serve for 2 s"),
    ],
)
def test_faults_that_do_not_heal_end_in_one_sentence(
    kind: str, sentence: str, bbdft: Bbdft, tiny: Path, tmp_path: Path
) -> None:
    # A server that is healthy at first, so that something has been paid for.
    with serving(tmp_path / "count", fault=kind, share=1.0 if kind in ("garbage", "slow", "503") else 0.05) as url:
        # Only the slow response may meet the timeout: under load, a large one takes more than a second to read.
        timeout = 1 if kind == "slow" else 30
        done = bbdft(*words(url, tiny, tmp_path / "run", timeout=timeout, patience=2), "--quiet", code=4)
    assert sentence in done.stderr
    assert len(errors(done.stderr)) == 1
    # To continue helps only if something was scored.
    assert ("bbdft resume" in done.stderr) == (kind not in ("garbage", "slow", "503"))
    with serving(tmp_path / "count2") as url:
        document = json.loads((tmp_path / "run/config.json").read_text())
        document["config"]["target"] = url
        (tmp_path / "run/config.json").write_text(json.dumps(document))
        # Another URL is another target.
        assert "the target changed" in bbdft("resume", tmp_path / "run", code=2).stderr


def test_an_unreachable_server_ends_in_one_sentence(bbdft: Bbdft, tiny: Path, tmp_path: Path) -> None:
    done = bbdft(*words("http://127.0.0.1:9/v2/models/x", tiny, tmp_path / "run", patience=1), "--quiet", code=4)
    assert "did not serve for 1 s" in done.stderr
    assert len(errors(done.stderr)) == 1
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("url", "more", "sentence"),
    [
        ("http://me:pass@127.0.0.1/v2/models/x", [], "contains a password"),
        ("http://127.0.0.1/v2/models/x", ["--header", "Authorization: Bearer abc"], "secret in plain text"),
        ("http://127.0.0.1/v2/models/x", ["--header", "X: {env:NOT_SET_ANYWHERE}"], "NOT_SET_ANYWHERE is not set"),
        ("http://127.0.0.1/v2/models/x", ["--profile", "v3"], "unknown profile 'v3'"),
        ("http://127.0.0.1/v2/models/x", ["--profile", "no.toml"], "no.toml does not exist"),
        ("http://127.0.0.1/v2/models/x", ["--rate", "fast"], "write 10/s"),
        ("http://", [], "names no host"),
    ],
)
def test_impossible_urls_and_options(
    url: str, more: list[str], sentence: str, bbdft: Bbdft, tiny: Path, tmp_path: Path
) -> None:
    done = bbdft(*words(url, tiny, tmp_path / "run", patience=1), *more, "--quiet", code=2)
    assert sentence in done.stderr
    assert len(errors(done.stderr)) == 1
    assert not (tmp_path / "run").exists()


def test_another_model_behind_the_url_is_detected(bbdft: Bbdft, tiny: Path, tmp_path: Path) -> None:
    with serving(tmp_path / "count", drift=150) as url:
        done = bbdft(*words(url, tiny, tmp_path / "run"), "--quiet", code=4)
        assert "has changed" in done.stderr
        assert "--accept-drift" in done.stderr
        assert len(errors(done.stderr)) == 1
        assert "has changed" in bbdft("resume", tmp_path / "run", code=4).stderr
        bbdft("resume", tmp_path / "run", "--accept-drift", code=0)
    assert json.loads((tmp_path / "run/summary.json").read_text())["queries"]["total"] <= BUDGET


def test_scores_of_another_run_are_free(undisturbed: Path, bbdft: Bbdft, tiny: Path, tmp_path: Path) -> None:
    model = str(tiny / "model.onnx")
    bbdft(*words(model, tiny, tmp_path / "first"), code=0)
    bbdft(*words(model, tiny, tmp_path / "second"), "--reuse", tmp_path / "first/ledger.sqlite", code=0)
    first, second = (json.loads((tmp_path / name / "summary.json").read_text()) for name in ("first", "second"))
    assert first["accuracy"] == second["accuracy"]
    assert first["queries"]["total"] > 600
    assert second["queries"]["total"] == 0
    bbdft(*words(model, tiny, tmp_path / "other", seed=5), "--reuse", tmp_path / "first/ledger.sqlite", code=0)
    other = json.loads((tmp_path / "other/summary.json").read_text())["queries"]["total"]
    assert 0 < other < first["queries"]["total"]
    # Scores of another target are not used.
    bbdft(*words(model, tiny, tmp_path / "url"), "--reuse", undisturbed / "ledger.sqlite", code=0)
    assert json.loads((tmp_path / "url/summary.json").read_text())["queries"]["total"] == first["queries"]["total"]


@pytest.fixture
def server() -> Iterator[RecordingServer]:
    recorder = RecordingServer()
    yield recorder
    recorder.server.shutdown()


def profile_words(url: str, tiny: Path, out: Path, *more: object) -> list[object]:
    options = ["--profile", "image-json", "--model-classes", "dark,bright", "--size", 16]
    return [*words(url, tiny, out, patience=1), *options, *more]


def test_the_text_of_a_5xx_is_shown_without_secrets(
    server: RecordingServer, bbdft: Bbdft, tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SCORES_KEY", "hush123")
    server.respond = lambda body: Reply(500, {"error": "batch-size must be <= 4 for hush123"})
    header = ("--header", "Authorization: Bearer {env:SCORES_KEY}")
    done = bbdft(*profile_words(server.url, tiny, tmp_path / "run", *header), "--quiet", code=4)
    assert "500 Internal Server Error" in done.stderr
    assert "batch-size must be <= 4 for ***" in done.stderr
    assert "hush123" not in done.stderr
    assert len(errors(done.stderr)) == 1


def test_a_url_of_another_protocol_names_the_profile(
    server: RecordingServer, bbdft: Bbdft, tiny: Path, tmp_path: Path
) -> None:
    server.respond = lambda body: Reply(404, {"error": "no such path"})
    for url in (server.url, server.url.replace("/score", "/v2/models/m")):
        done = bbdft(*words(url, tiny, tmp_path / "run", patience=1), "--quiet", code=2)
        assert "--profile" in done.stderr
        assert len(errors(done.stderr)) == 1
