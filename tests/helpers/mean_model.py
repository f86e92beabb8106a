"""A small ONNX model of every layout and type: its scores are the means of the channels."""

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

SIDE = 8
TYPES = {"float32": TensorProto.FLOAT, "float16": TensorProto.FLOAT16, "uint8": TensorProto.UINT8}
IMAGES = np.random.default_rng(0).integers(0, 256, (7, SIDE, SIDE, 3)).astype(np.uint8)


def build(
    path: Path,
    *,
    layout: str = "nchw",
    kind: str = "float32",
    depth: int = 3,
    batch: int | str = "N",
    side: int | str = SIDE,
    scale: float | None = None,
    outputs: tuple[str, ...] = ("scores",),
    meta: dict[str, str] | None = None,
) -> Path:
    """A model whose scores are the means of the channels (and of the image) over all pixels."""
    spatial, channel = ([2, 3], 1) if layout == "nchw" else ([1, 2], 3)
    shape = [batch, depth, side, side] if layout == "nchw" else [batch, side, side, depth]
    weights = []
    nodes = [helper.make_node("Cast", ["image"], ["x0"], to=TensorProto.FLOAT)]
    if scale is not None:
        weights.append(numpy_helper.from_array(np.float32(scale), "scale"))
        nodes.append(helper.make_node("Div", ["x0", "scale"], ["x"]))
    else:
        nodes.append(helper.make_node("Identity", ["x0"], ["x"]))
    nodes.append(helper.make_node("ReduceMean", ["x"], ["means"], axes=spatial, keepdims=0))
    values = []
    if "scores" in outputs:
        weights.append(numpy_helper.from_array(np.eye(depth, 3, dtype=np.float32), "mix"))
        nodes.append(helper.make_node("MatMul", ["means", "mix"], ["scores"]))
        values.append(helper.make_tensor_value_info("scores", TensorProto.FLOAT, [batch, 3]))
    if "label" in outputs:
        nodes.append(helper.make_node("ArgMax", ["means"], ["label"], axis=1, keepdims=0))
        values.append(helper.make_tensor_value_info("label", TensorProto.INT64, [batch]))
    if "age" in outputs:
        nodes.append(helper.make_node("ReduceMean", ["x"], ["age"], axes=[*spatial, channel], keepdims=0))
        values.append(helper.make_tensor_value_info("age", TensorProto.FLOAT, [batch]))
    if "other" in outputs:
        nodes.append(helper.make_node("Identity", ["means"], ["other"]))
        values.append(helper.make_tensor_value_info("other", TensorProto.FLOAT, [batch, depth]))
    image = helper.make_tensor_value_info("image", TYPES[kind], shape)
    graph = helper.make_graph(nodes, "means", [image], values, weights)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    helper.set_model_props(model, meta or {})
    onnx.save(model, path)
    return path
