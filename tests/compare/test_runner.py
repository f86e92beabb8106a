"""``bbdft compare``: what it asks, what it writes, that it goes on after a kill, and what its statistics are worth."""

import csv
import json
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from blackbox_dft.report.compare_report import page, text_lines
from blackbox_dft.report.figures.charts import Axes, Series, line_chart
from blackbox_dft.report.figures.curve import accuracy_curve
from tests.conftest import Bbdft
from tests.helpers.serving import serving

ROOT = Path(__file__).parents[2]
CONTRACT = ["target", "space", "estimator", "seed", "queries", "accuracy", "before", "threshold", "n"]

COUNTING = """
import time
from pathlib import Path
import numpy as np

LOG = Path(__file__).with_name("asked")

def tone(images):
    "A lit scene: half of its gain is in the middle, so that a shift of the threshold does not replace the tuning."
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


def words(target: object, tiny: Path, out: Path, *more: object, **options: object) -> list[object]:
    """A small comparison as one gives it on the command line."""
    given = {"budgets": "100,200", "seeds": 2, **options}
    ways = ["--space", "color", "--space", "affine", "--estimator", "nes:pairs=8", "--estimator", "spsa:pairs=8"]
    named = [part for name, value in given.items() for part in (f"--{name.replace('_', '-')}", value)]
    return ["compare", target, "--data", tiny / "labels.csv", "--out", out, *ways, *named, *more]


def table(out: Path) -> list[dict[str, str]]:
    with (out / "compare.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def results(out: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((out / "compare.json").read_text())
    return found


@pytest.fixture(scope="module")
def compared(bbdft: Bbdft, tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished comparison, side by side in two processes."""
    out = tmp_path_factory.mktemp("compare") / "out"
    bbdft(*words(tiny / "model.onnx", tiny, out, processes=2), code=0, fresh=True)
    return out


@pytest.fixture
def counting(tmp_path: Path) -> Path:
    """A folder with a function that writes down every image it is asked about."""
    (tmp_path / "scene.py").write_text(COUNTING)
    return tmp_path


def asked(folder: Path) -> int:
    return len((folder / "asked").read_text().splitlines())


# -- what is written --------------------------------------------------------------------------------------------------


def test_the_table_has_a_row_for_every_run_and_budget(compared: Path, tiny: Path) -> None:
    rows = table(compared)
    assert list(rows[0])[: len(CONTRACT)] == CONTRACT
    keys = {(row["space"], row["estimator"], row["seed"], row["budget"]) for row in rows}
    assert len(keys) == len(rows) == 2 * 2 * 2 * 2
    assert {row["estimator"] for row in rows} == {"nes:pairs=8", "spsa:pairs=8"}
    for row in rows:
        assert 0 < int(row["queries"]) <= int(row["budget"])
        assert row["target"] == str(tiny / "model.onnx")
    assert {(row["before"], row["threshold"], row["n"]) for row in rows} == {("0.5", rows[0]["threshold"], "80")}


def test_the_json_holds_what_the_table_says(compared: Path) -> None:
    found = results(compared)
    for way in found["ways"]:
        for trajectory in way["course"]:
            here = [
                float(row["accuracy"])
                for row in table(compared)
                if (row["space"], row["estimator"]) == (way["space"], way["estimator"])
                and row["budget"] == str(trajectory["budget"])
            ]
            assert trajectory["each"] == pytest.approx(here)
            assert trajectory["median"] == pytest.approx(np.median(here), abs=1e-6)
            assert trajectory["q1"] <= trajectory["median"] <= trajectory["q3"]
    for number, at in enumerate(found["at"]):
        means = [way["course"][number]["mean"] for way in found["ways"]]
        assert means[at["best"]] == max(means)
        assert len(at["pairs"]) == 6
        assert all(pair["p_holm"] >= pair["p"] for pair in at["pairs"])
    assert found["recommendation"]["sentence"].endswith(".")


