"""The choice between z, an output map, both and neither."""

from pathlib import Path

import numpy as np
import pytest

from blackbox_dft import Config
from blackbox_dft.evaluation.metric import ACCURACY
from blackbox_dft.objectives.output_map import OutputMap
from blackbox_dft.run.runner import optimize
from blackbox_dft.search.mapped_selection import BOTH, IDENTITY, LAST_QUARTER, MAP_ALONE, _best, _Candidate, _Judge


def candidate(right: float, confidence: float, *, penalty: float = 0.0, mapped: bool = False) -> _Candidate:
    """Decides 200 images of two labels, ``right`` of them rightly, each with this probability."""
    labels = np.arange(200) % 2
    good = np.arange(200) < 200 * right
    probabilities = np.full((200, 2), 1 - confidence)
    probabilities[np.arange(200), np.where(good, labels, 1 - labels)] = confidence
    found = OutputMap(np.eye(2), "bias", bias=np.zeros(2)) if mapped else None
    return _Candidate(np.zeros(1), found, probabilities, good.astype(float), penalty)


LABELS = np.arange(200) % 2


def best(**changes: _Candidate) -> str:
    usual = {
        BOTH: candidate(0.6, 0.7, mapped=True),
        LAST_QUARTER: candidate(0.6, 0.7),
        MAP_ALONE: candidate(0.6, 0.7, mapped=True),
        IDENTITY: candidate(0.6, 0.7),
    }
    names = {"both": BOTH, "z": LAST_QUARTER, "alone": MAP_ALONE}
    return _best(usual | {names[name]: changed for name, changed in changes.items()}, _Judge.of(LABELS, ACCURACY))


def test_nothing_is_kept_without_a_gain() -> None:
    assert best() == IDENTITY


def test_the_best_of_the_four_is_kept() -> None:
    assert best(both=candidate(0.9, 0.7, mapped=True)) == BOTH
    assert best(z=candidate(0.9, 0.7)) == LAST_QUARTER
    assert best(alone=candidate(0.9, 0.7, mapped=True)) == MAP_ALONE


def test_a_simpler_candidate_that_decides_clearly_better_replaces_both() -> None:
    both = candidate(0.8, 0.7, mapped=True)
    assert best(both=both, z=candidate(0.95, 0.7)) == LAST_QUARTER
    # More confident, but no better decisions.
    assert best(both=both, alone=candidate(0.8, 0.9, mapped=True)) == BOTH


def test_a_penalty_on_z_counts() -> None:
    assert best(both=candidate(0.9, 0.7, mapped=True, penalty=10.0)) == IDENTITY


def test_images_without_a_score_are_errors() -> None:
    lost = candidate(0.9, 0.7, mapped=True)
    lost.probabilities[:150] = np.nan
    lost.right[:150] = 0
    assert best(both=lost) == IDENTITY


@pytest.mark.parametrize("kind", ["auto", "bias", "linear", "none"])
def test_a_run_keeps_what_its_option_says(kind: str, tiny: Path, tmp_path: Path) -> None:
    config = Config(
        str(tiny / "model.onnx"), str(tiny / "labels.csv"), space="color", budget=900, output_map=kind  # type: ignore[arg-type]
    )  # fmt: skip
    result = optimize(config, tmp_path / "run")
    parts, test = result.summary.parts, result.summary.accuracy["test"]
    assert parts.both == test.after > 0.9
    if kind == "none":
        assert result.choice.output_map is None
        assert (parts.image, parts.output) == (test.after, test.before)
        assert result.summary.chosen == LAST_QUARTER
    else:
        # A shift of the threshold mends these images as well, at no query.
        assert parts.output > 0.9
        family = result.tuning.output_map.family if result.tuning.output_map else ""
        assert family in {"auto": ("bias", "scale", "linear"), "bias": ("bias",), "linear": ("linear",)}[kind] + (
            "none",
        )
