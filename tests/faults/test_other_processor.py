"""A run that is resumed on another processor, whose sums differ in the last bit: nothing is paid twice.

Other processors are made up: OpenBLAS and NumPy take the instructions that environment variables name.
"""

import json
from pathlib import Path

import pytest

from tests.conftest import Bbdft
from tests.helpers.main_job import words

OLD = {"OPENBLAS_CORETYPE": "Nehalem", "NPY_DISABLE_CPU_FEATURES": "AVX512F AVX512CD AVX512_SKX"}
NEW = {"OPENBLAS_CORETYPE": "Haswell", "NPY_DISABLE_CPU_FEATURES": ""}


@pytest.mark.slow
@pytest.mark.parametrize("estimator", ["surface", "nes", "spsa", "finite-difference", "cma-es", "random"])
def test_it_goes_on_with_the_recorded_scores(
    estimator: str, bbdft: Bbdft, tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def on(processor: dict[str, str], *line: object) -> None:
        for name, value in processor.items():
            monkeypatch.setenv(name, value)
        bbdft(*line, code=0, fresh=True)

    run = tmp_path / "run"
    on(OLD, *words(tiny, run, estimator=estimator, space="color+dct:4", budget=2000))
    before = json.loads((run / "summary.json").read_text())
    (run / "summary.json").unlink()
    on(NEW, "resume", run)
    after = json.loads((run / "summary.json").read_text())
    for key in ("queries", "accuracy", "verdict"):
        assert after[key] == before[key], key
