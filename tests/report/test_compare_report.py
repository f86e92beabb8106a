"""The report of a comparison."""

import json
from pathlib import Path
from typing import Any

import pytest

from blackbox_dft.errors import InputError
from blackbox_dft.report.compare_report import more_seeds, page, picture, read_results, text_lines, write_report
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
    assert lines == [
        f"  written: {tmp_path}/compare.html, compare.csv, compare.json, compare.txt, compare.png, compare.svg"
    ]
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "compare.html", "compare.json", "compare.png", "compare.svg", "compare.txt",
    ]  # fmt: skip
    assert read_results(tmp_path) == found
    text = read_page(tmp_path / "compare.html").text
    assert (tmp_path / "compare.svg").read_text().startswith("<?xml")
    for shown in (
        "Take spsa on color",
        "+22.0 points",
        "What to do now",
        "spsa 0.749",
        "0.740",
        "free threshold 0.520",
        "Every variant ran once with each seed to 400",
    ):
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


def test_panels_share_their_axes(found: dict[str, Any]) -> None:
    more = json.loads(json.dumps(found))
    more["spaces"] = ["color", "affine"]
    low = json.loads(json.dumps(more["ways"][0])) | {"space": "affine"}
    for point in low["course"]:
        point |= {"median": 0.3, "q1": 0.25, "q3": 0.35}
    more["ways"].append(low)
    first, second = picture(more).axes
    assert first.get_ylim() == second.get_ylim()
    assert first.get_xlim() == second.get_xlim()
    assert first.get_ylim()[0] < 0.25


def alike(each: list[list[float]], half: float) -> dict[str, Any]:
    """Two variants at one budget whose difference has an interval of this half width."""
    means = [sum(values) / len(values) for values in each]
    difference = means[0] - means[1]
    ways = [
        {"estimator": name, "space": "color", "course": [{"mean": mean, "each": values}]}
        for name, mean, values in zip(("nes", "spsa"), means, each, strict=True)
    ]
    pair = {
        "first": 0,
        "second": 1,
        "difference": difference,
        "p_holm": 0.2,
        "ci95": [difference - half, difference + half],
    }
    return {
        "ways": ways,
        "budgets": [100],
        "seeds": list(range(len(each[0]))),
        "recommendation": {"budget": None},
        "at": [{"best": 0, "pairs": [pair]}],
    }


@pytest.mark.parametrize(
    ("each", "half", "says"),
    [
        # All of the variance is of seeds: their differences of .04 and 0 have a mean of .02 with an error of .02.
        ([[0.54, 0.5], [0.5, 0.5]], 1.96 * 0.02, "about 8 seeds instead of 2 would settle it"),
        # Nearly all is of the images.
        ([[0.521, 0.52], [0.5, 0.5]], 0.06, "with these test images no number of seeds would settle it"),
        ([[0.52], [0.5]], 0.03, "one seed cannot say how much depends on it: give --seeds 5"),
    ],
)
def test_more_seeds_are_advised_if_they_would_settle_it(each: list[list[float]], half: float, says: str) -> None:
    assert says in more_seeds(alike(each, half))


def test_what_is_settled_needs_no_seeds(found: dict[str, Any]) -> None:
    assert more_seeds(found) == ""


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
