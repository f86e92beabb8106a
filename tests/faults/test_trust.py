"""How far a target is to be trusted: what inspection measures, how many requests at once, repeated asking."""

import base64
import json
import os
import pty
import re
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from blackbox_dft import Config, Tuning, optimize
from blackbox_dft.errors import BudgetError, InputError, TargetError
from blackbox_dft.run.budget import make_plan
from blackbox_dft.run.runner import resume
from blackbox_dft.scoring.concurrency import ConcurrencySearch
from blackbox_dft.scoring.scorer import merge_repeats
from blackbox_dft.targets.inspection import advice
from tests import forked
from tests.conftest import Bbdft
from tests.targets.http.test_target import serving, words

ROOT = Path(__file__).parents[2]

MODULE = """
import threading
from pathlib import Path
import numpy as np

COUNT = Path(__file__).with_name("count")
seen, lock = {}, threading.Lock()
rng = np.random.default_rng(0)

def bright(images):
    with lock:
        count = int(COUNT.read_text()) if COUNT.exists() else 0
        COUNT.write_text(str(count + len(images)))
    limit = COUNT.with_name("limit")
    if limit.exists() and count > int(limit.read_text()):
        raise RuntimeError("out of order")
    return images.mean((1, 2, 3)) / 255

def scores(level):
    p = 1 / (1 + np.exp(-80 * (level - 0.5)))
    return np.stack([1 - p, p], 1)

def steady(images):
    return scores(bright(images))

def rounded(images):
    return np.round(steady(images), 2)

def noisy(images):
    return scores(bright(images) + rng.normal(0, 0.005, len(images)))

def little(images):
    return scores(bright(images) + rng.normal(0, 0.001, len(images)))

def labels(images):
    return (bright(images) + rng.normal(0, 0.02, len(images)) > 0.47).astype(int)

def placed(images):
    return scores(bright(images) + 0.01 * np.arange(len(images)))

def swinging(images):
    "Every other answer to the same image is as much too high as the one before was too low."
    level = bright(images)
    turns = [seen.setdefault(image.tobytes(), [0]) for image in images]
    for turn in turns:
        turn[0] += 1
    p = steady(images)[:, 1] + [0.4 * (-1) ** turn[0] for turn in turns]
    return np.stack([1 - p, p], 1)

for function in (steady, rounded, noisy, little, labels, placed, swinging):
    function.classes, function.image_size, function.batch = ["dark", "bright"], (16, 16), 8
"""


@pytest.fixture
def models(tmp_path: Path) -> Path:
    """A folder with a module of functions that count what they are asked."""
    (tmp_path / "tones.py").write_text(MODULE)
    return tmp_path


def inspected(bbdft: Bbdft, *words: object, cwd: Path | None = None) -> tuple[dict[str, Any], int]:
    """What is found, and how many images were said to be scored at most."""
    done = bbdft("inspect", *words, "--json", cwd=cwd, code=0)
    said = re.search(r"scoring up to ([\d,]+) images", done.stderr)
    assert said
    return json.loads(done.stdout), int(said[1].replace(",", ""))


# -- inspection -------------------------------------------------------------------------------------------------------


def test_a_model_on_this_machine_is_steady(bbdft: Bbdft, tiny: Path) -> None:
    found, most = inspected(bbdft, tiny / "model.onnx", "--data", tiny / "labels.csv")
    assert found["deterministic"]
    assert found["noise"] == found["encoding_effect"]["png"] == 0
    assert found["batch_effect"] < 1e-5
    assert found["place_effect"] < 1e-5
    assert found["encoding_effect"]["jpeg:95"] > 0
    assert found["rounding"] is None
    assert found["latency_ms"] > 0
    assert "no --repeats needed" in found["advice"]
    best = max(found["throughput"], key=lambda way: way["images_per_second"])
    assert (found["best_batch"], found["best_concurrency"]) == (best["batch"], best["concurrency"])
    assert found["queries"] <= most


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
def test_noise_and_rounding_are_found(
    name: str, steady: bool, rounding: float | None, sentence: str, bbdft: Bbdft, models: Path, tiny: Path
) -> None:
    found, most = inspected(bbdft, f"tones:{name}", "--data", tiny / "labels.csv", cwd=models)
    assert found["deterministic"] is steady
    assert found["rounding"] == rounding
    assert sentence in found["advice"]
    assert found["queries"] == int((models / "count").read_text()) <= most


