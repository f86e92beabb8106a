"""The metric of a run in words: levels, gains and intervals of shares and of costs; files of earlier versions."""

from typing import Any

from blackbox_dft.report.outcome import Outcome, accuracy_beside, gain_of
from blackbox_dft.report.run_report import sentence
from blackbox_dft.report.terminal import verdict_lines
from tests.report.test_terminal import SUMMARY

COST: dict[str, Any] = {
    "name": "cost", "title": "mean cost", "before": 0.4, "after": 0.3, "n": 1200, "gain": 0.1, "ci95": [-0.0125, 0.2],
    "less_is_better": True, "decomposes": True, "threshold": 0.45, "threshold_ci95": [-0.01, 0.31],
    "parts": {"image": 0.35, "output": 0.38, "both": 0.3}, "scored": None,
}  # fmt: skip
BALANCED = COST | {
    "name": "balanced-accuracy", "title": "balanced accuracy", "before": 0.6, "after": 0.8, "gain": 0.2,
    "ci95": [0.1, 0.3], "less_is_better": False, "threshold": 0.7, "threshold_ci95": [0.02, 0.18],
    "parts": {"image": 0.7, "output": 0.65, "both": 0.8},
}  # fmt: skip


def test_a_cost_says_what_is_saved_and_accuracy_beside() -> None:
    lines = verdict_lines(SUMMARY | {"metric": COST, "verdict": "no significant change"})
    assert lines[:3] == [
        "no significant change: test mean cost 0.4 -> 0.3 (+0.1 saved an image, 95 %: -0.0125 to +0.2; accuracy 0.500 "
        "-> 0.750; 1,200 images)",
        # A threshold that costs more than before does not help.
        "  free threshold shift: 0.45; it does not help, 0.4 before (the tuning is +0.15 saved an image from it, 95 %: "
        "-0.01 to +0.31)",
        "  image change alone: 0.35; output map alone, on unchanged images: 0.38; as kept: 0.3",
    ]
    assert sentence(SUMMARY | {"metric": COST}) == (
        "Improved: the mean cost of the 1,200 test images is 0.3, 0.4 before: +0.1 saved an image (95 % interval "
        "-0.0125 to +0.2; accuracy 0.500 -> 0.750). The free threshold does not help: 0.45 with it, 0.4 before."
    )


def test_balanced_accuracy_is_in_points() -> None:
    found = sentence(SUMMARY | {"metric": BALANCED})
    assert "the balanced accuracy of the 1,200 test images is 80.0%, 60.0% before: +20.0 points" in found
    assert "It beats the free threshold (70.0%) by 10.0 points (95 %: +2.0 to +18.0)" in found


def test_accuracy_is_read_where_it_always_was() -> None:
    accuracy = BALANCED | {"name": "accuracy", "title": "accuracy"}
    assert verdict_lines(SUMMARY | {"metric": accuracy}) == verdict_lines(SUMMARY)
    assert Outcome.of(SUMMARY).is_accuracy
    assert accuracy_beside(SUMMARY) == ""
    assert gain_of(SUMMARY) == 0.25
    assert gain_of({"metric": COST}) == 0.1
