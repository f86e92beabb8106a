"""The verdict in lines."""

from pathlib import Path
from typing import Any

import pytest

from blackbox_dft.report.terminal import free_threshold_sentence, verdict_lines

SUMMARY: dict[str, Any] = {
    "target": "model.onnx",
    "space": "affine+color",
    "verdict": "improved",
    "accuracy": {"test": {"before": 0.5, "after": 0.75, "n": 1200, "ci95": [0.2, 0.3]}},
    "threshold": {"test": 0.625, "ci95": [0.05, 0.2]},
    "beats_threshold": True,
    "chosen": "last iterate",
    "mcnemar_p": 0.00123,
    "psnr_db": None,
    "ssim": 0.5,
    "budget": 3000,
    "queries": {"total": 2000, "tune": 500, "select": 300, "evaluate": 1200, "cached": 7, "in_doubt": 0},
    "seconds": 12.34,
    "images_per_second": 162.1,
}


def test_every_number_of_the_summary_is_in_its_line() -> None:
    assert verdict_lines(SUMMARY, price=0.5) == [
        "improved: test accuracy 0.500 -> 0.750 (+25.0 points, 95 %: +20.0 to +30.0; 1,200 images)",
        "  free threshold shift: 0.625; the tuning beats it by 12.5 points (95 %: +5.0 to +20.0)",
        "  kept: last iterate; McNemar p = 0.0012",
        "  queries: 2,000 of 3,000 (500 tune, 300 select, 1,200 evaluate; 7 free from the ledger), 1000.00 paid",
        "  12.3 s, 162 images/s",
    ]


@pytest.mark.parametrize(
    ("more", "line"),
    [
        ({"warnings": ["dark"]}, "  warning: dark"),
        ({"psnr_db": 30.0, "space": "dct:8"}, "psnr 30.0 dB, ssim 0.500"),
        ({"stopped_early": True}, "  the search stopped early"),
        ({"calibrated": {"test": 0.8, "ci95": [0.1, 0.2]}}, "with the threshold fitted again: 0.800, +17.5 points"),
        ({"space_parts": [{"part": "dct:8", "gain": 0.01, "ci95": [0, 0.02]}]}, "on val: dct:8 +1.0 (+0.0 to +2.0)"),
        ({"queries": SUMMARY["queries"] | {"watch": 44}}, "1,200 evaluate, 44 drift check; 7 free from the ledger)"),
        ({"queries": SUMMARY["queries"] | {"in_doubt": 9}}, "1,200 evaluate, 9 in doubt; 7 free from the ledger)"),
    ],
)
def test_what_only_some_runs_have_gets_a_line(more: dict[str, Any], line: str) -> None:
    assert line in "\n".join(verdict_lines(SUMMARY | more))


def test_no_speed_is_shown_if_nothing_was_scored() -> None:
    assert verdict_lines(SUMMARY | {"images_per_second": 0.0})[-1] == "  12.3 s"


def test_images_that_are_moved_or_toned_have_no_psnr() -> None:
    text = "\n".join(verdict_lines(SUMMARY | {"psnr_db": 12.4, "space": "affine+color+dct:8"}))
    assert "psnr" not in text
    assert "ssim" not in text


def test_only_files_that_exist_are_named(tmp_path: Path) -> None:
    (tmp_path / "report.html").touch()
    (tmp_path / "tuning.npz").touch()
    assert f"  written: {tmp_path}/report.html, tuning.npz" in verdict_lines(SUMMARY, tmp_path)


def with_free(before: float, after: float, free: float, ci95: list[float], verdict: str) -> dict[str, Any]:
    test = {"before": before, "after": after, "n": 202, "ci95": [0.0, 0.0]}
    return SUMMARY | {"accuracy": {"test": test}, "threshold": {"test": free, "ci95": ci95}, "verdict": verdict}


@pytest.mark.parametrize(
    ("before", "after", "free", "ci95", "sentence", "line"),
    [
        # The free threshold is better, by its own interval.
        (0.936, 0.936, 0.990, [-0.094, -0.020],
         "The free threshold is better: 99.0%, 5.4 points above the change (95 %: +2.0 to +9.4), and it costs no query",
         "it is better than the tuning, which is -5.4 points from it (95 %: -9.4 to -2.0)"),
        (0.5, 0.75, 0.7, [-0.01, 0.11],
         "The free threshold (70.0%) does as well within the error (+5.0 points, 95 %: -1.0 to +11.0)",
         "the tuning does not clearly beat it (+5.0 points, 95 %: -1.0 to +11.0)"),
        (0.5, 0.75, 0.625, [0.05, 0.2],
         "It beats the free threshold (62.5%) by 12.5 points (95 %: +5.0 to +20.0)",
         "the tuning beats it by 12.5 points (95 %: +5.0 to +20.0)"),
        # The threshold made things worse: nothing to be proud of.
        (0.9, 0.9, 0.754, [0.1, 0.19],
         "The free threshold does not help: 75.4% with it, 90.0% before",
         "it does not help, 0.900 before (the tuning is +14.6 points from it, 95 %: +10.0 to +19.0)"),
        # Both made things worse.
        (0.9, 0.86, 0.85, [-0.02, 0.04],
         "The free threshold does not help: 85.0% with it, 90.0% before",
         "it does not help, 0.900 before (the tuning is +1.0 points from it, 95 %: -2.0 to +4.0)"),
    ],
)  # fmt: skip
def test_the_free_threshold_is_called_what_its_interval_says(
    before: float, after: float, free: float, ci95: list[float], sentence: str, line: str
) -> None:
    summary = with_free(before, after, free, ci95, "no significant change")
    assert free_threshold_sentence(summary) == sentence
    assert f"  free threshold shift: {free:.3f}; {line}" in verdict_lines(summary)


@pytest.mark.parametrize(
    ("verdict", "scored", "says"),
    [
        ("improved", [-0.01, 0.02], "this comes from images that had no score before: of the 900 with a score"),
        ("improved", [0.01, 0.02], ""),
        ("worse", [-0.01, 0.02], "this comes from images that lost their score: of the 900 with a score"),
        ("no significant change", [0.01, 0.02], ""),
    ],
)
def test_a_verdict_that_rests_on_images_without_a_score_says_so(verdict: str, scored: list[float], says: str) -> None:
    on_both = {"before": 0.5, "after": 0.505, "n": 900, "ci95": scored}
    summary = SUMMARY | {"verdict": verdict, "no_score": {"before": 300, "after": 12}, "scored": on_both}
    first, second = verdict_lines(summary)[:2]
    assert says in first
    assert ("this comes from" in first) == bool(says)
    assert second == "  no score: 300 of 1,200 test images before, 12 after; they count as wrong"
