"""The verdict in lines."""

from pathlib import Path
from typing import Any

import pytest

from blackbox_dft.report.terminal import verdict_lines

SUMMARY: dict[str, Any] = {
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
        "  kept: last iterate; McNemar p = 0.0012; ssim 0.500",
        "  queries: 2,000 of 3,000 (500 tune, 300 select, 1,200 evaluate; 7 free from the ledger), 1000.00 paid",
        "  12.3 s, 162 images/s",
    ]


@pytest.mark.parametrize(
    ("more", "line"),
    [
        ({"beats_threshold": False}, "the tuning does not clearly beat it (+12.5 points, 95 %: +5.0 to +20.0)"),
        ({"psnr_db": 30.0}, "psnr 30.0 dB, ssim 0.500"),
        ({"stopped_early": True}, "  the search stopped early"),
        ({"calibrated": {"test": 0.8, "ci95": [0.1, 0.2]}}, "with the threshold fitted again: 0.800, +17.5 points"),
        ({"space_parts": [{"part": "dct:8", "gain": 0.01, "ci95": [0, 0.02]}]}, "on val: dct:8 +1.0 (+0.0 to +2.0)"),
        ({"queries": SUMMARY["queries"] | {"in_doubt": 9}}, "from the ledger, 9 in doubt)"),
    ],
)
def test_what_only_some_runs_have_gets_a_line(more: dict[str, Any], line: str) -> None:
    assert line in "\n".join(verdict_lines(SUMMARY | more))


def test_only_files_that_exist_are_named(tmp_path: Path) -> None:
    (tmp_path / "report.html").touch()
    (tmp_path / "tuning.npz").touch()
    assert f"  written: {tmp_path}/report.html, tuning.npz" in verdict_lines(SUMMARY, tmp_path)
