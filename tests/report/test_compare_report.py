"""The report of a comparison."""

import json
from pathlib import Path
from typing import Any

import pytest

from blackbox_dft.errors import InputError
from blackbox_dft.report.compare_report import page, picture, read_results, text_lines, write_report
from tests.helpers.comparisons import GAINING, assembled
from tests.helpers.html_page import read_page


@pytest.fixture(scope="module")
def found() -> dict[str, Any]:
    return assembled(GAINING, shifted=520)


def test_the_text_has_the_recommendation_and_all_medians(found: dict[str, Any]) -> None:
    assert text_lines(found) == [
        "For 200 queries take spsa on color: test accuracy 0.740 on average, against 0.500 before and 0.520 with the "
        "free threshold.",
        "",
        "median test accuracy at       100       200       400",
        "before                      0.500     0.500     0.500",
        "free threshold              0.520     0.520     0.520",
        "nes on color               0.501*    0.500     0.750*",
        "spsa on color              0.500     0.740*    0.749 ",
        "",
        "whole bill until proven       100       200       400",
        "nes on color               2,112-    2,212-      452 ",
        "spsa on color              2,112-      255       452 ",
        "  bill: all queries of a run of its own that stops once its gain is proven, medians; -: not in all seeds",
        "  *: best mean; 2 seeds, 1,000 test images, 123 queries in all",
    ]
    assert text_lines({**found, "price": 0.5})[-1].endswith("123 queries, 61.50 paid in all")


def test_all_files_are_written_and_read_again(found: dict[str, Any], tmp_path: Path) -> None:
    lines = write_report(found, tmp_path)
    assert lines == [f"  written: {tmp_path}/compare.html, compare.csv, compare.json, compare.txt, compare.png"]
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "compare.html", "compare.json", "compare.png", "compare.txt",
    ]  # fmt: skip
    assert read_results(tmp_path) == found
    text = read_page(tmp_path / "compare.html").text
    for shown in ("spsa 0.749", "0.740", "free threshold 0.520", "Every variant ran once with each seed to 400"):
        assert shown in text


@pytest.mark.parametrize(
    ("text", "sentence"),
    [(None, "holds no finished comparison"), ("{", "give the same 'bbdft compare' again"), ('{"ways": []}', "again")],
)
def test_a_folder_without_results_is_an_input_error(text: str | None, sentence: str, tmp_path: Path) -> None:
    if text is not None:
        (tmp_path / "compare.json").write_text(text)
    with pytest.raises(InputError, match=sentence):
        read_results(tmp_path)


@pytest.mark.parametrize(("budgets", "scale"), [([100, 200, 400], "linear"), ([100, 200, 800], "log")])
def test_a_wide_range_of_budgets_gets_a_logarithmic_axis(found: dict[str, Any], budgets: list[int], scale: str) -> None:
    (plot,) = picture({**found, "budgets": budgets}).axes
    assert plot.get_xscale() == scale
    assert list(plot.get_xticks()) == budgets


def test_names_that_are_markup_stay_text(found: dict[str, Any]) -> None:
    evil = "</title><script>alert(1)</script><img src=x onerror=alert(2)>"
    spoiled = json.loads(json.dumps(found))
    spoiled |= {"target": evil, "data": evil, "classes": [evil, "&amp;"], "spaces": [evil], "objective": evil}
    for variant in spoiled["ways"]:
        variant |= {"estimator": f"{variant['estimator']}{evil}", "space": evil}
    spoiled["recommendation"]["sentence"] = evil
    html = page(spoiled)
    assert "<script" not in html
    assert "<img" not in html
    assert html.count("&lt;script&gt;") >= 6
    assert "&amp;amp;" in html