def test_the_page_needs_nothing_else_and_the_picture_can_be_read(compared: Path) -> None:
    html = (compared / "compare.html").read_text()
    assert html.count("<svg role=") == 2
    assert "free threshold" in html
    assert all(link.startswith("#") for link in re.findall(r'(?:src|href)\s*=\s*["\']?([^"\'>]*)', html))
    assert "http://" not in re.sub(r'xmlns(?::\w+)?="[^"]*"', "", html)
    picture = cv2.imread(str(compared / "compare.png"))
    assert picture is not None
    assert picture.shape == (1400, 1200, 3)


def test_report_writes_the_page_again(bbdft: Bbdft, compared: Path, tmp_path: Path) -> None:
    shutil.copy(compared / "compare.json", tmp_path)
    bbdft("report", tmp_path, code=0, fresh=True)
    assert (tmp_path / "compare.html").read_text() == (compared / "compare.html").read_text()
    done = bbdft("report", tmp_path / "nowhere", code=2)
    assert "holds neither a run nor a finished comparison" in done.stderr


def test_names_that_are_markup_stay_text(compared: Path) -> None:
    evil = "</title><script>alert(1)</script><img src=x onerror=alert(2)>"
    found = results(compared)
    found |= {"target": evil, "data": evil, "classes": [evil, "&amp;"], "spaces": [evil, "affine"], "objective": evil}
    for way in found["ways"]:
        way["estimator"] = f"{way['estimator']}{evil}"
        way["space"] = evil if way["space"] == "color" else way["space"]
    found["recommendation"]["sentence"] = evil
    html = page(found)
    assert "<script" not in html
    assert "<img" not in html
    assert html.count("&lt;script&gt;") >= 6
    assert "&amp;amp;" in html


def test_hostile_class_names_come_through_the_command_line(bbdft: Bbdft, tiny: Path, tmp_path: Path) -> None:
    evil = "<b>&bright"
    shutil.copytree(tiny / "images", tmp_path / "images")
    lines = (tiny / "labels.csv").read_text().splitlines()
    renamed = [lines[0], *(line.replace(",bright", f",{evil}") for line in lines[1:])]
    (tmp_path / "labels.csv").write_text("\n".join(renamed) + "\n")
    more = ["--map", f"{evil}=bright", "--map", "dark=dark"]
    bbdft(*words(tiny / "model.onnx", tmp_path, tmp_path / "out", *more, budgets=100, seeds=1), code=0)
    html = (tmp_path / "out/compare.html").read_text()
    assert "&lt;b&gt;&amp;bright" in html
    assert "<b>" not in html


# -- what is asked ----------------------------------------------------------------------------------------------------


def test_no_query_twice_and_none_beyond_what_was_said(bbdft: Bbdft, tiny: Path, counting: Path) -> None:
    out = counting / "out"
    ask = words("scene:tone", tiny, out, processes=1)
    said = bbdft(*ask, "--dry-run", cwd=counting, code=0).stdout
    assert not out.exists()
    total = re.search(r"total +([\d,]+) queries", said)
    assert total
    most = int(total[1].replace(",", ""))
    bbdft(*ask, cwd=counting, code=0)
    once = asked(counting)
    assert once == results(out)["queries"] <= most
    # Eight runs whose val and test images would have been asked about as they are.
    assert once <= most < once + 8 * 120

    before = (out / "compare.csv").read_bytes()
    again = bbdft(*ask, cwd=counting, code=0)
    assert asked(counting) == once
    assert "8 of 8 runs are done already" in again.stderr
    assert (out / "compare.csv").read_bytes() == before

    # A budget more, and a seed more: only what is new is paid for, and the rest stays as it was.
    bbdft(*words("scene:tone", tiny, out, processes=1, budgets="100,200,300", seeds=3), cwd=counting, code=0)
    assert asked(counting) == results(out)["queries"]
    kept = [row for row in table(out) if row["budget"] != "300" and row["seed"] != "2"]
    assert kept == list(csv.DictReader(before.decode().splitlines()))


def test_a_smaller_budget_reads_as_if_it_were_the_only_one(
    bbdft: Bbdft, compared: Path, tiny: Path, tmp_path: Path
) -> None:
    bbdft(*words(tiny / "model.onnx", tiny, tmp_path / "out", budgets=100, processes=1), code=0)
    assert table(tmp_path / "out") == [row for row in table(compared) if row["budget"] == "100"]