def test_scores_that_depend_on_the_place_in_a_batch_are_found(bbdft: Bbdft, models: Path) -> None:
    found, _ = inspected(bbdft, "tones:placed", cwd=models)
    assert found["noise"] == 0
    assert found["place_effect"] > 0
    assert found["batch_effect"] > 0


def test_advice_is_to_the_noise() -> None:
    rng = np.random.default_rng(0)
    truth = rng.normal(0, 1, (400, 2))

    def said(noise: float) -> str:
        asked = [(truth + rng.normal(0, noise, truth.shape)).astype(np.float32) for _ in range(3)]
        return advice(asked[0], asked[1:])

    assert "no --repeats needed" in said(0.2)
    (repeats,) = re.findall(r"--repeats (\d+)", said(0.5))
    assert 3 <= int(repeats) <= 5  # (0.5 / 0.25) squared
    (repeats,) = re.findall(r"--repeats (\d+)", said(1.0))
    assert 12 <= int(repeats) <= 20
    assert "drowns" in advice(np.float32([[0.5], [0.6]]), [np.float32([[0.9], [0.1]])])


@pytest.mark.parametrize("more", [[], ["--batch", "1"], ["--batch", "32"], ["--batch", "200"], ["--concurrency", "2"]])
def test_a_url_is_asked_for_no_more_than_is_said(more: list[str], bbdft: Bbdft, tmp_path: Path) -> None:
    with serving(tmp_path / "count") as url:
        found, most = inspected(bbdft, url, *more)
    assert found["queries"] == int((tmp_path / "count").read_text()) <= most <= 100
    assert found["deterministic"]
    assert found["best_concurrency"] <= (2 if "--concurrency" in more else 16)
    assert found["concurrency"] == found["workers"]


class Images(BaseHTTPRequestHandler):
    """Takes one image a request, as base64 of a file, and answers its brightness, rounded; counts them."""

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


def test_a_url_that_takes_one_image_a_request(bbdft: Bbdft, tmp_path: Path) -> None:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Images)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    url = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        found, most = inspected(bbdft, url, "--profile", "image-json", "--model-classes", "dark,bright")
    finally:
        server.shutdown()
    assert found["queries"] == Images.scored <= most <= 100
    assert found["best_batch"] == 1
    assert found["rounding"] == 0.001


def test_the_cost_is_said_and_confirmed_on_a_terminal(tmp_path: Path) -> None:
    with serving(tmp_path / "count") as url:
        line = [sys.executable, "-m", "blackbox_dft", "inspect", url, "--price", "0.5", "--json"]
        answers = {}
        for answer in ("n", "y", "--yes"):
            ours, theirs = pty.openpty()
            more = [answer] if answer == "--yes" else []
            os.write(ours, b"" if more else f"{answer}\n".encode())
            done = subprocess.run([*line, *more], stdin=theirs, capture_output=True, text=True, cwd=ROOT, timeout=60)
            os.close(ours)
            os.close(theirs)
            answers[answer] = done
            if answer == "n":
                assert not (tmp_path / "count").exists()
    refused, confirmed, told = (answers[key] for key in ("n", "y", "--yes"))
    assert (refused.returncode, confirmed.returncode, told.returncode) == (2, 0, 0)
    assert "scoring up to 92 images, for up to 46.00" in refused.stderr
    assert "Go on?" in confirmed.stderr
    assert "Go on?" not in told.stderr
    for done in (confirmed, told):
        assert json.loads(done.stdout)["queries"] <= 92


# -- how many requests at once ----------------------------------------------------------------------------------------


class Simulated:
    """A server of which ``capacity`` requests take a second each, side by side; a clock that it moves."""

    def __init__(self, capacity: int, *, crowd: int = 1000, breaks: int = 1000, most: int = 16) -> None:
        self.capacity, self.crowd, self.breaks, self.most, self.workers = capacity, crowd, breaks, most, 4
        self.resent = self.slowed = 0
        self.now = 0.0
        self.heard = 0

    def serve(self, probe: ConcurrencySearch, requests: int) -> None:
        under_way = 0
        while requests and not probe.settled:
            under_way = max(under_way, min(requests, probe.limit))
            self.slowed += under_way > self.crowd
            self.now += 1 / min(under_way, self.capacity)
            under_way -= 1
            requests -= 1
            self.heard += 1
            self.resent += self.heard == self.breaks
            probe.answered(8)


