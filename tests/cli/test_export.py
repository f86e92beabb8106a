"""``bbdft export``: the change as an ONNX graph, alone and in front of the model."""

from pathlib import Path

import numpy as np
import onnxruntime as ort

from blackbox_dft import Tuning
from blackbox_dft.data import load
from tests.conftest import Bbdft


def test_export_and_fuse_agree_with_apply(run: Path, bbdft: Bbdft, tiny: Path, tmp_path: Path) -> None:
    bbdft("export", run, tmp_path / "change.onnx", code=0, fresh=True)
    bbdft("export", run, tmp_path / "fused.onnx", "--fuse", tiny / "model.onnx", code=0)
    images = load(tiny / "labels.csv").images[:32]
    fed = (images / np.float32(255)).transpose(0, 3, 1, 2)
    changed = Tuning.load(run)(images)
    (exported,) = ort.InferenceSession(tmp_path / "change.onnx").run(None, {"image": fed})
    assert np.abs(exported.transpose(0, 2, 3, 1) - changed / 255.0).max() <= 1 / 255 + 1e-6
    fused, labels = ort.InferenceSession(tmp_path / "fused.onnx").run(None, {"image": fed})
    sent = (changed / np.float32(255)).transpose(0, 3, 1, 2)
    (plain,) = ort.InferenceSession(tiny / "model.onnx").run(None, {"image": sent})
    assert np.abs(fused - plain).max() < 0.02
    np.testing.assert_allclose(labels, Tuning.load(run).decide(fused), atol=1e-5)


def test_no_file_is_replaced_unasked(run: Path, bbdft: Bbdft, tiny: Path, tmp_path: Path) -> None:
    out, model = tmp_path / "out.onnx", tmp_path / "model.onnx"
    out.write_text("mine")
    model.write_bytes((tiny / "model.onnx").read_bytes())
    assert "out.onnx exists: take another name, or give --overwrite" in bbdft("export", run, out, code=2).stderr
    assert out.read_text() == "mine"
    bbdft("export", run, model, "--fuse", model, "--overwrite", code=2)
    assert model.read_bytes() == (tiny / "model.onnx").read_bytes()
    bbdft("export", run, out, "--overwrite", code=0)
    assert out.stat().st_size > 100