def test_a_killed_comparison_goes_on(bbdft: Bbdft, compared: Path, tiny: Path, counting: Path) -> None:
    ask = words("scene:tone", tiny, counting / "out", processes=2)
    (counting / "slow").write_text("0.05")
    for seconds in (2.0, 3.5):
        command = [sys.executable, "-m", "blackbox_dft", *map(str, ask)]
        environment = {"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"}
        process = subprocess.Popen(command, cwd=counting, env=environment, stderr=subprocess.DEVNULL)
        time.sleep(seconds)
        process.send_signal(signal.SIGKILL)
        process.wait()
    # Its workers end with it; the ledgers are free again when they have.
    time.sleep(0.5)
    (counting / "slow").write_text("0")
    bbdft(*ask, cwd=counting, code=0)
    fields = ("space", "estimator", "seed", "queries", "accuracy", "chosen")
    rows, expected = table(counting / "out"), table(compared)
    assert [[row[name] for name in fields] for row in rows] == [[row[name] for name in fields] for row in expected]


def test_a_url_is_compared_one_run_after_the_other(bbdft: Bbdft, tiny: Path, tmp_path: Path) -> None:
    with serving(tmp_path / "count") as url:
        bbdft(*words(url, tiny, tmp_path / "out", "--price", 0.001, "--yes", seeds=1), code=0)
    found = results(tmp_path / "out")
    assert int((tmp_path / "count").read_text()) == found["queries"]
    assert f"{found['queries'] * 0.001:,.2f} paid" in (tmp_path / "out/compare.txt").read_text()


# -- what is refused --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("more", "code", "sentence"),
    [
        (["--estimator", "spsa:pairs=8"], 2, "names 'spsa:pairs=8' twice"),
        (["--budgets", "500,100"], 2, "out of order"),
        (["--budgets", "100,100"], 2, "twice"),
        (["--budgets", "many"], 2, "no list of whole numbers"),
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
    done = bbdft(*words(tiny / "model.onnx", tiny, tmp_path / "out", *more), code=code)
    assert sentence in done.stderr
    assert done.stderr.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_another_comparison_s_folder_is_refused(bbdft: Bbdft, compared: Path, tiny: Path, tmp_path: Path) -> None:
    before = (compared / "compare.csv").read_bytes()
    done = bbdft(*words(tiny / "model.onnx", tiny, compared, "--encoding", "none"), code=2)
    assert "was begun with encoding png, not none" in done.stderr
    (tmp_path / "notes.txt").write_text("mine")
    assert "holds no comparison" in bbdft(*words(tiny / "model.onnx", tiny, tmp_path), code=2).stderr
    assert (compared / "compare.csv").read_bytes() == before


# -- drawing ----------------------------------------------------------------------------------------------------------


def test_charts_are_drawn_in_the_page_s_colours_with_names_escaped() -> None:
    x = np.array([500.0, 5000.0])
    series = [Series(x, x / 10_000, x / 20_000, x / 9_000)] * 8
    svg = line_chart(series, {"before": 0.4}, Axes("q", "a", log=True, ticks=[500, 5000]), name='a "<b>"')
    assert svg.startswith("<svg role=")
    assert "&quot;&lt;b&gt;&quot;" in svg
    assert "var(--s5)" in svg
    assert "#fe0" not in svg
    assert ">5k<" in svg


def test_a_band_is_a_pale_area_and_a_logarithmic_axis_is_marked_where_points_are() -> None:
    x, y = [500, 5000, 50_000], [0.5, 0.6, 0.7]
    plain = accuracy_curve({"nes": (x, y)}, log=True)
    band = accuracy_curve({"nes": (x, y)}, bands={"nes": ([0.4, 0.5, 0.6], [0.6, 0.7, 0.8])}, log=True)
    assert (band != 255).any(axis=2).sum() > (plain != 255).any(axis=2).sum() + 20_000


def test_text_lines_say_which_way_is_best(compared: Path) -> None:
    found = results(compared)
    lines = text_lines(found)
    assert lines[0] == found["recommendation"]["sentence"]
    assert sum("*" in line for line in lines) >= 2
