"""A fused file returns the probabilities of the labels that the decoder gives."""

from pathlib import Path

import numpy as np
import onnxruntime as ort
import pytest
from onnx import TensorProto, helper, save

from blackbox_dft.fusion.label_output import LabelOutput, append_labels
from blackbox_dft.objectives.output_map import OutputMap
from blackbox_dft.objectives.outputs import Kind, OutputDecoder
from tests.helpers.models import runs_opset

MATRIX = np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 0.0]])
MAPS = {
    "none": OutputMap(MATRIX),
    "bias": OutputMap(MATRIX, "bias", bias=np.array([0.3, -0.3])),
    "scale": OutputMap(MATRIX, "scale", log_scale=0.4, bias=np.array([-0.2, 0.1])),
    "linear": OutputMap(
        MATRIX,
        "linear",
        log_scale=-0.2,
        bias=np.array([0.1, 0.2]),
        weights=np.array([[0.3, -0.2, 0.5], [0.0, 0.4, -0.6]]),
        spread=1.7,
    ),
    "counts": OutputMap(MATRIX, "counts", counts=np.array([[0.9, 0.1], [0.3, 0.7], [0.6, 0.4]])),
}


def through_onnx(raw: np.ndarray, kind: Kind, found: OutputMap, path: Path, opset: int = 17) -> np.ndarray:
    columns = raw.shape[1]
    value = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N", columns]) for name in ("x", "scores")]
    body = helper.make_graph([helper.make_node("Identity", ["x"], ["scores"])], "g", value[:1], value[1:])
    model = helper.make_model(body, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)
    append_labels(model, LabelOutput("scores", kind, found, ["nonsmile", "smile"]))
    save(model, path)
    session = ort.InferenceSession(path)
    assert session.get_modelmeta().custom_metadata_map["bbdft_labels"] == '["nonsmile", "smile"]'
    scores, labels = session.run(None, {"x": raw})
    np.testing.assert_array_equal(scores, raw)
    return np.asarray(labels)


@pytest.mark.parametrize("family", MAPS)
@pytest.mark.parametrize("kind", ["probabilities", "percent", "relative", "logits"])
def test_scores_of_three_classes(family: str, kind: Kind, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    raw = rng.dirichlet(np.ones(3), 20).astype(np.float32)
    # Missing mass, and zeros.
    raw[0], raw[1] = (0.5, 0, 0), (0, 1, 0)
    raw = {"percent": 100 * raw, "logits": 5 * raw, "relative": 0.9 * raw}.get(kind, raw)
    expected = OutputDecoder(kind, MATRIX, MAPS[family])(raw)
    np.testing.assert_allclose(through_onnx(raw, kind, MAPS[family], tmp_path / "m.onnx"), expected, atol=1e-6)


@pytest.mark.parametrize("opset", [18, 22, 24])
def test_models_of_newer_opsets(opset: int, tmp_path: Path) -> None:
    if not runs_opset(opset):
        pytest.skip("newer than this ONNX Runtime")
    raw = np.random.default_rng(0).dirichlet(np.ones(3), 20).astype(np.float32)
    expected = OutputDecoder("probabilities", MATRIX, MAPS["linear"])(raw)
    found = through_onnx(raw, "probabilities", MAPS["linear"], tmp_path / "m.onnx", opset)
    np.testing.assert_allclose(found, expected, atol=1e-6)


@pytest.mark.parametrize("kind", ["sigmoid", "logit", "index"])
def test_one_column(kind: Kind, tmp_path: Path) -> None:
    raw = np.array([[0.0], [1.0], [1.0]] if kind == "index" else [[0.2], [0.7], [0.99]], np.float32)
    found = OutputMap(np.eye(2), "bias", bias=np.array([0.3, -0.3]))
    expected = OutputDecoder(kind, np.eye(2), found)(raw)
    np.testing.assert_allclose(through_onnx(raw, kind, found, tmp_path / "m.onnx"), expected, atol=1e-6)
