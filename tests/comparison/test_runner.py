"""``bbdft compare``: its files, its queries, that it continues after a kill, and what it refuses."""

import csv
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import pytest

from tests.conftest import Bbdft
from tests.helpers.comparisons import compare_words, read_json, read_table
from tests.helpers.serving import serving

ROOT = Path(__file__).parents[2]
CONTRACT = ["target", "space", "estimator", "seed", "queries", "accuracy", "before", "threshold", "n"]

COUNTING = """
import time
from pathlib import Path
import numpy as np

LOG = Path(__file__).with_name("scored")

def tone(images):
    "Bright from a mean of .5 on."
    with LOG.open("a") as file:
        for image in images:
            file.write(f"{hash(image.tobytes())}\\n")
    slow = LOG.with_name("slow")
    time.sleep(float(slow.read_text()) if slow.exists() else 0)
    level = images.mean((1, 2, 3)) / 255
    p = 1 / (1 + np.exp(-80 * (level - 0.5)))
    return np.stack([1 - p, p], 1)

tone.classes, tone.image_size, tone.batch = ["dark", "bright"], (16, 16), 32
"""


@pytest.fixture(scope="module")
def compared(bbdft: Bbdft, tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished comparison, side by side in two processes."""
    out = tmp_path_factory.mktemp("compare") / "out"
    bbdft(*compare_words(tiny / "model.onnx", tiny, out, processes=2), code=0, fresh=True)
    return out


@pytest.fixture
def counting(tmp_path: Path) -> Path:
    """A folder with a function that writes a line for every image it scores."""
    (tmp_path / "scene.py").write_text(COUNTING)
    return tmp_path


def scored(folder: Path) -> int:
    return len((folder / "scored").read_text().splitlines())


# -- files -------------------------------------------------------------------------------------------------------------


def test_the_table_has_a_row_for_every_run_and_budget(compared: Path, tiny: Path) -> None:
    rows = read_table(compared)
    assert list(rows[0])[: len(CONTRACT)] == CONTRACT
    keys = {(row["space"], row["estimator"], row["seed"], row["budget"]) for row in rows}
    assert len(keys) == len(rows) == 2 * 2 * 2 * 2
    assert {row["estimator"] for row in rows} == {"nes:pairs=8", "spsa:pairs=8"}
    for row in rows:
        assert 0 < int(row["queries"]) <= int(row["budget"])
        assert row["target"] == str(tiny / "model.onnx")
    assert {(row["before"], row["threshold"], row["n"]) for row in rows} == {("0.5", rows[0]["threshold"], "80")}


def test_the_json_holds_what_the_table_says(compared: Path) -> None:
    found = read_json(compared)
    for variant in found["ways"]:
        for point in variant["course"]:
            here = [
                float(row["accuracy"])
                for row in read_table(compared)
                if (row["space"], row["estimator"]) == (variant["space"], variant["estimator"])
                and row["budget"] == str(point["budget"])
            ]
            assert point["each"] == pytest.approx(here)
            assert point["median"] == pytest.approx(np.median(here), abs=1e-6)
            assert point["q1"] <= point["median"] <= point["q3"]
    for number, at in enumerate(found["at"]):
        means = [one["course"][number]["mean"] for one in found["ways"]]
        assert means[at["best"]] == max(means)
        assert len(at["pairs"]) == 6
        assert all(pair["p_holm"] >= pair["p"] for pair in at["pairs"])
    assert found["recommendation"]["sentence"].endswith(".")


def test_the_page_is_self_contained_and_the_picture_can_be_read(compared: Path) -> None:
    html = (compared / "compare.html").read_text()
    assert html.count("<svg role=") == 2
    assert "free threshold" in html
    assert all(link.startswith("#") for link in re.findall(r'(?:src|href)\s*=\s*["\']?([^"\'>]*)', html))
    assert "http://" not in re.sub(r'xmlns(?::\w+)?="[^"]*"', "", html)
    picture = cv2.imread(str(compared / "compare.png"))
    assert picture is not None
    assert picture.shape == (1200, 1200, 3)


def test_report_writes_the_page_again(bbdft: Bbdft, compared: Path, tmp_path: Path) -> None:
    shutil.copy(compared / "compare.json", tmp_path)
    bbdft("report", tmp_path, code=0, fresh=True)
    assert (tmp_path / "compare.html").read_text() == (compared / "compare.html").read_text()
    done = bbdft("report", tmp_path / "nowhere", code=2)
    assert "holds neither a run nor a finished comparison" in done.stderr


def test_class_names_that_are_markup_are_escaped(bbdft: Bbdft, tiny: Path, tmp_path: Path) -> None:
    evil = "<b>&bright"
    shutil.copytree(tiny / "images", tmp_path / "images")
    lines = (tiny / "labels.csv").read_text().splitlines()
    renamed = [lines[0], *(line.replace(",bright", f",{evil}") for line in lines[1:])]
    (tmp_path / "labels.csv").write_text("\n".join(renamed) + "\n")
    more = ["--map", f"{evil}=bright", "--map", "dark=dark"]
    bbdft(*compare_words(tiny / "model.onnx", tmp_path, tmp_path / "out", *more, budgets=100, seeds=1), code=0)
    html = (tmp_path / "out/compare.html").read_text()
    assert "&lt;b&gt;&amp;bright" in html
    assert "<b>" not in html


# -- queries -----------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_no_image_is_scored_twice_and_none_beyond_the_printed_cost(bbdft: Bbdft, tiny: Path, counting: Path) -> None:
    out = counting / "out"
    words = compare_words("scene:tone", tiny, out, processes=1)
    said = bbdft(*words, "--dry-run", cwd=counting, code=0).stdout
    assert not out.exists()
    total = re.search(r"total +([\d,]+) queries", said)
    assert total
    most = int(total[1].replace(",", ""))
    bbdft(*words, cwd=counting, code=0)
    once = scored(counting)
    assert once == read_json(out)["queries"] <= most
    # Eight runs that do not share the unchanged val and test images would need as many more.
    assert once <= most < once + 8 * 120

    before = (out / "compare.csv").read_bytes()
    again = bbdft(*words, cwd=counting, code=0)
    assert scored(counting) == once
    assert "8 of 8 runs are done already" in again.stderr
    assert (out / "compare.csv").read_bytes() == before

    # With a further budget and seed only what is new is scored, and the other rows stay the same.
    bbdft(*compare_words("scene:tone", tiny, out, processes=1, budgets="100,200,300", seeds=3), cwd=counting, code=0)
    assert scored(counting) == read_json(out)["queries"]
    kept = [row for row in read_table(out) if row["budget"] != "300" and row["seed"] != "2"]
    assert kept == list(csv.DictReader(before.decode().splitlines()))


@pytest.mark.slow
def test_a_killed_comparison_continues(bbdft: Bbdft, compared: Path, tiny: Path, counting: Path) -> None:
    words = compare_words("scene:tone", tiny, counting / "out", processes=2)
    (counting / "slow").write_text("0.05")
    for seconds in (2.0, 3.5):
        command = [sys.executable, "-m", "blackbox_dft", *map(str, words)]
        environment = {"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"}
        process = subprocess.Popen(command, cwd=counting, env=environment, stderr=subprocess.DEVNULL)
        time.sleep(seconds)
        process.send_signal(signal.SIGKILL)
        process.wait()
    # Its workers end with it, and release the ledgers.
    time.sleep(0.5)
    (counting / "slow").write_text("0")
    bbdft(*words, cwd=counting, code=0)
    fields = ("space", "estimator", "seed", "queries", "accuracy", "chosen")
    rows, expected = read_table(counting / "out"), read_table(compared)
    assert [[row[name] for name in fields] for row in rows] == [[row[name] for name in fields] for row in expected]


def test_a_url_is_compared_one_run_after_the_other(bbdft: Bbdft, tiny: Path, tmp_path: Path) -> None:
    with serving(tmp_path / "count") as url:
        bbdft(*compare_words(url, tiny, tmp_path / "out", "--price", 0.001, "--yes", seeds=1), code=0)
    found = read_json(tmp_path / "out")
    assert int((tmp_path / "count").read_text()) == found["queries"]
    assert f"{found['queries'] * 0.001:,.2f} paid" in (tmp_path / "out/compare.txt").read_text()


# -- refusals ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("more", "code", "sentence"),
    [
        (["--estimator", "spsa:pairs=8"], 2, "names 'spsa:pairs=8' twice"),
        (["--budgets", "500,100"], 2, "out of order"),
        (["--budgets", "100,100"], 2, "twice"),
        (["--budgets", "many"], 2, "not a list of whole numbers"),
        (["--budgets", "0"], 2, "count from 1"),
        (["--space", "dtc:8"], 2, "did you mean 'dct'"),
        (["--estimator", "cma"], 2, "did you mean 'cma-es'"),
        (["--budgets", "20"], 3, "do not begin"),
        (["--map", "bright=light"], 2, "light"),
    ],
)
def test_bad_input_is_one_sentence(
    more: list[str], code: int, sentence: str, bbdft: Bbdft, tiny: Path, tmp_path: Path
) -> None:
    done = bbdft(*compare_words(tiny / "model.onnx", tiny, tmp_path / "out", *more), code=code)
    assert sentence in done.stderr
    assert done.stderr.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_the_folder_of_another_comparison_is_refused(bbdft: Bbdft, compared: Path, tiny: Path, tmp_path: Path) -> None:
    before = (compared / "compare.csv").read_bytes()
    done = bbdft(*compare_words(tiny / "model.onnx", tiny, compared, "--encoding", "none"), code=2)
    assert "was begun with --encoding png, not none" in done.stderr
    (tmp_path / "notes.txt").write_text("mine")
    assert "holds no comparison" in bbdft(*compare_words(tiny / "model.onnx", tiny, tmp_path), code=2).stderr
    assert (compared / "compare.csv").read_bytes() == before