@pytest.mark.parametrize(("capacity", "found"), [(1, 1), (2, 2), (3, 4), (4, 4), (8, 8), (16, 16), (100, 16)], ids=str)
def test_the_probe_finds_what_a_server_can_do(capacity: int, found: int) -> None:
    server = Simulated(capacity)
    probe = ConcurrencySearch(server, 16, lambda: server.now)
    server.serve(probe, 1000)
    assert probe.settled
    assert probe.limit == found
    assert server.heard <= 67
    assert probe.rates[1] == pytest.approx(8)
    assert str(probe).startswith(f"{found} request{'s' if found > 1 else ''} at once (images/s 1: 8")


def test_the_probe_goes_back_where_it_is_told_to_wait() -> None:
    server = Simulated(100, crowd=5)
    probe = ConcurrencySearch(server, 16, lambda: server.now)
    server.serve(probe, 1000)
    assert probe.limit == 4
    assert "the server asked for fewer than 8" in str(probe)


@pytest.mark.parametrize(("requests", "found"), [(0, 4), (3, 4), (20, 4), (40, 8)])
def test_the_probe_takes_what_it_knows_where_images_run_out(requests: int, found: int) -> None:
    server = Simulated(100)
    probe = ConcurrencySearch(server, 16, lambda: server.now)
    server.serve(probe, requests)
    assert not probe.settled
    probe.end()
    assert probe.limit == found
    assert "too few images" in str(probe)


@pytest.mark.parametrize("lost", [False, True])
@pytest.mark.parametrize(("breaks", "found"), [(2, 4), (20, 4), (40, 8)])
def test_trouble_is_no_reason_for_fewer_than_usual(breaks: int, found: int, lost: bool) -> None:
    server = Simulated(100, breaks=1000 if lost else breaks)
    probe = ConcurrencySearch(server, 16, lambda: server.now)
    server.serve(probe, breaks if lost else 1000)
    if lost:
        probe.lost()
    assert probe.limit == found
    assert "failed" in str(probe)


def test_the_probe_stays_below_what_it_may_take() -> None:
    server = Simulated(100)
    probe = ConcurrencySearch(server, 5, lambda: server.now)
    server.serve(probe, 1000)
    assert probe.limit == 4


def noted(run: Path) -> str | None:
    with closing(sqlite3.connect(run / "ledger.sqlite")) as db:
        row = db.execute("SELECT value FROM meta WHERE name='concurrency'").fetchone()
    return None if row is None else str(row[0])


