"""Labelled images as arrays, and a function that scores them: what brightness decides, all a little too dark."""

from typing import Any

import numpy as np

SIDE = 8


def tone_arrays(count: int = 300, seed: int = 0) -> tuple[Any, Any]:
    """Images ``(N, 8, 8, 3)`` uint8 and labels ``(N,)``, 0 or 1."""
    rng = np.random.default_rng(seed)
    labels = np.arange(count) % 2
    levels = 110 + 30 * labels + rng.normal(0, 7, count)
    images = levels[:, None, None, None] + rng.normal(0, 4, (count, SIDE, SIDE, 3))
    return images.clip(0, 255).astype(np.uint8), labels


class Bright:
    """Scores of dark and bright; it counts what it scores. The labels call an image bright from 125 on."""

    def __init__(self, limit: float = 140.0) -> None:
        self.limit, self.scored = limit, 0

    def __call__(self, images: Any) -> Any:
        assert images.dtype == np.uint8
        self.scored += len(images)
        light = images.mean(axis=(1, 2, 3)) - self.limit
        return np.stack([-light, light], axis=1) / 8


def bright(images: Any) -> Any:
    """The same as a function of a module, which can be imported again by its name."""
    return Bright()(images)


def model_bytes() -> bytes:
    """The same as an ONNX model of images [N, 3, 8, 8] in [0, 1]."""
    from onnx import TensorProto, helper, numpy_helper

    weights = [
        numpy_helper.from_array(np.array([[-255 / 8, 255 / 8]], np.float32), "w"),
        numpy_helper.from_array(np.array([140 / 8, -140 / 8], np.float32), "b"),
        numpy_helper.from_array(np.array([1], np.int64), "last"),
    ]
    nodes = [
        helper.make_node("ReduceMean", ["image"], ["mean"], axes=[1, 2, 3], keepdims=0),
        helper.make_node("Unsqueeze", ["mean", "last"], ["column"]),
        helper.make_node("Gemm", ["column", "w", "b"], ["scores"]),
    ]
    image = helper.make_tensor_value_info("image", TensorProto.FLOAT, ["N", 3, SIDE, SIDE])
    scores = helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["N", 2])
    graph = helper.make_graph(nodes, "bright", [image], [scores], weights)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    return bytes(model.SerializeToString())
