"""Folder of a run: what was refused without a score makes room, what was paid for is only replaced on request."""

import json
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from blackbox_dft import Config, InputError, TargetError
from blackbox_dft.run.folder import check_free
from blackbox_dft.run.runner import optimize, resume
from blackbox_dft.scoring.ledger import Ledger
from tests.conftest import Bbdft
from tests.helpers.main_job import words

BOX = """
from pathlib import Path
import numpy as np
def score(images):
    with open("scored", "a") as file:
        file.write(len(images) * "x")
    if Path("broken").exists():
        raise RuntimeError("out of order")
    p = 1 / (1 + np.exp(-80 * (images.mean((1, 2, 3)) / 255 - 0.5)))
    return np.stack([1 - p, p], 1)
"""


@pytest.fixture
def box(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with a function without class names, which counts the images it scores."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "box.py").write_text(BOX)
    return tmp_path


def function_words(tiny: Path, *more: object) -> list[object]:
    return ["optimize", "box:score", *words(tiny, Path("run"))[2:], *more]


def test_labels_that_no_column_of_the_file_has_are_refused_before_the_first_query(
    bbdft: Bbdft, tiny: Path, tmp_path: Path
) -> None:
    import onnx

    model = onnx.load(tiny / "model.onnx")
    del model.metadata_props[:]
    onnx.save(model, tmp_path / "model.onnx")
    line = ["optimize", tmp_path / "model.onnx", *words(tiny, tmp_path / "run")[2:]]
    for wrong in ([], ["--map", "dark=0", "--map", "bright=2"], ["--model-classes", "dark,bright,dim"]):
        bbdft(*line, *wrong, code=2)
        assert not (tmp_path / "run").exists()
    bbdft(*line, "--map", "dark=0", "--map", "bright=1", code=0)


def test_labels_of_a_function_without_class_names_are_refused_before_the_first_query(
    box: Path, bbdft: Bbdft, tiny: Path
) -> None:
    for wrong in ([], ["--map", "dark=night", "--map", "bright=*"], ["--map", "dark=0"]):
        bbdft(*function_words(tiny, *wrong), code=2)
        assert not (box / "run").exists()
    assert not (box / "scored").exists()
    bbdft(*function_words(tiny, "--map", "dark=0", "--map", "bright=1"), code=0)


def test_what_scores_alone_show_is_refused_and_can_be_overwritten(box: Path, bbdft: Bbdft, tiny: Path) -> None:
    mapped = ["--map", "dark=0", "--map", "bright=5"]
    bbdft(*function_words(tiny, *mapped), code=2)
    first = len((box / "scored").read_text())
    assert first > 0
    mended = function_words(tiny, "--map", "dark=0", "--map", "bright=1")
    assert "replace it with --overwrite" in bbdft(*mended, code=2).stderr
    (box / "run" / "notes.txt").write_text("mine")
    bbdft(*mended, "--overwrite", code=0)
    summary = json.loads((box / "run" / "summary.json").read_text())
    assert summary["verdict"] == "improved"
    assert len((box / "scored").read_text()) == first + summary["queries"]["total"]
    assert (box / "run" / "notes.txt").read_text() == "mine"


def test_a_run_whose_target_failed_at_once_makes_room_and_can_be_resumed(box: Path, tiny: Path) -> None:
    config = Config("box:score", str(tiny / "labels.csv"), space="color", budget=1000, map=("dark=0", "bright=1"))
    (box / "broken").touch()
    for _ in range(2):
        with pytest.raises(TargetError, match="out of order"):
            optimize(config, "run")
    (box / "broken").unlink()
    assert resume("run").summary.verdict == "improved"
    with pytest.raises(InputError, match="already holds a run"):
        optimize(config, "run")
    assert optimize(config, "run", overwrite=True).summary.verdict == "improved"


def test_files_of_others_are_never_replaced(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"model_type": "vit"}')
    with pytest.raises(InputError, match="already holds a run"):
        check_free(tmp_path)
    with pytest.raises(InputError, match="cannot be read"):
        check_free(tmp_path, overwrite=True)
    (tmp_path / "config.json").unlink()
    (tmp_path / "letter.txt").write_text("dear")
    for overwrite in (False, True):
        with pytest.raises(InputError, match="is not empty"):
            check_free(tmp_path, overwrite=overwrite)
    (tmp_path / "letter.txt").unlink()
    (tmp_path / "ledger.sqlite").write_text("this is no database" * 100)
    with pytest.raises(InputError, match="take another --out"):
        check_free(tmp_path, overwrite=True)


def test_a_run_in_use_is_not_replaced(copied: Path) -> None:
    with Ledger(copied / "run" / "ledger.sqlite", budget=10_000), pytest.raises(InputError, match="in use"):
        check_free(copied / "run", overwrite=True)
    check_free(copied / "run", overwrite=True)


def test_requests_without_a_response_do_not_keep_a_folder(copied: Path) -> None:
    run = copied / "run"
    (run / "summary.json").unlink()
    with closing(sqlite3.connect(run / "ledger.sqlite")) as db, db:
        db.execute("UPDATE requests SET scores=NULL, answered=NULL, width=NULL")
    check_free(run)
    shutil.rmtree(run)
    check_free(run)
