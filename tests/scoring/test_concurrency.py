"""Concurrency search: finds the number of requests at once with the most images/s, and costs nothing."""

import json
import sqlite3
import time
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from blackbox_dft import Tuning
from blackbox_dft.run.runner import resume
from blackbox_dft.scoring.concurrency import ConcurrencySearch
from tests import forked
from tests.conftest import Bbdft
from tests.helpers.serving import serving, words


class SimulatedServer:
    """A target that serves ``capacity`` requests at once, each in a second of its own clock ``now``.

    It throttles above ``crowd`` requests at once, and retries its ``breaks``-th request."""

    def __init__(self, capacity: int, *, crowd: int = 1000, breaks: int = 1000) -> None:
        self.capacity, self.crowd, self.breaks, self.workers = capacity, crowd, breaks, 4
        self.retries = self.throttled = 0
        self.now = 0.0
        self.responses = 0

    def serve(self, search: ConcurrencySearch, requests: int) -> None:
        under_way = 0
        while requests and not search.settled:
            under_way = max(under_way, min(requests, search.limit))
            self.throttled += under_way > self.crowd
            self.now += 1 / min(under_way, self.capacity)
            under_way -= 1
            requests -= 1
            self.responses += 1
            self.retries += self.responses == self.breaks
            search.answered(8)


@pytest.mark.parametrize(("capacity", "found"), [(1, 1), (2, 2), (3, 4), (4, 4), (8, 8), (16, 16), (100, 16)], ids=str)
def test_the_search_finds_the_capacity_of_a_server(capacity: int, found: int) -> None:
    server = SimulatedServer(capacity)
    search = ConcurrencySearch(server, 16, lambda: server.now)
    server.serve(search, 1000)
    assert search.settled
    assert search.limit == found
    assert server.responses <= 67
    assert search.rates[1] == pytest.approx(8)
    assert str(search).startswith(f"{found} request{'s' if found > 1 else ''} at once (images/s 1: 8")


def test_a_throttled_search_halves_the_limit() -> None:
    server = SimulatedServer(100, crowd=5)
    search = ConcurrencySearch(server, 16, lambda: server.now)
    server.serve(search, 1000)
    assert search.limit == 4
    assert "the server asked for fewer than 8" in str(search)


@pytest.mark.parametrize(("requests", "found"), [(0, 4), (3, 4), (20, 4), (40, 8)])
def test_the_search_settles_for_the_best_so_far_if_images_run_out(requests: int, found: int) -> None:
    server = SimulatedServer(100)
    search = ConcurrencySearch(server, 16, lambda: server.now)
    server.serve(search, requests)
    assert not search.settled
    search.end()
    assert search.limit == found
    assert "too few images" in str(search)


@pytest.mark.parametrize("lost", [False, True])
@pytest.mark.parametrize(("breaks", "found"), [(2, 4), (20, 4), (40, 8)])
def test_failures_do_not_lower_the_limit_below_the_default(breaks: int, found: int, lost: bool) -> None:
    server = SimulatedServer(100, breaks=1000 if lost else breaks)
    search = ConcurrencySearch(server, 16, lambda: server.now)
    server.serve(search, breaks if lost else 1000)
    if lost:
        search.lost()
    assert search.limit == found
    assert "failed" in str(search)


def test_the_search_stays_below_the_highest_limit() -> None:
    server = SimulatedServer(100)
    search = ConcurrencySearch(server, 5, lambda: server.now)
    server.serve(search, 1000)
    assert search.limit == 4


def recorded_concurrency(run: Path) -> str | None:
    with closing(sqlite3.connect(run / "ledger.sqlite")) as db:
        row = db.execute("SELECT value FROM meta WHERE name='concurrency'").fetchone()
    return None if row is None else str(row[0])


@pytest.fixture(scope="module")
def one_at_a_time(bbdft: Bbdft, tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of a URL, one image a request and one request at a time."""
    folder = tmp_path_factory.mktemp("alone")
    with serving(folder / "count") as url:
        bbdft(*words(url, tiny, folder / "run", batch=1, concurrency=1, budget=450), code=0)
    assert recorded_concurrency(folder / "run") is None
    return folder / "run"


def test_a_run_with_the_search_gives_the_same_change(
    one_at_a_time: Path, bbdft: Bbdft, tiny: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    with serving(tmp_path / "count", delay=0.005) as url:
        done = bbdft(*words(url, tiny, run, batch=1, budget=450), code=0)
        assert " at once (" in done.stderr
        assert "images/s 1:" in done.stderr
        summary = json.loads((run / "summary.json").read_text())
        # The search costs no query and changes no result.
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


def test_a_run_killed_during_the_search_gives_the_same_change(one_at_a_time: Path, tiny: Path, tmp_path: Path) -> None:
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


def test_a_throttling_server_gets_fewer_requests(bbdft: Bbdft, tiny: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    with serving(tmp_path / "count", delay=0.015, crowd=1) as url:
        done = bbdft(*words(url, tiny, run, batch=4, budget=450), code=0)
    assert "1 request at once (the server asked for fewer than 2" in done.stderr
    assert recorded_concurrency(run) == "1"
    summary = json.loads((run / "summary.json").read_text())
    assert int((tmp_path / "count").read_text()) == summary["queries"]["total"]


def test_a_given_number_is_not_searched_for(bbdft: Bbdft, tiny: Path, tmp_path: Path) -> None:
    with serving(tmp_path / "count") as url:
        done = bbdft(*words(url, tiny, tmp_path / "run", concurrency=3, budget=450), code=0)
    assert " at once (" not in done.stderr
    assert recorded_concurrency(tmp_path / "run") is None
