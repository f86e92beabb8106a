"""A small classifier with any end: three scores of images [N, 3, 8, 8], and operators after them."""

from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

SIDE = 8
WEIGHTS = np.random.default_rng(3).normal(size=(3 * SIDE * SIDE, 3)).astype(np.float32)
IMAGES = np.random.default_rng(4).integers(0, 256, (9, SIDE, SIDE, 3)).astype(np.uint8)
SCORES = (IMAGES.transpose(0, 3, 1, 2).reshape(len(IMAGES), -1) / np.float32(255)) @ WEIGHTS
"""Of ``IMAGES``, by the model without an end."""


def with_end(
    path: Path,
    end: list[onnx.NodeProto],
    outputs: list[onnx.ValueInfoProto],
    constants: dict[str, Any] | None = None,
    sides: tuple[Any, ...] = ("N", 3, SIDE, SIDE),
    meta: dict[str, str] | None = None,
) -> Path:
    """A model whose tensor of scores, ``p``, goes through the nodes of ``end``."""
    nodes = [
        helper.make_node("Reshape", ["x", "flat"], ["v"]),
        helper.make_node("MatMul", ["v", "w"], ["p"]),
        *end,
    ]
    arrays = {"flat": np.array([-1, len(WEIGHTS)]), "w": WEIGHTS, **(constants or {})}
    weights = [numpy_helper.from_array(np.asarray(value), name) for name, value in arrays.items()]
    image = helper.make_tensor_value_info("x", TensorProto.FLOAT, sides)
    graph = helper.make_graph(nodes, "g", [image], outputs, weights)
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("ai.onnx.ml", 3)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=9)
    helper.set_model_props(model, meta or {})
    onnx.save(model, path)
    return path


def out(name: str, kind: int = TensorProto.FLOAT, sides: list[Any] | None = None) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, kind, sides)


def table(name: str, kind: int = TensorProto.STRING) -> onnx.ValueInfoProto:
    """An output of ZipMap."""
    value = helper.make_map_type_proto(kind, helper.make_tensor_type_proto(TensorProto.FLOAT, []))
    return helper.make_value_info(name, helper.make_sequence_type_proto(value))
