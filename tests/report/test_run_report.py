"""The page of a run: whole, self-contained, everything that is not ours escaped; and what breaks the result down."""

import json
import os
import re
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from blackbox_dft import Config, InputError, optimize
from blackbox_dft.report import breakdown
from blackbox_dft.report.change import in_words
from blackbox_dft.report.provenance import command, public
from blackbox_dft.report.run_report import write_run_report
from blackbox_dft.run.predictions import Predictions
from blackbox_dft.targets import TargetOptions
from tests.conftest import Bbdft
from tests.hostile import EVIL, write_hostile

VOID = {"meta", "img", "br", "line", "path", "use", "rect", "stop"}


class Page(HTMLParser):
    """Elements, addresses and text of a page; fails where tags do not close."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.addresses: list[str] = []
        self.handlers: list[str] = []
        self.open: list[str] = []
        self.texts: list[str] = []
        self.feed(text)
        self.close()
        assert self.open == []
        self.text = " ".join(" ".join(self.texts).split())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        for name, value in attrs:
            if name in ("src", "href", "xlink:href", "action", "srcset", "data"):
                self.addresses.append(value or "")
            if name.startswith("on"):
                self.handlers.append(name)
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open[-1:] not in (["style"], []):
            self.texts.append(data)


def read(path: Path) -> Page:
    text = path.read_text(encoding="utf-8")
    assert len(text.encode()) < 2_000_000
    page = Page(text)
    assert "script" not in page.tags
    assert page.handlers == []
    # Nothing leaves the page: pictures are inside it, and drawings refer to their own parts.
    assert all(address.startswith(("data:image/", "#")) for address in page.addresses), page.addresses
    assert not re.findall(r"url\((?!#|&quot;#|\"#)", text)
    assert "default-src 'none'" in text
    return page


@pytest.fixture(scope="module")
def run(bbdft: Bbdft, tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("hostile") / "a<b>&'\"c"
    words = write_hostile(tiny, folder)
    bbdft(*words, "--budget", 1000, "--space", "color+dct:2", "--out", folder / "run", code=0)
    return folder / "run"


def test_the_page_stands_alone_and_names_stay_text(run: Path) -> None:
    page = read(run / "report.html")
    assert EVIL in page.text
    assert '"><svg onload=alert(3)>' in page.text
    assert "<img src=x onerror=alert(2)>.png" in page.text
    assert "Test accuracy per <b>skin</b>" in page.text
    assert page.tags.count("svg") >= 3
    assert page.tags.count("img") >= 9


def test_it_says_what_the_summary_says(run: Path) -> None:
    page = read(run / "report.html")
    summary = json.loads((run / "summary.json").read_text())
    test, low_high = summary["accuracy"]["test"], [f"{100 * end:+.1f}" for end in summary["accuracy"]["test"]["ci95"]]
    assert f"{test['after']:.1%} of the {test['n']:,} test images" in page.text
    assert " to ".join(low_high) in page.text
    for shown in (
        f"free threshold {summary['threshold']['test']:.3f}",
        "What is added",
        "To get it again",
        "color+dct:2",
    ):
        assert shown in page.text
    answers = Predictions.read(run)
    right = [p.argmax(axis=1) == answers.labels for p in (answers.before, answers.after)]
    assert f"Mended: {int((~right[0] & right[1]).sum())}" in page.text
    text = (run / "report.txt").read_text()
    assert "again: bbdft optimize" in text
    assert f"{test['after']:.1%}" in text


def test_parts_are_asked_for_and_then_shown(run: Path, bbdft: Bbdft) -> None:
    assert "takes queries to find out" in read(run / "report.html").text
    done = bbdft("evaluate", run, "--parts", code=0)
    assert "color alone" in done.stdout
    document = json.loads((run / "parts.json").read_text())
    assert [row["name"] for row in document["rows"]] == ["color alone", "dct:2 alone", "all"]
    summary = json.loads((run / "summary.json").read_text())["accuracy"]["test"]
    # The run's own answers, not asked for again.
    assert (document["before"], document["rows"][-1]["accuracy"]) == (summary["before"], summary["after"])
    again = json.loads(bbdft("evaluate", run, "--parts", "--json", code=0).stdout)
    assert again["rows"] == document["rows"]
    bbdft("report", run, "--price", "0.5", "--mark", "local model=0.91", code=0, fresh=True)
    page = read(run / "report.html")
    assert "What each part contributed" in page.text
    assert "test, local model 0.910" in page.text
    assert f"{0.5 * json.loads((run / 'summary.json').read_text())['queries']['total']:,.2f}" in page.text


def test_without_the_extra_there_is_a_text(run: Path, tmp_path: Path) -> None:
    shutil.copytree(run, tmp_path / "run")
    (tmp_path / "run/report.html").unlink()
    (tmp_path / "run/report.txt").unlink()
    script = (
        "import sys; sys.modules['jinja2'] = sys.modules['matplotlib'] = None; sys.argv = ['bbdft', 'report', 'run']\n"
    )
    script += "from blackbox_dft.cli import main; main()"
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, env=environment, capture_output=True, text=True, check=True
    )
    assert "pip install 'blackbox-dft[report]'" in done.stdout
    assert not (tmp_path / "run/report.html").exists()
    assert "95 % interval" in (tmp_path / "run/report.txt").read_text()


def test_what_cannot_be_reported_is_one_sentence(run: Path, bbdft: Bbdft, tmp_path: Path) -> None:
    shutil.copytree(run, tmp_path / "run")
    for words, sentence in (
        (["nowhere"], "holds neither a run"),
        (["run", "--by", "hair"], "says nothing of 'hair': it has <b>skin</b>"),
        (["run", "--mark", "much=2"], "is no accuracy with a name"),
    ):
        done = bbdft("report", *words, cwd=tmp_path, code=2)
        assert sentence in done.stderr
        assert "Traceback" not in done.stderr
    (tmp_path / "run/answers.npz").write_bytes(b"PK nonsense")
    assert "which writes it" in bbdft("report", "run", cwd=tmp_path, code=2).stderr
    (tmp_path / "run/answers.npz").unlink()
    assert "has no answers.npz: give 'bbdft resume run'" in bbdft("report", "run", cwd=tmp_path, code=2).stderr
    bbdft("resume", "run", cwd=tmp_path, code=0)
    read(tmp_path / "run/report.html")
    (tmp_path / "run/summary.json").unlink()
    assert "is not finished" in bbdft("report", "run", cwd=tmp_path, code=2).stderr


def test_images_that_are_gone_leave_the_rest(tiny: Path, tmp_path: Path) -> None:
    shutil.copytree(tiny, tmp_path / "job")
    config = Config(str(tmp_path / "job/model.onnx"), str(tmp_path / "job/labels.csv"), space="color", budget=600)
    optimize(config, tmp_path / "run")
    shutil.rmtree(tmp_path / "job")
    assert write_run_report(tmp_path / "run") == ["report.html", "report.txt"]
    assert "No pictures: " in read(tmp_path / "run/report.html").text


def answers(labels: list[int], before: list[int], after: list[int], **more: object) -> Predictions:
    eye = np.eye(max(*labels, *before, *after) + 1)
    names = tuple(f"class {number}" for number in range(len(eye)))
    files = tuple(f"{number}.png" for number in range(len(labels)))
    return Predictions(names, files, np.array(labels), eye[before], eye[after], np.empty((0, 3)), **more)  # type: ignore[arg-type]


def test_one_group_mended_at_anothers_cost_is_seen() -> None:
    labels = [0, 1] * 100
    groups = tuple("dark" if number < 100 else "light" for number in range(200))
    before = labels[:100] + [1 - label for label in labels[100:150]] + labels[150:]
    after = [1 - label for label in labels[:30]] + labels[30:]
    found = answers(labels, before, after, traits={"skin": groups, "id": tuple(map(str, range(200)))})
    dark, light = breakdown.per_trait(found, "skin")
    assert (dark.name, dark.n, dark.word) == ("dark", 100, "worse")
    assert dark.change == pytest.approx(-0.3)
    assert (light.word, round(light.change, 6)) == ("better", 0.5)
    assert dark.ci95 is not None
    assert dark.ci95[0] < -0.3 < dark.ci95[1] < 0
    assert breakdown.usual_traits(found) == ["skin"]
    assert [part.name for part in breakdown.per_class(found)] == ["class 0", "class 1"]


def test_few_images_get_no_interval_and_many_values_no_table() -> None:
    found = answers([0, 1, 2] * 3, [0, 1, 1] * 3, [0, 1, 2] * 3)
    assert [part.word for part in breakdown.per_class(found)] == ["few images"] * 3
    counts = breakdown.confusion(found.before, found.labels)
    np.testing.assert_array_equal(counts, [[3, 0, 0], [0, 3, 0], [0, 3, 0]])
    shares = breakdown.histogram(found, 2)
    assert (shares[0][0], shares[1][-1]) == (1, 1)
    chosen = breakdown.chosen_images(found, 2, 2)
    assert [len(chosen[kind]) for kind in ("mended", "broken", "typical")] == [2, 0, 2]
    assert set(chosen["mended"]) <= {2, 5, 8}


def test_answers_come_back_from_their_file(tmp_path: Path) -> None:
    odd = answers([0, 1], [0, 0], [0, 1], groups=np.array([3, 4]), traits={"\udcff": ("ü", "\udc80")})
    odd.write(tmp_path)
    back = Predictions.read(tmp_path)
    assert (back.classes, back.files, dict(back.traits)) == (odd.classes, odd.files, dict(odd.traits))
    np.testing.assert_array_equal(back.after, odd.after)
    assert back.groups is not None
    np.savez(tmp_path / "answers.npz", labels=np.array([print], dtype=object))
    with pytest.raises(InputError, match="cannot be read"):
        Predictions.read(tmp_path)


def test_the_command_is_one_that_gives_the_run_again() -> None:
    options = TargetOptions(classes=("a", "b c"), headers=("X: {env:KEY}",), size=(8, 9), workers=3, insecure=True)
    config = Config(
        "https://me:pw@host/v2?key=s3cret&k={env:KEY}", "lfw:d", label="Smiling", map=("a=b", "c=*"), seed=3,
        distance_weight=2.5, skip_bad=True, target_options=options,
    )  # fmt: skip
    words = command(config)
    assert "pw" not in words
    assert "s3cret" not in words
    for part in (
        "--map a=b", "--map 'c=*'", "--label Smiling", "--seed 3", "--distance-weight 2.5", "--skip-bad",
        "--model-classes 'a,b c'", "--header 'X: {env:KEY}'", "--size 8x9", "--concurrency 3", "--insecure",
    ):  # fmt: skip
        assert part in words
    assert "--space" not in words
    assert public("model.onnx?x=1") == "model.onnx?x=1"


@pytest.mark.parametrize(
    ("name", "z", "words"),
    [
        ("zoom", 1, "11% larger"), ("right", -2, "10.0% of the image left"), ("down", 1, "of the image down"),
        ("turn", 2, "10.0° counter-clockwise"), ("gain", 1, "× 1.10"), ("bias", -1, "-13 levels"),
        ("gamma", 1, "darker"), ("saturation", 1, "× 1.20"), ("temperature", 1, "warmer"), ("tint", -1, "green"),
        ("luma 0,1", 3, ""),
    ],
)  # fmt: skip
def test_numbers_in_words(name: str, z: float, words: str) -> None:
    assert words in in_words(name, z)
