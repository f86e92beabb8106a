"""How a model is called is found out once, on images that are scored anyway, and kept."""

import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Literal

import numpy as np
import pytest

from blackbox_dft import Config, TargetOptions, optimize, resume
from blackbox_dft._utils.cpu import cores
from blackbox_dft.search.progress import NoProgress
from blackbox_dft.targets.onnx.target import OnnxTarget


class Notes(NoProgress):
    def __init__(self) -> None:
        self.lines: list[str] = []

    def note(self, text: str) -> None:
        self.lines.append(text)


@pytest.fixture(scope="module")
def labels(tiny: Path) -> Path:
    """Most images are for choosing."""
    path = tiny / "mostly_val.csv"
    lines = (tiny / "labels.csv").read_text().split()
    splits = ["train"] * 30 + ["test"] * 30 + ["val"] * 140
    path.write_text("\n".join([lines[0] + ",split", *map(",".join, zip(lines[1:], splits, strict=True))]) + "\n")
    return path


def settings(labels: Path, **options: object) -> Config:
    return Config(str(labels.parent / "model.onnx"), str(labels), space="color", budget=3000, **options)  # type: ignore[arg-type]


def record(run: Path) -> tuple[int, int]:
    document = json.loads((run / "config.json").read_text())
    return document["batch"], document["threads"]


def test_it_is_found_kept_and_remembered(labels: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BBDFT_CACHE", str(tmp_path / "cache"))
    notes = Notes()
    first = optimize(settings(labels), tmp_path / "first", notes)
    said = [line for line in notes.lines if line.startswith("model: ")]
    assert len(said) == 1
    (kept,) = (tmp_path / "cache" / "arrangements").iterdir()
    found = json.loads(kept.read_text())
    assert record(tmp_path / "first") == (found["batch"], found["threads"])
    # Trying costs no query: it is the plan's own images that are scored.
    assert first.summary["queries"]["total"] <= 3000
    again = resume(tmp_path / "first")
    np.testing.assert_array_equal(again.tuning.z, first.tuning.z)
    assert again.summary["queries"] == first.summary["queries"]

    # Whatever is remembered is used, without trying again.
    kept.write_text(json.dumps({"workers": 1, "threads": 2, "batch": 5}))
    notes = Notes()
    optimize(settings(labels), tmp_path / "second", notes)
    assert not [line for line in notes.lines if line.startswith("model: ")]
    assert record(tmp_path / "second") == (5, 2)
    told = resume(tmp_path / "second")
    assert told.summary["queries"]["total"] <= 3000


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity") or cores() < 2, reason="this process has one core")
def test_other_cores_are_another_machine(labels: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BBDFT_CACHE", str(tmp_path / "cache"))
    whole = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(whole)})
    try:
        optimize(settings(labels), tmp_path / "bound")
    finally:
        os.sched_setaffinity(0, whole)
    notes = Notes()
    optimize(settings(labels), tmp_path / "free", notes)
    # Found out anew, and not one call at a time as on one core.
    assert [line for line in notes.lines if line.startswith("model: ")]
    assert len(list((tmp_path / "cache" / "arrangements").iterdir())) == 2


@pytest.mark.parametrize(("space", "path"), [("color", "auto"), ("dct:4", "array")])
def test_calls_stay_side_by_side_where_they_change_images_too(
    space: str, path: Literal["auto", "array"], labels: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BBDFT_CACHE", str(tmp_path / "cache"))
    tried: list[tuple[int, int]] = []
    arrange = OnnxTarget.set_call_plan

    def noted(target: OnnxTarget, workers: int, threads: int) -> None:
        tried.append((workers, threads))
        arrange(target, workers, threads)

    monkeypatch.setattr(OnnxTarget, "set_call_plan", noted)
    optimize(replace(settings(labels), space=space, path=path, estimator="nes:pairs=4"), tmp_path / "run")
    assert set(tried) == {(cores(), 1)}
    # Where the graph does all, one call of many threads is tried too.
    tried.clear()
    optimize(replace(settings(labels), space="dct:4", estimator="nes:pairs=4"), tmp_path / "other")
    assert (1, cores()) in tried


def test_a_cache_that_cannot_be_used_does_no_harm(
    labels: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv("BBDFT_CACHE", str(tmp_path / "file"))
    assert optimize(settings(labels), tmp_path / "run").summary["verdict"] == "improved"
    cache = tmp_path / "cache"
    monkeypatch.setenv("BBDFT_CACHE", str(cache))
    optimize(settings(labels), tmp_path / "other")
    (kept,) = (cache / "arrangements").iterdir()
    for damage in ("", "[]", '{"workers": 0, "threads": 1, "batch": 8}'):
        kept.write_text(damage)
        optimize(settings(labels, seed=len(damage)), tmp_path / f"run{len(damage)}")
        assert json.loads(kept.read_text())["workers"] >= 1


def test_what_the_user_says_is_not_tried(labels: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BBDFT_CACHE", str(tmp_path / "cache"))
    notes = Notes()
    optimize(settings(labels, target_options=TargetOptions(batch=7)), tmp_path / "run", notes)
    assert record(tmp_path / "run") == (7, 1)
    assert not (tmp_path / "cache" / "arrangements").exists()
    assert not [line for line in notes.lines if line.startswith("model: ")]
