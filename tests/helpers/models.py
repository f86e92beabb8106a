"""Small ONNX models of any input format, and images for them."""

from functools import cache
from types import SimpleNamespace

import numpy as np
import onnx
import onnxruntime as ort
from onnx import TensorProto, helper, numpy_helper

SHAPE = (20, 24, 3)


def photos(count: int) -> np.ndarray:
    rng = np.random.default_rng(count)
    coarse = rng.uniform(0, 255, (count, 5, 6, 3))
    return np.kron(coarse, np.ones((1, 4, 4, 1))).astype(np.uint8)


def form(**given: object) -> SimpleNamespace:
    usual = {"layout": "nchw", "channels": "rgb", "range": "0..1", "mean": None, "std": None, "dtype": "float32"}
    return SimpleNamespace(**usual | given)


def small_model(
    image: SimpleNamespace,
    *,
    name: str = "x",
    inner: str = "floats",
    batch: int | str | None = "N",
    opset: int = 17,
    branches: bool = False,
) -> onnx.ModelProto:
    """Two weighted sums of all pixels; with ``branches``, the input is read within an If alone."""
    height, width, _ = SHAPE
    depth = 1 if image.channels == "grey" else 3
    size = height * width * depth
    sides = [depth, height, width] if image.layout == "nchw" else [height, width, depth]
    sides = sides if batch is None else [batch, *sides]
    kind = helper.np_dtype_to_tensor_dtype(np.dtype(image.dtype))
    weights = np.random.default_rng(1).normal(size=(size, 2)) / size
    lines = batch if isinstance(batch, int) else -1
    constants = [
        numpy_helper.from_array(weights.astype(np.float32), "w"),
        numpy_helper.from_array(np.array([lines, size]), "flat_shape"),
    ]
    nodes, read = [], name
    if branches:
        read = "chosen"
        both = {}
        for branch in ("then_branch", "else_branch"):
            out = helper.make_tensor_value_info(branch, kind, sides)
            both[branch] = helper.make_graph([helper.make_node("Identity", [name], [branch])], branch, [], [out])
        constants.append(numpy_helper.from_array(np.array(True), "yes"))
        nodes.append(helper.make_node("If", ["yes"], [read], **both))
    nodes += [
        helper.make_node("Cast", [read], [inner], to=TensorProto.FLOAT),
        helper.make_node("Reshape", [inner, "flat_shape"], ["flat"]),
        helper.make_node("MatMul", ["flat", "w"], ["scores"]),
    ]
    taken = helper.make_tensor_value_info(name, kind, sides)
    given = helper.make_tensor_value_info("scores", TensorProto.FLOAT, [batch or 1, 2])
    known = [helper.make_tensor_value_info(inner, TensorProto.FLOAT, sides)]
    body = helper.make_graph(nodes, "small", [taken], [given], constants, value_info=known)
    model = helper.make_model(body, opset_imports=[helper.make_opsetid("", opset)], ir_version=8, producer_name="me")
    helper.set_model_props(model, {"classes": "no,yes"})
    onnx.checker.check_model(model, full_check=True)
    return model


@cache
def runs_opset(opset: int) -> bool:
    """Whether this ONNX Runtime runs models of an opset."""
    try:
        ort.InferenceSession(small_model(form(), opset=opset).SerializeToString())
    except Exception:
        return False
    return True


def tone_model(weights: np.ndarray, bias: np.ndarray, side: int) -> onnx.ModelProto:
    """Softmax of ``mean w + b`` with the mean of all pixels ``(N, 3, side, side)``, w ``(1, L)`` and b ``(L,)``."""
    constants = [
        numpy_helper.from_array(weights.astype(np.float32), "w"),
        numpy_helper.from_array(bias.astype(np.float32), "b"),
        numpy_helper.from_array(np.array([1], np.int64), "last"),
    ]
    nodes = [
        helper.make_node("ReduceMean", ["image"], ["mean"], axes=[1, 2, 3], keepdims=0),
        helper.make_node("Unsqueeze", ["mean", "last"], ["column"]),
        helper.make_node("Gemm", ["column", "w", "b"], ["logits"]),
        helper.make_node("Softmax", ["logits"], ["tone"], axis=-1),
    ]
    image = helper.make_tensor_value_info("image", TensorProto.FLOAT, ["N", 3, side, side])
    tone = helper.make_tensor_value_info("tone", TensorProto.FLOAT, ["N", weights.shape[1]])
    graph = helper.make_graph(nodes, "tone", [image], [tone], constants)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
