"""``bbdft predict``: tables, money, and a URL behind a command that is killed again and again."""

import csv
import io
import json
import re
import time
from pathlib import Path

import cv2
import numpy as np

from tests import forked
from tests.conftest import Bbdft
from tests.helpers.serving import serving, words


def read(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def test_tables_on_standard_output_and_in_files(run: Path, bbdft: Bbdft, tiny: Path, tmp_path: Path) -> None:
    done = bbdft("predict", run, tiny / "images", "--quiet", code=0)
    rows = read(done.stdout)
    assert (len(rows), done.stderr) == (200, "")
    assert list(rows[0]) == ["file", "label", "probability", "no_score", "error", "bright", "dark"]
    (tmp_path / "bad.png").write_bytes(b"")
    said = bbdft("predict", run, tiny / "labels.csv", tmp_path / "bad.png", "--out", tmp_path / "p.jsonl", code=0)
    lines = [json.loads(line) for line in (tmp_path / "p.jsonl").read_text().splitlines()]
    assert [line["label"] or "" for line in lines] == [*(row["label"] for row in rows), ""]
    assert "1 of 201 images could not be read: the column error says why" in said.stderr
    assert said.stdout == f"written: {tmp_path / 'p.jsonl'}, 201 images; 0 queries\n"
    refused = bbdft("predict", run, tiny / "images", "--out", tmp_path / "p.jsonl", code=2).stderr
    assert "p.jsonl exists: take another name, or give --overwrite" in refused
    planned = bbdft("predict", run, tiny / "images", "--fresh", "--price", 0.5, "--dry-run", code=0).stdout
    assert re.fullmatch(r"200 queries: 200 images\ncost: 100.00\ntime: .* images/s, as in its last run\n", planned)
    assert "give fewer images" in bbdft("predict", run, tiny / "images", "--fresh", "--budget", 10, code=3).stderr


def test_killed_ten_times_no_image_is_paid_for_twice(bbdft: Bbdft, tiny: Path, tmp_path: Path) -> None:
    run, new, out, count, said = (tmp_path / name for name in ("run", "new", "out.csv", "count", "said"))
    new.mkdir()
    rng = np.random.default_rng(0)
    for number in range(260):
        cv2.imwrite(str(new / f"{number:03d}.png"), rng.integers(60, 160, (16, 16, 3), np.uint8))
    with serving(count, delay=0.002) as url:
        bbdft(*words(url, tiny, run, batch=1, concurrency=2, budget=400), "--yes", code=0)
        before = int(count.read_text())
        line = ["predict", run, new, "--out", out]
        refused = bbdft(*line, "--confirm-above", 100, code=2).stderr
        assert "up to 293 images would be sent" in refused
        assert "bbdft: 260 images need 260 queries more" in bbdft(*line, "--budget", 259, code=3).stderr
        for kills in range(1, 11):
            process = forked.start(line, None, said, said)
            while process.exitcode is None and int(count.read_text() or 0) < before + 20 * kills:
                time.sleep(0.0005)
            process.kill()
            process.join()
            assert not out.exists(), said.read_text()
        done = bbdft(*line, code=0)
        total = int(count.read_text()) - before
        again = bbdft(*line, "--overwrite", code=0)
        assert int(count.read_text()) - before == total
    rows = read(out.read_text())
    assert [row["file"] for row in rows] == [str(path) for path in sorted(new.iterdir())]
    assert {row["label"] for row in rows} <= {"dark", "bright"}
    # Only what was on its way at a kill, two requests of one image, may have been sent again.
    assert 260 <= total <= 260 + 2 * 10
    assert "images; 0 queries" in again.stdout
    assert "scores are recorded" in done.stderr


def test_a_watched_folder_is_labelled_as_it_fills(run: Path, bbdft: Bbdft, tmp_path: Path) -> None:
    new, out, said = tmp_path / "new", tmp_path / "out.jsonl", tmp_path / "said"
    new.mkdir()
    assert "leave IN, --fresh" in bbdft("predict", run, new, "--watch", new, code=2).stderr
    assert (
        "rows cannot be added to a .parquet"
        in bbdft("predict", run, "--watch", new, "--out", "a.parquet", code=2).stderr
    )
    assert "Missing argument 'IN...', or --watch DIR" in bbdft("predict", run, code=2).stderr
    process = forked.start(["predict", run, "--watch", new, "--out", out], None, said, said)
    try:
        for number in range(2):
            cv2.imwrite(str(new / f"{number}.png"), np.full((16, 16, 3), 90 + 60 * number, np.uint8))
            while process.exitcode is None and (not out.exists() or out.read_text().count("\n") <= number):
                time.sleep(0.02)
        assert process.exitcode is None, said.read_text()
    finally:
        process.kill()
        process.join()
    rows = [json.loads(line) for line in out.read_text().splitlines()]
    assert [(Path(row["file"]).name, row["label"]) for row in rows] == [("0.png", "dark"), ("1.png", "bright")]
    assert "1 images; 1 queries" in said.read_text()
