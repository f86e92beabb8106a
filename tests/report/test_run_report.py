"""The report of a run: self-contained, with foreign text escaped, and true to the summary."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from blackbox_dft import Config
from blackbox_dft._utils.text import percent
from blackbox_dft.report.figures.charts import line_figure
from blackbox_dft.report.figures.search_curve import ESTIMATE, search_curve
from blackbox_dft.report.run_report import write_run_report
from blackbox_dft.run.predictions import Predictions
from blackbox_dft.run.runner import optimize
from tests.conftest import Bbdft
from tests.helpers.hostile import EVIL, write_hostile
from tests.helpers.html_page import read_page
from tests.helpers.predictions import with_answers


@pytest.fixture(scope="module")
def run(bbdft: Bbdft, tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("hostile") / "a<b>&'\"c"
    words = write_hostile(tiny, folder)
    bbdft(*words, "--budget", 1000, "--space", "color+dct:2", "--out", folder / "run", code=0)
    return folder / "run"


def test_the_page_is_self_contained_and_names_stay_text(run: Path) -> None:
    page = read_page(run / "report.html")
    assert EVIL in page.text
    assert '"><svg onload=alert(3)>' in page.text
    assert "<img src=x onerror=alert(2)>.png" in page.text
    assert "Test accuracy per <b>skin</b>" in page.text
    assert page.tags.count("svg") >= 3
    assert page.tags.count("img") >= 9


def test_the_page_says_what_the_summary_says(run: Path) -> None:
    page = read_page(run / "report.html")
    summary = json.loads((run / "summary.json").read_text())
    test, low_high = summary["accuracy"]["test"], [f"{100 * end:+.1f}" for end in summary["accuracy"]["test"]["ci95"]]
    assert f"{test['after']:.1%} of the {test['n']:,} test images" in page.text
    assert " to ".join(low_high) in page.text
    for shown in (
        f"{100 * (test['after'] - test['before']):+.1f} points",
        f"free threshold {percent(summary['threshold']['test'])}",
        "What to do now",
        "What is added",
        "How to get it again",
        "color+dct:2",
    ):
        assert shown in page.text
    answers = Predictions.read(run)
    right = [p.argmax(axis=1) == answers.labels for p in (answers.before, answers.after)]
    assert f"Mended: {int((~right[0] & right[1]).sum())}" in page.text
    text = (run / "report.txt").read_text()
    assert "again: bbdft optimize" in text
    assert f"{test['after']:.1%}" in text


def test_page_picture_and_terminal_give_the_same_numbers(bbdft: Bbdft, tiny: Path, tmp_path: Path) -> None:
    words = [tiny / "model.onnx", "--data", tiny / "labels.csv", "--space", "color", "--budget", 1000]
    done = bbdft("optimize", *words, "--out", tmp_path / "run", code=0)
    summary = json.loads((tmp_path / "run/summary.json").read_text())
    test, free, parts = summary["accuracy"]["test"], summary["threshold"]["test"], summary["parts"]
    page, predictions = read_page(tmp_path / "run/report.html"), Predictions.read(tmp_path / "run")
    chart = search_curve(predictions, summary, {})
    assert chart is not None
    (plot,) = line_figure({"search": chart}).axes
    texts = [text.get_text() for text in plot.get_legend().get_texts()]
    # The line ends at what the image change reaches alone, not at the accuracy of what was tried around it.
    assert texts == [
        f"{ESTIMATE} {percent(parts['image'])}",
        f"test, before {percent(test['before'])}",
        f"test, free threshold {percent(free)}",
        f"test, after {percent(test['after'])}",
    ]
    for text in texts:
        assert text in page.text
    assert f"test accuracy {test['before']:.3f} -> {test['after']:.3f}" in done.stdout
    assert f"free threshold shift: {free:.3f}" in done.stdout
    points = f"{100 * (test['after'] - test['before']):+.1f} points"
    interval = " to ".join(f"{100 * end:+.1f}" for end in test["ci95"])
    for text in (points, interval):
        assert text in page.text
        assert text in done.stdout
    command = done.stdout.split("  now: ")[1].split(": ", 1)[1].strip()
    assert command in page.text
    assert command in (tmp_path / "run/report.txt").read_text()
    # While it ran, nothing called the accuracy of what was tried that of the result.
    assert "train accuracy" not in done.stderr


def test_files_of_earlier_versions_have_a_page(run: Path, tmp_path: Path) -> None:
    shutil.copytree(run, tmp_path / "run")
    path = tmp_path / "run/summary.json"
    summary = json.loads(path.read_text())
    for name in ("parts", "proof", "views", "queries_per_image", "no_score", "scored", "stopped_early", "price"):
        del summary[name]
    del summary["queries"]["views"], summary["queries"]["watch"]
    path.write_text(json.dumps(summary | {"parts": []}))
    with np.load(tmp_path / "run/answers.npz") as file:
        arrays = {name: file[name] for name in file if name not in ("estimates", "proof")}
    np.savez(tmp_path / "run/answers.npz", **arrays)
    write_run_report(tmp_path / "run")
    page = read_page(tmp_path / "run/report.html")
    assert "loss of the candidates tried" in page.text
    assert ESTIMATE not in page.text
    assert f"{100 * (summary['accuracy']['test']['after'] - summary['accuracy']['test']['before']):+.1f}" in page.text


@pytest.mark.parametrize("classes", [43, 1000])
def test_long_lists_of_classes_are_cut(run: Path, tmp_path: Path, classes: int) -> None:
    write_run_report(with_answers(run, tmp_path / "run", classes))
    page = read_page(tmp_path / "run/report.html")
    assert f"those that changed most of {classes:,}" in page.text
    assert f"All {classes:,}" in page.text


def test_parts_are_evaluated_and_then_shown(run: Path, bbdft: Bbdft) -> None:
    assert "takes queries to find out" in read_page(run / "report.html").text
    done = bbdft("evaluate", run, "--parts", code=0)
    assert "color alone" in done.stdout
    document = json.loads((run / "parts.json").read_text())
    assert [row["name"] for row in document["rows"]] == ["color alone", "dct:2 alone", "all"]
    summary = json.loads((run / "summary.json").read_text())["accuracy"]["test"]
    # From the run's own scores.
    assert (document["before"], document["rows"][-1]["accuracy"]) == (summary["before"], summary["after"])
    again = json.loads(bbdft("evaluate", run, "--parts", "--json", code=0).stdout)
    assert again["rows"] == document["rows"]
    bbdft("report", run, "--price", "0.5", "--mark", "local model=0.91", code=0, fresh=True)
    page = read_page(run / "report.html")
    assert "What each part contributed" in page.text
    assert "test, local model 91.0%" in page.text
    assert f"{0.5 * json.loads((run / 'summary.json').read_text())['queries']['total']:,.2f}" in page.text


def test_bad_input_is_one_sentence(run: Path, bbdft: Bbdft, tmp_path: Path) -> None:
    shutil.copytree(run, tmp_path / "run")
    for words, sentence in (
        (["nowhere"], "holds neither a run"),
        (["run", "--by", "hair"], "has no column 'hair': it has <b>skin</b>"),
        (["run", "--mark", "much=2"], "is not an accuracy with a name"),
    ):
        done = bbdft("report", *words, cwd=tmp_path, code=2)
        assert sentence in done.stderr
        assert "Traceback" not in done.stderr
    (tmp_path / "run/answers.npz").write_bytes(b"PK nonsense")
    assert "which writes it" in bbdft("report", "run", cwd=tmp_path, code=2).stderr
    (tmp_path / "run/answers.npz").unlink()
    assert "has no answers.npz: give 'bbdft resume run'" in bbdft("report", "run", cwd=tmp_path, code=2).stderr
    bbdft("resume", "run", cwd=tmp_path, code=0)
    read_page(tmp_path / "run/report.html")
    (tmp_path / "run/summary.json").unlink()
    assert "is not finished" in bbdft("report", "run", cwd=tmp_path, code=2).stderr


def test_without_the_images_the_rest_is_written(tiny: Path, tmp_path: Path) -> None:
    shutil.copytree(tiny, tmp_path / "job")
    config = Config(str(tmp_path / "job/model.onnx"), str(tmp_path / "job/labels.csv"), space="color", budget=600)
    optimize(config, tmp_path / "run")
    shutil.rmtree(tmp_path / "job")
    assert write_run_report(tmp_path / "run") == ["report.html", "report.txt"]
    assert "No pictures: " in read_page(tmp_path / "run/report.html").text


def test_matplotlib_and_jinja_load_only_once_something_is_drawn() -> None:
    modules = "blackbox_dft.report.run_report, blackbox_dft.report.compare_report, blackbox_dft.report.figures.pictures"
    code = f"import sys, {modules}; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not {"matplotlib", "jinja2"} & set(loaded)


def test_a_sequential_proof_is_drawn_and_said(bbdft: Bbdft, tiny: Path, tmp_path: Path) -> None:
    words = [tiny / "model.onnx", "--data", tiny / "labels.csv", "--space", "color", "--budget", 500]
    done = bbdft("optimize", *words, "--evaluate", "enough", "--out", tmp_path / "run", code=0)
    proof = json.loads((tmp_path / "run/summary.json").read_text())["proof"]
    said = f"gain was decided after {proof['decided_at']} of {proof['n']} draws"
    page = read_page(tmp_path / "run/report.html")
    assert f"The {said}" in page.text
    assert "The proof" in page.text
    assert f"proof: the {said}" in done.stdout
    # Draws, mean and both ends each time the interval was looked at.
    path = Predictions.read(tmp_path / "run").proof
    assert path[-1, 0] == proof["n"]
    assert path[-1, 2:].tolist() == pytest.approx(proof["ci95"], abs=1e-5)
