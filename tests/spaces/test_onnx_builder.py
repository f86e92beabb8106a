"""The graph builder: rounding as numpy rounds, and clips that can be dropped."""

import numpy as np
import onnxruntime as ort
from onnx import TensorProto, helper

from blackbox_dft.images.encoding import to_bytes, to_floats
from blackbox_dft.spaces.onnx_builder import OnnxBuilder


def run(graph: OnnxBuilder, output: str, values: np.ndarray) -> np.ndarray:
    given, out = (helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N"]) for name in ("x", output))
    body = helper.make_graph(graph.nodes, "g", [given], [out], graph.constants)
    model = helper.make_model(body, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    return ort.InferenceSession(model.SerializeToString()).run(None, {"x": values})[0]


def test_rounding_in_a_graph_equals_bytes_and_back() -> None:
    graph = OnnxBuilder("g")
    values = np.concatenate([np.linspace(0, 1, 5000), (np.arange(255) + 0.5) / 255]).astype(np.float32)
    np.testing.assert_array_equal(run(graph, graph.rounded("x"), values), to_floats(to_bytes(values)))


def test_a_last_clip_to_zero_and_one_is_dropped_and_no_other() -> None:
    for low, high, dropped in ((0, 1, True), (-1, 1, False), (0, 0.5, False)):
        graph = OnnxBuilder("g")
        limits = [graph.constant(np.float32(value)) for value in (low, high)]
        clipped = graph.op("Clip", "x", *limits)
        assert graph.unclipped(clipped) == ("x" if dropped else clipped)
        assert len(graph.nodes) == (not dropped)
    graph = OnnxBuilder("g")
    double = graph.op("Add", "x", "x")
    assert graph.unclipped(double) == double


def test_names_stay_unique_after_a_node_was_dropped() -> None:
    graph = OnnxBuilder("g")
    limits = [graph.constant(np.float32(value)) for value in (0, 1)]
    graph.unclipped(graph.op("Clip", "x", *limits))
    names = [graph.op("Add", "x", "x"), graph.constant(np.float32(2)), *limits]
    assert len(set(names)) == len(names)
