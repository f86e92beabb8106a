"""``bbdft inspect``: inputs, outputs, speed and noise of a target."""

import json
from pathlib import Path

from tests.conftest import Bbdft


def test_inspect_shows_what_was_inferred(bbdft: Bbdft, tiny: Path) -> None:
    found = json.loads(bbdft("inspect", tiny / "model.onnx", "--json", code=0, fresh=True).stdout)
    assert found["layout"] == "nchw"
    assert found["classes"] == ["dark", "bright"]
    assert found["provider"] == "cpu"
    assert found["noise"] == 0
    assert found["scores"]["kind"] == "probabilities"
    assert "best batch" in bbdft("inspect", tiny / "model.onnx", code=0).stdout


def test_inspect_needs_no_splits(bbdft: Bbdft, tiny: Path, tmp_path: Path) -> None:
    (tmp_path / "one.csv").write_text(f"file,label\n{(tiny / 'images/000.png').as_posix()},dark\n")
    bbdft("inspect", tiny / "model.onnx", "--data", tmp_path / "one.csv", code=0)