@pytest.fixture(scope="module")
def one_at_a_time(bbdft: Bbdft, tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of a URL with one image and one request at a time."""
    folder = tmp_path_factory.mktemp("alone")
    with serving(folder / "count") as url:
        bbdft(*words(url, tiny, folder / "run", batch=1, concurrency=1, budget=450), code=0)
    assert noted(folder / "run") is None
    return folder / "run"


def test_a_run_finds_how_many_requests_at_once(one_at_a_time: Path, bbdft: Bbdft, tiny: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    with serving(tmp_path / "count", delay=0.005) as url:
        done = bbdft(*words(url, tiny, run, batch=1, budget=450), code=0)
        assert " at once (" in done.stderr
        assert "images/s 1:" in done.stderr
        summary = json.loads((run / "summary.json").read_text())
        # Looking for it costs nothing, and changes nothing.
        assert int((tmp_path / "count").read_text()) == summary["queries"]["total"]
        alone = json.loads((one_at_a_time / "summary.json").read_text())
        assert summary["queries"] == alone["queries"]
        assert summary["accuracy"] == alone["accuracy"]
        np.testing.assert_array_equal(Tuning.load(run).z, Tuning.load(one_at_a_time).z)
        batch = json.loads((run / "config.json").read_text())["batch"]
        bbdft("resume", run, "--budget", 650, code=0)
        longer = json.loads((run / "summary.json").read_text())
        assert int((tmp_path / "count").read_text()) == longer["queries"]["total"]
    assert batch == json.loads((run / "config.json").read_text())["batch"] == 1


def test_killed_while_it_looks_the_run_ends_the_same(one_at_a_time: Path, tiny: Path, tmp_path: Path) -> None:
    run, count = tmp_path / "run", tmp_path / "count"
    with serving(count, delay=0.01) as url:
        process = forked.start(words(url, tiny, run, batch=1, budget=450), None, tmp_path / "said", tmp_path / "said")
        # The 40 validation images come first.
        while not (count.exists() and (scored := count.read_text()) and int(scored) >= 15):
            assert process.exitcode is None
            time.sleep(0.002)
        process.kill()
        process.join()
        resume(run)
    summary = json.loads((run / "summary.json").read_text())
    assert int(count.read_text()) <= summary["queries"]["total"] <= 450
    np.testing.assert_array_equal(Tuning.load(run).z, Tuning.load(one_at_a_time).z)


def test_a_server_that_wants_fewer_requests_gets_fewer(bbdft: Bbdft, tiny: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    with serving(tmp_path / "count", delay=0.015, crowd=1) as url:
        done = bbdft(*words(url, tiny, run, batch=4, budget=450), code=0)
    assert "1 request at once (the server asked for fewer than 2" in done.stderr
    assert noted(run) == "1"
    summary = json.loads((run / "summary.json").read_text())
    assert int((tmp_path / "count").read_text()) == summary["queries"]["total"]


def test_a_number_that_is_given_is_not_looked_for(bbdft: Bbdft, tiny: Path, tmp_path: Path) -> None:
    with serving(tmp_path / "count") as url:
        done = bbdft(*words(url, tiny, tmp_path / "run", concurrency=3, budget=450), code=0)
    assert " at once (" not in done.stderr
    assert noted(tmp_path / "run") is None


# -- asking several times ---------------------------------------------------------------------------------------------


def test_answers_are_joined() -> None:
    answers = np.float32([[[0.2, 0.8], [1, 0]], [[0.4, 0.6], [0, 1]]])
    np.testing.assert_allclose(merge_repeats(answers), [[0.3, 0.7], [0.5, 0.5]], rtol=1e-6)
    # Class indices have no mean: the most frequent, or the earliest of those.
    votes = np.float32([[[0], [2], [5]], [[3], [2], [1]], [[3], [7], [0]]])
    assert merge_repeats(votes).tolist() == [[3], [2], [5]]
    np.testing.assert_allclose(merge_repeats(np.float32([[[0.0]], [[0.5]]])), [[0.25]])


@given(
    budget=st.integers(1, 60_000),
    val=st.integers(1, 2000),
    test=st.integers(1, 2000),
    proposal=st.integers(1, 500),
    reserve=st.sampled_from([0.0, 0.125, 0.3, 0.9]),
    repeats=st.integers(1, 9),
)
def test_plans_count_every_time(budget: int, val: int, test: int, proposal: int, reserve: float, repeats: int) -> None:
    def plan(budget: int):
        return make_plan(
            budget, val=val, test=test, proposal=proposal, reserve=reserve, watch=44 * repeats, repeats=repeats
        )

    try:
        made = plan(budget)
    except BudgetError as error:
        (least,) = map(int, re.findall(r"give --budget (\d+)", str(error)))
        assert least > budget
        assert plan(least).total <= least
        with pytest.raises(BudgetError):
            plan(least - 1)
        return
    assert made.total <= budget
    assert made.tune >= proposal * repeats
    assert made.evaluate == 2 * test * repeats
    assert made.select == made.candidates * made.select_images * repeats


def config(models: Path, tiny: Path, name: str, **values: Any) -> Config:
    return Config(f"tones:{name}", str(tiny / "labels.csv"), space="color", **values)


@pytest.fixture
def here(models: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The folder of functions, as the one to import from; forgotten afterwards."""
    monkeypatch.chdir(models)
    monkeypatch.syspath_prepend(models)
    yield models
    sys.modules.pop("tones", None)


def test_every_query_is_asked_so_often_and_counted(here: Path, tiny: Path) -> None:
    summary = optimize(config(here, tiny, "steady", repeats=3, budget=3000), "run").summary
    total = summary.queries.total
    assert summary.repeats == 3
    assert summary.interval.endswith("each decided by 3 answers")
    assert int((here / "count").read_text()) == total <= 3000
    assert summary.queries.evaluate % 3 == summary.queries.tune % 3 == 0
    assert summary.queries.evaluate == 3 * 2 * summary.accuracy["test"].n
    # Nothing is asked again to go on.
    longer = resume("run", 4000).summary
    assert int((here / "count").read_text()) == longer.queries.total <= 4000
    assert longer.queries.total > total


def test_the_mean_is_what_counts(here: Path, tiny: Path) -> None:
    def before(name: str, repeats: int) -> float:
        summary = optimize(config(here, tiny, name, repeats=repeats, budget=1800), f"{name}{repeats}").summary
        assert summary.verdict in ("improved", "no significant change")
        return float(summary.accuracy["test"].before)

    assert before("swinging", 2) == before("steady", 1)


def test_a_run_that_repeats_goes_on_where_it_stopped(here: Path, tiny: Path) -> None:
    settings = config(here, tiny, "steady", repeats=2, budget=2000)
    whole = optimize(settings, "whole").summary
    (here / "count").unlink()
    (here / "limit").write_text("700")
    with pytest.raises(TargetError, match="out of order"):
        optimize(settings, "cut")
    failed = int((here / "count").read_text())
    (here / "limit").unlink()
    summary = resume("cut").summary
    assert summary.accuracy == whole.accuracy
    np.testing.assert_array_equal(Tuning.load("cut").z, Tuning.load("whole").z)
    # Only what raised is asked again: a call, and the one that waited behind it.
    assert failed > 700
    assert int((here / "count").read_text()) <= summary.queries.total + 16


def test_runs_from_before_there_were_repeats_go_on(here: Path, tiny: Path) -> None:
    settings = config(here, tiny, "steady", budget=1000)
    optimize(settings, "old")
    document = json.loads(Path("old/config.json").read_text())
    del document["config"]["repeats"]
    Path("old/config.json").write_text(json.dumps(document))
    asked = int((here / "count").read_text())
    assert resume("old").summary.repeats == 1
    assert int((here / "count").read_text()) == asked


def test_labels_are_put_to_the_vote(here: Path, tiny: Path) -> None:
    summary = optimize(config(here, tiny, "labels", repeats=3, budget=2400), "run").summary
    assert summary.scores == "index"
    assert summary.queries.total <= 2400


def test_evaluation_asks_as_often(here: Path, tiny: Path, bbdft: Bbdft) -> None:
    optimize(config(here, tiny, "steady", repeats=2, budget=1600), "run")
    found = json.loads(bbdft("evaluate", "run", "--json", cwd=here, code=0).stdout)
    assert found["queries"]["total"] == 2 * 2 * found["accuracy"]["test"]["n"]


def test_repeats_of_a_url_are_planned_and_never_pass_the_budget(bbdft: Bbdft, tiny: Path, tmp_path: Path) -> None:
    with serving(tmp_path / "count", fault="reset-after", share=0.05) as url:
        short = bbdft(*words(url, tiny, tmp_path / "run", budget=700), "--repeats", 2, code=3)
        (least,) = map(int, re.findall(r"give --budget (\d+)", short.stderr))
        assert "every query scored 2 times" in short.stderr
        bbdft(*words(url, tiny, tmp_path / "run", budget=least - 1), "--repeats", 2, code=3)
        bbdft(*words(url, tiny, tmp_path / "run", budget=least), "--repeats", 2, code=0)
    summary = json.loads((tmp_path / "run/summary.json").read_text())
    assert int((tmp_path / "count").read_text()) <= summary["queries"]["total"] <= least
    assert 0 < summary["queries"]["watch"] <= 2 * 44
    assert summary["queries"]["watch"] % (2 * 4) == 0


def test_less_than_once_is_refused(here: Path, tiny: Path, bbdft: Bbdft) -> None:
    with pytest.raises(InputError, match=r"Config\(repeats=0\): it must be at least 1"):
        optimize(config(here, tiny, "steady", repeats=0), "run")
    assert not Path("run").exists()
    done = bbdft("optimize", "tones:steady", "--data", tiny / "labels.csv", "--out", "run", "--repeats", 0, code=2)
    assert done.stderr.count("Traceback") == 0
