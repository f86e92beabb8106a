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
