"""An ONNX model whose scores are the very pixels of its input, to see which images a model receives."""

import numpy as np
import onnx
from onnx import TensorProto, helper

SHAPE = (20, 24, 3)


def mirror() -> onnx.ModelProto:
    """A model whose scores are its input, ``(N, 3 * H * W)``."""
    nodes = [helper.make_node("Flatten", ["x"], ["scores"])]
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 3, *SHAPE[:2]])
    scores = helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["N", int(np.prod(SHAPE))])
    body = helper.make_graph(nodes, "mirror", [x], [scores])
    return helper.make_model(body, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def seen(scores: np.ndarray) -> np.ndarray:
    """Scores of ``mirror`` as images ``(N, H, W, 3)``."""
    return scores.reshape(-1, 3, *SHAPE[:2]).transpose(0, 2, 3, 1)
