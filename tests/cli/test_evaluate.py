"""``bbdft evaluate``: accuracy on other images, recorded scores, and a model that changed."""

import json
from pathlib import Path

from tests.conftest import Bbdft
from tests.helpers.main_job import words

CHANGING = """
from pathlib import Path
import numpy as np
def score(images):
    limit = float(Path("limit").read_text())
    p = 1 / (1 + np.exp(-80 * (images.mean((1, 2, 3)) / 255 - limit)))
    return np.stack([1 - p, p], 1)
score.classes = ["dark", "bright"]
"""


def test_evaluate_measures_other_images_and_keeps_their_scores(run: Path, bbdft: Bbdft, tiny: Path) -> None:
    found = json.loads(bbdft("evaluate", run, "--split", "all", "--json", code=0, fresh=True).stdout)
    assert found["accuracy"]["all"]["n"] == 200
    assert found["accuracy"]["all"]["after"] > 0.9
    assert found["queries"]["total"] == 400
    assert found["queries"] == {"total": 400, "cached": 0}
    again = bbdft("evaluate", run, "--split", "all", "--json", code=0)
    assert json.loads(again.stdout)["queries"] == {"total": 0, "cached": 400}
    said = bbdft("evaluate", run, "--split", "all", code=0).stderr
    assert "0 queries (400 scores are recorded: --fresh scores them again)" in said
    fresh = json.loads(bbdft("evaluate", run, "--split", "all", "--fresh", "--json", code=0).stdout)
    assert fresh["queries"] == {"total": 400, "cached": 0}
    assert {**fresh, "queries": {}} == {**found, "queries": {}}
    test = json.loads(bbdft("evaluate", run, "--json", code=0).stdout)
    # Recorded with those of all images.
    assert test["queries"]["total"] == 0
    assert test["accuracy"]["test"] == json.loads((run / "summary.json").read_text())["accuracy"]["test"]


def test_a_fresh_evaluation_shows_that_the_model_changed(bbdft: Bbdft, tiny: Path, tmp_path: Path) -> None:
    (tmp_path / "changing.py").write_text(CHANGING)
    (tmp_path / "limit").write_text("0.5")
    line = [word if word != tiny / "model.onnx" else "changing:score" for word in words(tiny, tmp_path / "run")]
    bbdft(*line, cwd=tmp_path, code=0)

    def measured(*more: object) -> tuple[float, dict[str, int]]:
        found = json.loads(bbdft("evaluate", "run", "--json", *more, cwd=tmp_path, code=0).stdout)
        return found["accuracy"]["test"]["after"], found["queries"]

    before, _ = measured()
    (tmp_path / "limit").write_text("0.9")
    assert measured() == (before, {"total": 0, "cached": 160})
    after, queries = measured("--fresh")
    assert after == 0.5 < before
    assert queries == {"total": 160, "cached": 0}
    # The newer scores are those that are recorded from now on.
    assert measured() == (0.5, {"total": 0, "cached": 160})
