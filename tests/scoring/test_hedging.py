"""Slow requests sent a second time: only where told, within their share, and without a trace in the result."""

import json
import re
from concurrent.futures import Future
from pathlib import Path

import numpy as np
import pytest

from blackbox_dft.scoring.hedging import LEAST, Hedging
from tests.conftest import Bbdft
from tests.targets.http.test_target import BUDGET, same_result, serving, words


class Server:
    """As much of one as the rule asks of it."""

    workers = most = 4
    resent = slowed = waiting = 0

    def ready(self, images: object) -> None: ...

    def drop(self, answer: Future) -> None: ...


def test_slow_is_far_beyond_what_is_usual() -> None:
    rule = Hedging(Server(), 100)
    for _ in range(LEAST - 1):
        rule.heard(1.0)
        assert rule.after is None
    rule.heard(1.0)
    # All alike: nothing is slow before it takes twice as long.
    assert rule.after == 2
    for seconds in np.linspace(1, 11, 180):
        rule.heard(seconds)
    assert 10 < rule.after < 12


def test_nothing_is_sent_twice_beyond_the_allowance_or_to_a_server_in_trouble() -> None:
    server = Server()
    rule = Hedging(server, 8)
    assert rule.allows(8)
    assert not rule.allows(9)
    server.waiting = 1
    assert not rule.allows(8)


@pytest.fixture(scope="module")
def undisturbed(bbdft: Bbdft, tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that may hedge and has no reason to."""
    folder = tmp_path_factory.mktemp("hedged")
    with serving(folder / "count") as url:
        bbdft(*words(url, tiny, folder / "run", hedge=0.1, concurrency=4), code=0)
    return folder / "run"


@pytest.mark.parametrize("share", [0.05, 0.2])
def test_late_answers_are_not_waited_for(
    share: float, undisturbed: Path, bbdft: Bbdft, tiny: Path, tmp_path: Path
) -> None:
    with serving(tmp_path / "count", fault="late", share=share, silence=0.8, delay=0.005) as url:
        done = bbdft(*words(url, tiny, tmp_path / "run", hedge=0.1, concurrency=4), code=0)
    same_result(undisturbed, tmp_path / "run")
    queries = json.loads((tmp_path / "run/summary.json").read_text())["queries"]
    assert 0 < queries["hedge"] <= BUDGET / 10
    # Who was not heard counts as asked.
    assert queries["in_doubt"] == queries["hedge"]
    assert f"{queries['hedge']} asked twice" in done.stdout
    assert int((tmp_path / "count").read_text()) <= queries["total"] <= BUDGET


def test_the_plan_keeps_it_back(bbdft: Bbdft, tiny: Path, tmp_path: Path) -> None:
    with serving(tmp_path / "count") as url:
        said = bbdft(*words(url, tiny, tmp_path / "run", hedge=0.1), "--dry-run", code=0).stdout
        assert re.search(r"hedge +90 queries +slow requests sent a second time", said)
        without = bbdft(*words(url, tiny, tmp_path / "run"), "--dry-run", code=0).stdout
        assert "hedge" not in without


def test_a_model_on_this_machine_is_not_hedged(bbdft: Bbdft, tiny: Path, tmp_path: Path) -> None:
    done = bbdft(*words(str(tiny / "model.onnx"), tiny, tmp_path / "run", hedge=0.1), "--quiet", code=2)
    assert "--hedge is for scoring URLs" in done.stderr
