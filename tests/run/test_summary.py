"""The summary of a run as a dataclass and as JSON."""

import json
from dataclasses import replace

import pytest

from blackbox_dft.evaluation.paired import PairedResult
from blackbox_dft.run.summary import (
    Accuracy,
    NoScore,
    Parts,
    PartSummary,
    Price,
    Proof,
    Queries,
    Summary,
    Threshold,
    accuracy,
    verdict,
)

SUMMARY = Summary(
    target="model.onnx", space="color", epsilon=None, estimator="nes", distance_weight=0.0, seed=3, budget=1000,
    repeats=1, queries=Queries(990, 500, 200, 280, 0, 40, 10),
    accuracy={"val": Accuracy(0.5, 0.75, 40, (0.125, 0.375)), "test": Accuracy(0.5, 0.625, 80, (0.0, 0.25))},
    threshold=Threshold(0.6, (-0.1, 0.15), (0.25, -0.25)), calibrated=None,
    parts=Parts(0.6, 0.55, 0.625), space_parts=(PartSummary("color", 0.1, (0.0, 0.2)),),
    proof=Proof("betting", 40, 31, 0.05, 24.5, 12.5, (0.0, 0.25), "no significant change"),
    mcnemar_p=0.01, psnr_db=None, ssim=1.0, verdict="improved",
    beats_threshold=False, no_score=NoScore(3, 1), scored=None, warnings=("dark",),
    interval="paired bootstrap over images", chosen="identity", images={"test": 80}, skipped=0,
    objective="brier", scores="logits", stopped_early=False, seconds=1.5, images_per_second=660.0,
)  # fmt: skip


def test_json_is_what_reads_back_from_the_file() -> None:
    document = SUMMARY.to_json()
    assert json.loads(json.dumps(document)) == document
    assert document["queries"] == {
        "total": 990, "tune": 500, "select": 200, "evaluate": 280, "watch": 0, "cached": 40, "in_doubt": 10,
        "views": 0, "input": 0,
    }  # fmt: skip
    assert document["accuracy"]["test"] == {"before": 0.5, "after": 0.625, "n": 80, "ci95": [0.0, 0.25]}
    assert document["threshold"] == {"test": 0.6, "ci95": [-0.1, 0.15], "bias": [0.25, -0.25]}
    assert document["parts"] == {"image": 0.6, "output": 0.55, "both": 0.625}
    assert document["space_parts"] == [{"part": "color", "gain": 0.1, "ci95": [0.0, 0.2]}]
    assert document["proof"] == {
        "method": "betting", "n": 40, "decided_at": 31, "alpha": 0.05, "e_value": 24.5, "precision": 12.5,
        "ci95": [0.0, 0.25], "verdict": "no significant change",
    }  # fmt: skip
    assert document["calibrated"] is None
    assert (document["no_score"], document["scored"]) == ({"before": 3, "after": 1}, None)
    assert document["warnings"] == ["dark"]
    assert document["price"] is None
    assert list(document)[-5:] == ["views", "price", "input", "seconds", "images_per_second"]


def test_a_price_is_of_all_images_sent() -> None:
    paid = replace(SUMMARY, price=Price.of(0.0015, 990)).to_json()
    assert paid["price"] == {"per_image": 0.0015, "spent": 1.485}
    # Free is a price.
    assert Price.of(0.0, 990) == Price(0.0, 0.0)


def test_summaries_are_equal_if_all_fields_are() -> None:
    assert replace(SUMMARY, seed=3) == SUMMARY
    assert replace(SUMMARY, seed=4) != SUMMARY


@pytest.mark.parametrize(
    ("ci95", "word"),
    [((0.001, 0.02), "improved"), ((0.0, 0.02), "no significant change"), ((-0.02, -0.001), "worse")],
)
def test_the_verdict_is_the_sign_of_the_interval(ci95: tuple[float, float], word: str) -> None:
    assert verdict(ci95) == word


def test_accuracies_are_rounded_to_six_digits() -> None:
    assert accuracy(PairedResult(1 / 3, 2 / 3, 9, (0.1234567, 0.7654321), 0.5)) == Accuracy(
        0.333333, 0.666667, 9, (0.123457, 0.765432)
    )
