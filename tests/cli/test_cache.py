"""``bbdft cache`` and ``bbdft env``."""

import json
import os
import time
from pathlib import Path

import pytest

from tests.conftest import Bbdft


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("BBDFT_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_what_a_run_leaves_is_listed_and_deleted(bbdft: Bbdft, tiny: Path, cache: Path, tmp_path: Path) -> None:
    assert json.loads(bbdft("cache", "ls", "--json", code=0).stdout)["entries"] == []
    bbdft(
        "optimize", tiny / "model.onnx", "--data", tiny / "labels.csv", "--out", "r", "--dry-run", cwd=tmp_path, code=0
    )
    (entry,) = json.loads(bbdft("cache", "ls", "--json", code=0).stdout)["entries"]
    assert entry["kind"] == "images"
    assert entry["bytes"] >= 200 * 16 * 16 * 3
    assert "1 entries" in bbdft("cache", "ls", code=0).stdout
    assert json.loads(bbdft("cache", "prune", "--older-than", 1, "--json", code=0).stdout)["entries"] == []
    old = time.time() - 2 * 86_400
    os.utime(cache / "images" / entry["name"], (old, old))
    assert bbdft("cache", "prune", "--older-than", 1, code=0).stdout.startswith(f"{cache}: deleted")
    assert list((cache / "images").iterdir()) == []


def test_what_was_paid_for_stays_unless_it_is_named(bbdft: Bbdft, cache: Path) -> None:
    from blackbox_dft.run.finder_ledger import FOLDER

    (cache / FOLDER).mkdir(parents=True)
    (cache / FOLDER / "one.sqlite").write_bytes(b"scores")
    (cache / "mine.txt").write_text("not of the cache")
    bbdft("cache", "prune", code=0)
    assert (cache / FOLDER / "one.sqlite").exists()
    bbdft("cache", "prune", "--paid", code=0)
    assert not (cache / FOLDER / "one.sqlite").exists()
    assert (cache / "mine.txt").exists()


def test_without_a_cache(bbdft: Bbdft, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BBDFT_CACHE", "none")
    assert "there is no cache" in bbdft("cache", "ls", code=2).stderr
    assert "switched off" in json.loads(bbdft("env", "--json", code=0).stdout)["cache"]


def test_env_says_what_a_bug_report_needs(bbdft: Bbdft, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BBDFT_HEADER", "Authorization: hush123")
    found = json.loads(bbdft("env", "--json", code=0).stdout)
    assert {"blackbox_dft", "python", "platform", "cores", "packages", "providers", "cache"} <= set(found)
    assert found["providers"]["cpu"] == "available"
    assert found["cache"] == str(cache)
    assert "numpy" in found["packages"]
    shown = bbdft("env", code=0).stdout
    assert "BBDFT_HEADER" in shown
    assert "hush123" not in shown
