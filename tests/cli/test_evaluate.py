"""``bbdft evaluate``: accuracy on other images, and what each part of a space does."""

import json
from pathlib import Path

from tests.conftest import Bbdft


def test_evaluate_measures_other_images_and_keeps_their_scores(run: Path, bbdft: Bbdft, tiny: Path) -> None:
    found = json.loads(bbdft("evaluate", run, "--split", "all", "--json", code=0, fresh=True).stdout)
    assert found["accuracy"]["all"]["n"] == 200
    assert found["accuracy"]["all"]["after"] > 0.9
    assert found["queries"]["total"] == 400
    test = json.loads(bbdft("evaluate", run, "--json", code=0).stdout)
    assert test["accuracy"]["test"] == json.loads((run / "summary.json").read_text())["accuracy"]["test"]
